"""Python, Argus itself, and the folder where it keeps models."""

from __future__ import annotations

import platform
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from argus.core.settings import HOME_VARIABLE, Settings, read_settings
from argus.core.version import __version__
from argus.vision.capabilities.finding import Finding

_ENOUGH_BYTES = 2_000_000_000


def look_at_python() -> Iterator[Finding]:
    """Yield the versions of Argus and Python."""
    version = platform.python_version()
    bits = 64 if sys.maxsize > 2**32 else 32
    yield Finding(
        "system",
        "python",
        "ok",
        f"Argus {__version__} on Python {version}, {platform.system()} {platform.machine()}",
        required=True,
        data={"argus": __version__, "python": version, "bits": bits},
    )


def look_at_home(settings: Settings | None = None) -> Iterator[Finding]:
    """Yield whether the folder of this user can be written, by writing where it is or will be."""
    home = (settings or read_settings()).home
    data = {"path": str(home)}
    try:
        with tempfile.TemporaryFile(dir=_existing(home)) as probe:
            probe.write(b"argus")
        free = shutil.disk_usage(_existing(home)).free
    except OSError as error:
        yield Finding(
            "system",
            "ARGUS_HOME",
            "broken",
            f"{home} cannot be written ({error.strerror})",
            remedy=f"export {HOME_VARIABLE}=FOLDER with a folder of yours, or chown {_existing(home)}",
            required=True,
            data=data,
        )
        return
    short = free < _ENOUGH_BYTES
    yield Finding(
        "system",
        "ARGUS_HOME",
        "missing" if short else "ok",
        f"{home}, writable, {free / 1e9:.1f} GB free",
        remedy=f"free some space, or export {HOME_VARIABLE}=FOLDER on another disk" if short else None,
        data={**data, "free_bytes": free},
    )


def _existing(path: Path) -> Path:
    return next(parent for parent in [path, *path.parents] if parent.exists())
