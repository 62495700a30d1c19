"""How httpx goes through the guard: every request is checked, and goes to the numbers that were checked.

A client that is given one of these needs no other care for redirects: each is a request of its own and
checked like the first. Proxies of the environment are not used: they would ask a name server again.
"""

from __future__ import annotations

import functools
import ssl
from typing import Final

import httpx

from argus.core.outbound_policy import OutboundRefused, Policy
from argus.core.outbound_target import Target, check_address, checked_address
from argus.core.urls import mask_url

_METHODS: Final = frozenset({"GET", "HEAD"})
_UNREACHABLE: Final = (httpx.ConnectError, httpx.ConnectTimeout)
# A connection belongs to one name: kept ones are told apart by their number alone.
_LIMITS: Final = httpx.Limits(max_keepalive_connections=0)


class GuardedTransport(httpx.AsyncBaseTransport):
    """For `httpx.AsyncClient(transport=…)`."""

    def __init__(self, policy: Policy) -> None:
        """Guard by a policy."""
        self._policy = policy
        self._inner = httpx.AsyncHTTPTransport(verify=_tls(policy), limits=_LIMITS)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first checked address that answers.

        Raises:
            SpecError: it has no address.
            OutboundRefused: it is not allowed.
            OutboundFailed: nobody knows its host.
            httpx.TransportError: nothing answers, or not as it should.
        """
        _check_method(request)
        target = await checked_address(str(request.url), self._policy)
        *others, last = target.addresses
        for address in others:
            try:
                return await self._inner.handle_async_request(_to(request, target, address))
            except _UNREACHABLE:
                continue
        return await self._inner.handle_async_request(_to(request, target, last))

    async def aclose(self) -> None:
        """Close connections."""
        await self._inner.aclose()


class BlockingGuardedTransport(httpx.BaseTransport):
    """For `httpx.Client(transport=…)`; limits of the whole are for the client's user to keep."""

    def __init__(self, policy: Policy) -> None:
        """Guard by a policy."""
        self._policy = policy
        self._inner = httpx.HTTPTransport(verify=_tls(policy), limits=_LIMITS)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request to the first checked address that answers; raises likewise."""
        _check_method(request)
        target = check_address(str(request.url), self._policy)
        *others, last = target.addresses
        for address in others:
            try:
                return self._inner.handle_request(_to(request, target, address))
            except _UNREACHABLE:
                continue
        return self._inner.handle_request(_to(request, target, last))

    def close(self) -> None:
        """Close connections."""
        self._inner.close()


def _check_method(request: httpx.Request) -> None:
    if request.method not in _METHODS:
        raise OutboundRefused(f"{mask_url(str(request.url))}: {request.method} is not sent for users")


def _to(request: httpx.Request, target: Target, address: str) -> httpx.Request:
    """Return the same request to a number; the name stays in `Host`, and a certificate must show it."""
    return httpx.Request(
        request.method,
        request.url.copy_with(host=address),
        headers=request.headers,
        extensions={**request.extensions, "sni_hostname": target.host},
    )


def _tls(policy: Policy) -> ssl.SSLContext:
    return policy.tls or _usual_tls()


@functools.cache
def _usual_tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()
