"""Who may use the gateway: decisions over the head of a request, nothing else.

On loopback it is open to whoever works on this machine, and to no page of another site that a browser
on it shows. Beyond loopback, and wherever a key is set, it is open to whoever has the key.

Source: OWASP, DNS rebinding and cross-site WebSocket hijacking; `Sec-Fetch-Site` as in Fetch Metadata (W3C).
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from typing import Final, NamedTuple
from urllib.parse import parse_qs

from argus.core.errors import SpecError
from argus.core.net_access import fits_key, is_foreign, is_loopback, knows_host

KEY: Final = "ARGUS_API_KEY"
_PAGES: Final = frozenset({"/", "/dashboard"})
"""What a link from anywhere may lead to."""
_OPEN: Final = frozenset({"/healthz"})
"""What needs no key: it says nothing."""


class Refusal(NamedTuple):
    """Why a request is not answered."""

    status: int
    name: str
    title: str
    detail: str


class Access:
    """The rules of one gateway."""

    def __init__(self, host: str, port: int, key: str | None) -> None:
        """Know where it listens.

        Args:
            host: As it was configured.
            port: Where it really listens.
            key: What opens it; None or empty: nothing is needed.

        Raises:
            SpecError: without a key, others than this machine could reach it.
        """
        self._host = host.lower()
        self._key = key or None
        self.cookie_name = f"argus_{port}"
        if self._key is None and not is_loopback(host):
            raise SpecError(
                f"the gateway would listen at {host}, where others reach it, without asking who they are: "
                f"set {KEY} to a long secret, or listen at 127.0.0.1"
            )

    def refusal(
        self, path: str, query: str, headers: Mapping[str, str], *, handshake: bool = False
    ) -> Refusal | None:
        """Return why a request must not be answered; None: it may.

        Args:
            path: Of the request.
            query: Likewise.
            headers: By names in lower case.
            handshake: Whether it opens a WebSocket.
        """
        host = headers.get("host")
        if not knows_host(host, self._host):
            return Refusal(
                403,
                "foreign-host",
                "Not asked by a name of its own",
                f"the request names {host or 'no host'}: open the gateway by its address, or as localhost",
            )
        origin = headers.get("origin")
        site = None if path in _PAGES else headers.get("sec-fetch-site")
        if is_foreign(host, origin, site):
            return Refusal(
                403,
                "foreign-origin",
                "Asked by another site's page",
                f"a page of {origin or 'another site'} asks: only the gateway's own page may, and programs",
            )
        if path not in _OPEN and not self._fits(query, headers):
            return Refusal(
                401,
                "key-missing",
                "A key is needed",
                f"send the gateway's {KEY} as `Authorization: Bearer …`, `X-API-Key: …` or `?key=…`",
            )
        return None

    def cookie(self, query: str) -> str | None:
        """Return the cookie that spares a browser the key in its next requests; None where none is needed."""
        if self._key is None or "key" not in parse_qs(query):
            return None
        return f"{self.cookie_name}={self._token()}; Path=/; HttpOnly; SameSite=Strict"

    def _fits(self, query: str, headers: Mapping[str, str]) -> bool:
        if self._key is None:
            return True
        scheme, _, bearer = headers.get("authorization", "").partition(" ")
        given = [
            bearer.strip() if scheme.lower() == "bearer" else "",
            headers.get("x-api-key", ""),
            *parse_qs(query).get("key", []),
        ]
        cookie = fits_key([self._cookie_in(headers.get("cookie"))], self._token())
        return fits_key(given, self._key) | cookie

    def _token(self) -> str:
        """Return what the cookie holds: not the key itself."""
        assert self._key is not None
        return hmac.new(self._key.encode(), b"argus gateway", hashlib.sha256).hexdigest()

    def _cookie_in(self, header: str | None) -> str:
        try:
            found = SimpleCookie(header or "").get(self.cookie_name)
        except CookieError:
            return ""
        return found.value if found is not None else ""
