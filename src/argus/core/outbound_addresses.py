"""Which addresses of the internet are somebody's inside: pure, over numbers.

An address that carries another one (IPv4 in IPv6, translated or tunnelled) is judged by what it carries.

Source: IANA IPv4 and IPv6 Special-Purpose Address Registries (RFC 6890 and what updates it); RFC 6052 for
addresses of NAT64.
"""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Final, Literal

Address = IPv4Address | IPv6Address
Kind = Literal["this machine", "private", "metadata", "link-local", "multicast", "reserved"]
PRIVATE: Final[frozenset[Kind]] = frozenset({"this machine", "private"})
"""What may be allowed as a whole. The others are nobody's camera: they take an entry of their own."""

_METADATA: Final = frozenset(
    ipaddress.ip_address(text)
    for text in (
        "169.254.169.254",
        "169.254.170.2",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "fd00:ec2::254",
        "fd20:ce::254",
    )
)
"""Where machines in a cloud get their credentials."""


def _table(*rows: tuple[Kind, str]) -> tuple[tuple[IPv4Network | IPv6Network, Kind], ...]:
    return tuple(
        (ipaddress.ip_network(network), kind) for kind, networks in rows for network in networks.split()
    )


_SPECIAL: Final = _table(
    ("this machine", "127.0.0.0/8 ::1/128"),
    ("private", "10.0.0.0/8 172.16.0.0/12 192.168.0.0/16 100.64.0.0/10 fc00::/7 fec0::/10 64:ff9b:1::/48"),
    ("link-local", "169.254.0.0/16 fe80::/10"),
    ("multicast", "224.0.0.0/4 ff00::/8"),
    ("reserved", "0.0.0.0/8 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15 198.51.100.0/24"),
    ("reserved", "203.0.113.0/24 240.0.0.0/4 2001:db8::/32 3fff::/20"),
    # Tunnels and experiments: nothing that serves pictures has such an address.
    ("reserved", "2001::/23 2002::/16"),
)
_UNICAST: Final = IPv6Network("2000::/3")
_CARRYING: Final = (IPv6Network("::ffff:0:0/96"), IPv6Network("::/96"), IPv6Network("64:ff9b::/96"))
"""Mapped, compatible (long out of use) and NAT64: the last 32 bits are an IPv4 address."""


def kind_of(address: Address) -> Kind | None:
    """Return what is special about an address; None: it is one of the open internet."""
    if address in _METADATA:
        return "metadata"
    for network, kind in _SPECIAL:
        if address.version == network.version and address in network:
            return kind
    if isinstance(address, IPv6Address):
        if any(address in network for network in _CARRYING):
            return kind_of(IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST:
            return "reserved"
    return None


def address_of(text: str) -> Address | None:
    """Return the address that a text is in its usual form, without its zone; None: it is none."""
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return found
