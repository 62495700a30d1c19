"""Addresses that weights are pulled from: `https://host/file.onnx#sha256=…`.

Pure: which addresses are taken, what they are called, and how they are shown without their secrets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import unquote, urldefrag, urlsplit, urlunsplit

from argus.core.errors import SpecError
from argus.core.net_access import is_loopback

_SHA256 = re.compile(r"sha256=([0-9a-fA-F]{64})")


@dataclass(frozen=True, slots=True)
class WeightsAddress:
    """Where weights lie, and what they must be."""

    url: str
    """What is requested; may hold credentials."""
    sha256: str | None
    """Checksum of the weights; None where nobody vouches for them."""

    @property
    def shown(self) -> str:
        """The address as it may be printed and kept."""
        return without_secrets(self.url)

    @property
    def file_name(self) -> str:
        """The last part of the path, as a name that any disk takes."""
        last = unquote(urlsplit(self.url).path).rsplit("/", 1)[-1]
        name = re.sub(r"[^A-Za-z0-9._-]+", "_", last).lstrip(".")[:100]
        return name or "weights.onnx"


def is_address(text: str) -> bool:
    """Tell an address from a path or a name."""
    return re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", text) is not None


def parse_address(text: str, *, unverified: bool = False) -> WeightsAddress:
    """Return what the address says.

    Args:
        text: `https://…#sha256=…`, or `http://…#sha256=…`.
        unverified: True: weights that nobody vouches for are taken, unless they could be changed on the way.

    Raises:
        SpecError: the scheme is another one, the checksum is missing or none.
    """
    url, fragment = urldefrag(text)
    shown = without_secrets(url)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise SpecError(f"{shown}: this is no address ({error})") from None
    if parts.scheme not in {"https", "http"} or not host:
        raise SpecError(
            f"{shown}: weights are pulled from https://HOST/FILE#sha256=CHECKSUM, a path, or the catalogue"
        )
    match = _SHA256.fullmatch(fragment)
    if fragment and match is None:
        raise SpecError(
            f"{shown}: what follows '#' must be sha256= and 64 hexadecimal digits, not {fragment[:80]!r}"
        )
    if match is not None:
        return WeightsAddress(url, match[1].lower())
    if not unverified:
        raise SpecError(
            f"{shown}: no checksum is given, so nobody could tell whether the right file arrives: "
            "add #sha256=… as the publisher states it, or say --no-checksum to trust what arrives now"
        )
    if parts.scheme == "http" and not is_loopback(host):
        raise SpecError(
            f"{shown}: over plain http anybody on the way can change the file: use https, or add #sha256=…"
        )
    return WeightsAddress(url, None)


def without_secrets(url: str) -> str:
    """Return an address as it may be shown: no password, no token."""
    try:
        parts = urlsplit(url)
        netloc = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "***"
    if "@" in parts.netloc:
        netloc = f"***@{netloc}"
    return urlunsplit((parts.scheme, netloc, parts.path, "***" if parts.query else "", ""))
