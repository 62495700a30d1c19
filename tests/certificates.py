"""Certificates that sign themselves, as cameras have them."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from tests.conftest import need


def self_signed(folder: Path, name: str = "IP:127.0.0.1") -> tuple[Path, Path]:
    """Return a file with the key and the certificate of a name, and one with the certificate alone."""
    need(shutil.which("openssl") is not None, "no openssl to make a certificate with")
    both, signed = folder / "server.pem", folder / "signed.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=camera", "-addext", f"subjectAltName={name}"]
    subprocess.run([*command, "-keyout", str(both), "-out", str(signed)], check=True, capture_output=True)
    both.write_bytes(both.read_bytes() + signed.read_bytes())
    return both, signed
