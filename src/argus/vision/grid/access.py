"""Who may see the page: decisions over the headers of a request, nothing else.

A page on loopback is open to whoever works on this machine, and to no site that a browser on it
visits. A page beyond loopback is open to whoever has its token.
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from http.cookies import CookieError, SimpleCookie
from urllib.parse import parse_qs

_OWN_NAMES = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens at `host`."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def host_allowed(header: str | None, listens_at: str) -> bool:
    """Return whether the `Host` of a request names this machine as its user knows it.

    A hostile site can have its own name point to this machine (DNS rebinding) and would then be read as
    part of the page; the name in the header still is its own. A bare address cannot be rebound.
    """
    if not header:
        return False
    name = _without_port(header.strip().lower())
    if name in _OWN_NAMES or name.strip("[]") == listens_at.lower().strip("[]"):
        return True
    if is_loopback(listens_at):
        return False
    return _is_address(name) or name == socket.gethostname().lower()


def is_foreign(fetch_site: str | None, path: str) -> bool:
    """Return whether another site's page asks for a part of ours, as its `Sec-Fetch-Site` admits.

    It could not read the answer, but it could use up what is meant for those who look. A link to the page
    itself is welcome from anywhere.
    """
    return fetch_site == "cross-site" and path != "/"


def token_given(query: str, cookies: str | None, cookie_name: str) -> str:
    """Return the token that a request brings in its query or its cookie; empty where it brings none."""
    values = parse_qs(query).get("token")
    if values:
        return values[0]
    try:
        found = SimpleCookie(cookies or "").get(cookie_name)
    except CookieError:
        return ""
    return found.value if found is not None else ""


def token_fits(given: str, wanted: str | None) -> bool:
    """Return whether a token opens the page; takes equally long for every wrong one. None asks for none."""
    return wanted is None or hmac.compare_digest(given.encode(), wanted.encode())


def _without_port(host: str) -> str:
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
