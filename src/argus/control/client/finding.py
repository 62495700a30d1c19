"""Which server is meant: the one that is named, or the one that runs on this home."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Final, NamedTuple
from urllib.parse import urlsplit

from argus.control.client.errors import ServerMissing
from argus.control.lock import read_note
from argus.core.errors import SpecError
from argus.core.settings import Settings, read_settings
from argus.core.urls import mask_url

SERVER: Final = "ARGUS_SERVER"
KEY: Final = "ARGUS_API_KEY"


class Address(NamedTuple):
    """Where a server is, and what opens it."""

    url: str
    key: str | None = None

    def __repr__(self) -> str:
        """Show everything but the key."""
        return f"Address({mask_url(self.url)!r}, key={'set' if self.key else None})"


def find_server(environ: Mapping[str, str] | None = None, settings: Settings | None = None) -> Address:
    """Return the server that is meant: `ARGUS_SERVER`, else that of this home.

    Args:
        environ: Where variables are looked up; None: the environment of this process.
        settings: The home; None: this user's.

    Raises:
        ServerMissing: none is named and none runs here.
        SpecError: what is named is no address of one.
    """
    environ = os.environ if environ is None else environ
    key = environ.get(KEY, "").strip() or None
    named = environ.get(SERVER, "").strip()
    if named:
        return Address(checked_url(named, SERVER), key)
    note = read_note(settings or read_settings(environ))
    if note is None:
        raise ServerMissing(None)
    return Address(note.url, key)


def checked_url(url: str, where: str) -> str:
    """Return the address of a server; a scheme may be left out.

    Raises:
        SpecError: it is none.
    """
    full = url if "://" in url else f"http://{url}"
    try:
        parts = urlsplit(full)
        good = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        good = False
    if not good:
        raise SpecError(f"{where}={mask_url(url)}: no address of a server: write http://HOST:PORT")
    return full.rstrip("/")
