"""An address that a user gave, taken apart, resolved and found to be allowed.

What is connected to afterwards are the numbers found here, never the name again: a name server that answers
differently the second time ("rebinding") changes nothing.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Final

import httpx

from argus.core.errors import SpecError
from argus.core.outbound_addresses import Address, address_of
from argus.core.outbound_policy import OutboundFailed, OutboundRefused, Policy
from argus.core.urls import mask_url, scheme_of

_PORTS: Final = {"http": 80, "https": 443, "rtsp": 554, "rtsps": 322}
_ODD: Final = re.compile(r"[\x00-\x20\x7f\\]")
"""What two readers of one address may read differently."""
_LONGEST: Final = 8192


@dataclass(frozen=True, slots=True)
class Target:
    """Where a request may go."""

    url: str = field(repr=False)
    """As it was given; may hold credentials."""
    scheme: str
    host: str
    """As it stands in `Host` and certificates: ASCII, small letters."""
    port: int
    addresses: tuple[str, ...]
    """All of the host's, each one allowed."""

    @property
    def shown(self) -> str:
        """The address without its secrets."""
        return mask_url(self.url)

    def pinned(self, address: str | None = None) -> str:
        """Return the address with a number for its name, for clients that would ask a name server again.

        Not for https and rtsps, whose certificates are made out to names.

        Args:
            address: One of `addresses`; None: the first.
        """
        return str(httpx.URL(self.url).copy_with(host=address or self.addresses[0]))


def check_address(url: str, policy: Policy) -> Target:
    """Return where an address leads. Blocks while a name server is asked; nothing is connected to.

    Raises:
        SpecError: it is no address.
        OutboundRefused: its scheme, or one of the addresses of its host, is not allowed.
        OutboundFailed: nobody knows the host.
    """
    scheme, host, port = parts_of(url, policy)
    literal = address_of(host)
    try:
        names = [host] if literal is not None else policy.resolve(host, port)
        found = [(name, address_of(name)) for name in dict.fromkeys(names)]
    except (OSError, UnicodeError) as error:
        raise OutboundFailed(f"{mask_url(url)}: nobody knows the host {host!r}; check its name") from error
    if not found:
        raise OutboundFailed(f"{mask_url(url)}: nobody knows the host {host!r}; check its name")
    for _, address in found:
        _check(url, host, port, address, policy)
    return Target(url, scheme, host, port, tuple(name for name, _ in found))


async def checked_address(url: str, policy: Policy) -> Target:
    """Do the same without blocking, within the policy's `connect_s`; raises likewise."""
    try:
        async with asyncio.timeout(policy.connect_s):
            return await asyncio.to_thread(check_address, url, policy)
    except TimeoutError as error:
        raise OutboundFailed(f"{mask_url(url)}: the name server does not answer") from error


def parts_of(url: str, policy: Policy) -> tuple[str, str, int]:
    """Return scheme, host and port of an address; nobody is asked for anything.

    Raises:
        SpecError: it is no address.
        OutboundRefused: its scheme is not allowed.
    """
    shown = mask_url(url[:_LONGEST])
    if len(url) > _LONGEST or _ODD.search(url):
        raise SpecError(
            f"{shown[:200]!r}: this is no address: spaces, control signs and backslashes are written as %XX"
        )
    scheme = scheme_of(url) or ""
    if scheme not in policy.schemes:
        known = ", ".join(f"{one}://" for one in sorted(policy.schemes))
        raise OutboundRefused(f"{shown[:200]}: only {known} can be fetched from")
    try:
        parts = httpx.URL(url)
        host = parts.raw_host.decode("ascii").lower()
        port = parts.port if parts.port is not None else _PORTS.get(scheme, 0)
    except (httpx.InvalidURL, UnicodeError) as error:
        raise SpecError(f"{shown}: this is no address ({error})") from error
    if not host or "%" in host or not 0 < port < 65536:
        raise SpecError(f"{shown}: this is no address: it is written {scheme}://HOST/PATH")
    return scheme, host, port


def _check(url: str, host: str, port: int, address: Address | None, policy: Policy) -> None:
    kind = "no usual" if address is None else policy.refuses(host, port, address)
    if kind is None:
        return
    remedy = (
        "private addresses are fetched from only where whoever runs the server allows it"
        if kind in {"private", "this machine"}
        else "nothing is fetched from there"
    )
    what = {"this machine": "this machine itself", "metadata": "a cloud's own service"}.get(
        kind, f"a {kind} address"
    )
    # The number is not told: names of somebody's inside shall not be looked up through us.
    raise OutboundRefused(f"{mask_url(url)}: it leads to {what}; {remedy}")
