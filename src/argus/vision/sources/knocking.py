"""Whether somebody is at an address, asked quickly: before a camera that broke off is opened again.

An opening of a dead camera waits for its whole time limit; a knock does not. Nothing is read here,
and nothing is said about whether the stream can be decoded.
"""

from __future__ import annotations

import contextlib
import ipaddress
import socket
import threading
import time
from pathlib import Path
from typing import Final
from urllib.parse import unquote, urlsplit

from argus.core.errors import SourceUnreachable
from argus.core.paths import expanded
from argus.core.urls import mask_url, quote_user, scheme_of

_PORTS: Final = {"rtsp": 554, "rtsps": 322, "http": 80, "https": 443}
_OPTIONS: Final = b"OPTIONS * RTSP/1.0\r\nCSeq: 1\r\nUser-Agent: argus\r\n\r\n"
_LONGEST_LINE: Final = 4096
_KNOCK_S: Final = 0.7
"""How long an address may take to say that somebody is there, before a stream is opened again."""
_KNOCKS: Final = 8
"""After so many unanswered knocks the stream is opened all the same: some answer slowly."""


class Knocking:
    """Knocks at one stream's address, one time after the other; used by the stream's thread."""

    def __init__(self, url: str) -> None:
        """Begin without a knock."""
        self._url = url
        self._unanswered = 0

    def expect_somebody(self) -> None:
        """Knock; return where it is worth opening the stream.

        Raises:
            SourceUnreachable: nobody answers.
        """
        if knock(self._url, _KNOCK_S):
            self._unanswered = 0
            return
        self._unanswered = (self._unanswered + 1) % _KNOCKS
        if self._unanswered:
            raise SourceUnreachable(
                f"{mask_url(self._url)} does not answer: check its power and network, then the address"
            )


def knock(url: str, timeout_s: float) -> bool:
    """Return whether something answers at an address within the time. Never raises for what is not there.

    RTSP must say a line, whatever it says: a camera whose process hangs still accepts connections.
    For `rtsps` and `http(s)` a connection is enough. Other schemes, files and devices are there where
    their path is; an address without a path to look at is taken to be there.
    """
    scheme = (scheme_of(url) or "").removeprefix("snapshot+")
    if scheme not in _PORTS:
        return _is_there(url, scheme)
    until = time.monotonic() + timeout_s
    try:
        parts = urlsplit(quote_user(url).removeprefix("snapshot+"))
        host, port = parts.hostname, parts.port or _PORTS[scheme]
    except ValueError:
        return False
    if not host:
        return False
    for address in _addresses(host, port, until):
        left_s = until - time.monotonic()
        if left_s <= 0:
            return False
        with contextlib.suppress(OSError), socket.create_connection(address, left_s) as connection:
            return scheme != "rtsp" or _says_a_line(connection, until)
    return False


def _is_there(url: str, scheme: str) -> bool:
    if scheme == "file":
        return Path(unquote(url[len("file:") :].removeprefix("//"))).exists()
    # A number is /dev/videoN; a name with a colon in it may be a file all the same.
    path = Path(f"/dev/video{url}") if url.isdecimal() else Path(url)
    try:
        return expanded(path).exists() or bool(scheme)
    except (OSError, RuntimeError, ValueError):
        return False


def _addresses(host: str, port: int, until: float) -> list[tuple[str, int]]:
    """Return the addresses of a host; none where its name is not known in time.

    A resolver takes its own time and cannot be interrupted: it is waited for in a thread.
    """
    with contextlib.suppress(ValueError):
        return [(str(ipaddress.ip_address(host)), port)]
    found: list[tuple[str, int]] = []
    done = threading.Event()

    def look_up() -> None:
        with contextlib.suppress(OSError, UnicodeError):
            for *_, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                found.append((str(address[0]), int(address[1])))
        done.set()

    threading.Thread(target=look_up, name="argus-resolve", daemon=True).start()
    return list(found) if done.wait(max(0.0, until - time.monotonic())) else []


def _says_a_line(connection: socket.socket, until: float) -> bool:
    connection.sendall(_OPTIONS)
    said = b""
    while b"\n" not in said:
        left_s = until - time.monotonic()
        if left_s <= 0 or len(said) > _LONGEST_LINE:
            return False
        connection.settimeout(left_s)
        more = connection.recv(1024)
        if not more:
            return False
        said += more
    return True
