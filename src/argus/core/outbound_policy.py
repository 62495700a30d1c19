"""What the server may fetch for a user, and how it says that it may not."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network
from typing import Final

from argus.core.errors import ArgusError, SpecError
from argus.core.outbound_addresses import PRIVATE, Address, Kind, kind_of

Resolver = Callable[[str, int], Sequence[str]]
"""Returns the addresses of a host for a port; blocks; raises `OSError` where there are none."""


class OutboundRefused(ArgusError, PermissionError):
    """The guard does not let us fetch from there; another address, or a wider policy, is the remedy."""

    exit_code = 2

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0]) if self.args else ""


class OutboundFailed(ArgusError, ConnectionError):
    """What answers there is gone, too slow, too long or makes no sense; the same call may work later."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0]) if self.args else ""


def system_resolver(host: str, port: int) -> Sequence[str]:
    """Ask the system."""
    import socket

    return [str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]


@dataclass(frozen=True, slots=True)
class Policy:
    """What may be fetched, and how long and how much."""

    schemes: frozenset[str] = frozenset({"https", "http"})
    allow_private: bool = False
    """True: also from this machine and the networks behind it (10/8, 192.168/16, fc00::/7, …)."""
    allow: tuple[str, ...] = ()
    """Besides, whatever their addresses: hosts (`cam.local`), hosts with a port (`127.0.0.1:8080`) and
    networks (`10.2.0.0/16`)."""
    redirects: int = 5
    most_bytes: int = 64 << 20
    """Of an answer, also once it is unpacked."""
    connect_s: float = 10.0
    """Until a name is resolved, and until an address answers. Higher bears slow networks."""
    idle_s: float = 15.0
    """Silence after which a connection counts as lost."""
    total_s: float = 120.0
    """For all of it, redirects included."""
    resolve: Resolver = field(default=system_resolver, repr=False)
    tls: ssl.SSLContext | None = field(default=None, repr=False)
    """None: whom this system trusts."""

    def __post_init__(self) -> None:
        """Refuse entries that allow nothing."""
        for entry in self.allow:
            if _network(entry) is None and (not entry.strip() or "//" in entry or entry != entry.strip()):
                raise SpecError(
                    f"allowed address {entry!r}: write a host, HOST:PORT or a network such as 10.2.0.0/16"
                )

    def refuses(self, host: str, port: int, address: Address) -> Kind | None:
        """Return what speaks against an address that a host has; None: nothing does."""
        kind = kind_of(address)
        if kind is None or (self.allow_private and kind in PRIVATE):
            return None
        bare = host.lower().rstrip(".")
        named = {bare, f"{bare}:{port}", f"[{bare}]:{port}"}
        for entry in self.allow:
            network = _network(entry)
            if network is None:
                if entry.lower() in named:
                    return None
            elif address.version == network.version and address in network:
                return None
        return kind


def _network(entry: str) -> IPv4Network | IPv6Network | None:
    try:
        return ipaddress.ip_network(entry, strict=False)
    except ValueError:
        return None


CAMERAS: Final = Policy(schemes=frozenset({"rtsp", "rtsps", "http", "https"}), allow_private=True)
"""Cameras live in private networks; credentials of clouds, multicast and the like stay out of reach."""
