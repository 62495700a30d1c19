"""Who asks over the network: decisions over addresses and the heads of requests, nothing else.

What listens on loopback is open to whoever works on this machine, and to no page of another site that a
browser on it shows. Who may do what is not decided here; every server has rules of its own on top.

Source: OWASP, DNS rebinding and cross-site request forgery; `Sec-Fetch-Site` as in Fetch Metadata (W3C).
"""

from __future__ import annotations

import hmac
import ipaddress
import socket
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

_OWN_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})


def is_loopback(host: str) -> bool:
    """Return whether only this machine reaches what listens at `host`, a name or an address."""
    if host.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def is_address(name: str) -> bool:
    """Return whether a name is a bare address, `10.0.0.5` or `[::1]`."""
    try:
        ipaddress.ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True


def without_port(host: str) -> str:
    """Return the name of `name:port`; an IPv6 address keeps its brackets."""
    if host.startswith("["):
        return host.partition("]")[0] + "]"
    return host.partition(":")[0]


def knows_host(header: str | None, listens_at: str) -> bool:
    """Return whether the `Host` of a request names this machine as its user knows it.

    A hostile site can have its own name point to this machine (DNS rebinding), and its page would then be of
    our origin; the name in the header is still its own. A bare address cannot be had that way.

    Args:
        header: As it came; None: it has none.
        listens_at: Host that the server was told to listen at.
    """
    if not header:
        return False
    name = without_port(header.strip().lower())
    if name in _OWN_NAMES or name.strip("[]") == listens_at.lower().strip("[]"):
        return True
    if is_loopback(listens_at):
        return False
    return is_address(name) or name.partition(".")[0] == socket.gethostname().lower().partition(".")[0]


def is_foreign(host: str | None, origin: str | None, fetch_site: str | None) -> bool:
    """Return whether a page of another site asks, as its browser admits in `Origin` and `Sec-Fetch-Site`.

    Programs send neither. A link from another site is of it too: who wants to be linked to says so.
    """
    if origin is not None and urlsplit(origin).netloc.lower() != str(host).strip().lower():
        return True
    return fetch_site in {"cross-site", "same-site"}


def fits_key(given: Iterable[str], key: str) -> bool:
    """Return whether one of the texts is the key; takes equally long whichever is wrong, and where."""
    wanted = key.encode()
    fits = [hmac.compare_digest(one.encode("utf-8", "surrogateescape"), wanted) for one in given]
    # All were compared, so that the time says nothing about which of them was right.
    return any(fits)
