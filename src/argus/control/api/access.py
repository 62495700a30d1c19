"""Who may use the API: decisions over the head of a request, nothing else.

On loopback it is open to whoever works on this machine, and to no page of another site that a browser on it
shows. Beyond loopback, and wherever a key is set, it is open to whoever has the key.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final
from urllib.parse import parse_qs

from argus.control.api.problems import Problem
from argus.core.errors import SpecError
from argus.core.net_access import fits_key, is_foreign, is_loopback, knows_host

KEY: Final = "ARGUS_API_KEY"
_OPEN: Final = frozenset({"/healthz"})
"""What needs no key: it says nothing."""
_PAGES: Final = frozenset({"/", "/docs"})
"""What a link from anywhere may lead to."""
_FOR_BROWSERS: Final = re.compile(
    r"/docs|/api/v1/(cameras/[^/]+/(snapshot\.jpg|stream\.mjpeg)|(events|alerts)/stream|blobs/.+)"
)
"""What pages show through `<img>`, `<video>` and `EventSource`, which can send no header: here, and only to
read, the key may stand in the address. Nowhere else, as addresses are written into logs and histories."""
_WATCHED: Final = re.compile(r"/api/v1/[a-z]+")


class Access:
    """The rules of one server."""

    def __init__(self, host: str, port: int, key: str | None) -> None:
        """Know where it listens.

        Args:
            host: As it was configured.
            port: Where it really listens.
            key: What opens it; None or empty: nothing is needed.

        Raises:
            SpecError: without a key others than this machine could reach it.
        """
        self._host = host.lower()
        self.port = port
        self._key = key or None
        if self._key is None and not is_loopback(host):
            raise SpecError(
                f"the API would listen at {host}, where others reach it, without asking who they are: "
                f"set {KEY} to a long secret, or listen at 127.0.0.1"
            )

    @property
    def needs_key(self) -> bool:
        """Whether a key is asked for."""
        return self._key is not None

    def refusal(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> Problem | None:
        """Return why a request must not be answered; None: it may.

        Args:
            method: Of HTTP, in capitals.
            path: Of the request, decoded.
            query: Likewise, as it came.
            headers: By names in lower case.
        """
        host = headers.get("host")
        if not knows_host(host, self._host):
            return Problem(
                403,
                "foreign-host",
                f"the request names {host or 'no host'}, which is no name of this server",
                remedy="ask it by its address, or as localhost",
            )
        if is_foreign(host, headers.get("origin"), headers.get("sec-fetch-site")) and not (
            method == "GET" and path in _PAGES and "origin" not in headers
        ):
            return Problem(
                403,
                "foreign-origin",
                f"a page of {headers.get('origin') or 'another site'} asks",
                remedy="only programs and pages of this server may ask",
            )
        if (
            self._key is None
            or path in _OPEN
            or fits_key(self._given(method, path, query, headers), self._key)
        ):
            return None
        return Problem(
            401,
            "key-missing",
            f"this server asks for its key, and the request brings {self._brought(query, headers)}",
            title="A key is needed",
            remedy=f"send {KEY} as `Authorization: Bearer …`",
        )

    def _given(self, method: str, path: str, query: str, headers: Mapping[str, str]) -> list[str]:
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = [bearer.strip()] if scheme.lower() == "bearer" else []
        if method in {"GET", "HEAD"} and "key=" in query:
            fields = parse_qs(query)
            watches = fields.get("watch") == ["true"] and _WATCHED.fullmatch(path) is not None
            if watches or _FOR_BROWSERS.fullmatch(path):
                given += fields.get("key", [])
        return given

    def _brought(self, query: str, headers: Mapping[str, str]) -> str:
        if "authorization" in headers:
            return "another one"
        return "one in its address, where it is not taken, or another one" if "key=" in query else "none"
