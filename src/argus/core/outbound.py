"""The one guard through which the server fetches anything for a user.

An address of a user's could lead into the network behind the server (SSRF), so: known schemes only, every
address of a host checked (`argus.core.outbound_addresses`), connections made to what was checked
(`argus.core.outbound_transport`), redirects checked one by one, limits on time and size, credentials for
nobody but whom they were given for. What may be fetched is a `Policy` (`argus.core.outbound_policy`).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Final, Literal, Self

import httpx

from argus.core.outbound_body import Body
from argus.core.outbound_policy import CAMERAS, OutboundFailed, OutboundRefused, Policy
from argus.core.outbound_target import Target, check_address, checked_address, parts_of
from argus.core.outbound_transport import BlockingGuardedTransport, GuardedTransport
from argus.core.urls import mask_url, mask_urls

__all__ = [
    "CAMERAS",
    "Answer",
    "BlockingGuardedTransport",
    "Fetched",
    "GuardedTransport",
    "OutboundFailed",
    "OutboundRefused",
    "Policy",
    "Target",
    "check_address",
    "checked_address",
    "fetch",
    "fetch_blocking",
    "opened",
]

Method = Literal["GET", "HEAD"]
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_OURS: Final = frozenset({"host", "connection", "accept-encoding", "content-length", "transfer-encoding"})
_SECRET: Final = frozenset({"authorization", "cookie", "proxy-authorization"})
USUAL: Final = Policy()


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer as a whole."""

    status: int
    headers: Mapping[str, str]
    """Names in small letters."""
    url: str
    """Where it came from in the end, without secrets."""
    content: bytes = field(repr=False)


class Answer:
    """An answer whose body is still to come."""

    def __init__(self, response: httpx.Response, shown: str, policy: Policy) -> None:
        """See `opened`, which makes it."""
        self._response = response
        self._body = Body(response, shown, policy)
        self.status = response.status_code
        self.headers: Mapping[str, str] = {name.lower(): value for name, value in response.headers.items()}
        self.url = shown

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body, unpacked; once.

        Raises:
            OutboundFailed: it is too long, damaged, too slow, or breaks off.
        """
        async for data in self._response.aiter_raw():
            for portion in self._body.feed(data):
                yield portion
        if self._response.request.method != "HEAD":
            self._body.end()

    async def read(self) -> bytes:
        """Return the body as a whole; raises likewise."""
        return b"".join([portion async for portion in self.chunks()])


@asynccontextmanager
async def opened(
    url: str,
    *,
    policy: Policy = USUAL,
    method: Method = "GET",
    headers: Mapping[str, str] | None = None,
) -> AsyncIterator[Answer]:
    """Ask for an address, follow where it leads, and give the answer, of whatever status.

    All of the policy's time is for what happens until the end of the block.

    Args:
        url: May hold `USER:PASSWORD@`, which is told to its own host only.
        policy: What is allowed.
        method: No other is sent for users.
        headers: More of them; `Authorization` and `Cookie` go to the first host only.

    Raises:
        SpecError: it is no address.
        OutboundRefused: it, or what it leads to, is not allowed.
        OutboundFailed: nothing answers; or too late, too slowly, too much.
    """
    try:
        async with asyncio.timeout(policy.total_s) as limit, _Steps(policy) as steps:
            response, shown = await steps.follow(url, method, headers or {})
            yield Answer(response, shown, policy)
    except TimeoutError as error:
        if not limit.expired():
            raise
        raise OutboundFailed(
            f"{mask_url(url)}: it takes longer than {policy.total_s:g} s; try later"
        ) from error
    except (httpx.TransportError, httpx.StreamError, httpx.InvalidURL) as error:
        raise OutboundFailed(f"{mask_url(url)}: {_reason(error, policy)}; check the address") from error


async def fetch(
    url: str,
    *,
    policy: Policy = USUAL,
    method: Method = "GET",
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """Return an answer as a whole; see `opened`, which raises likewise."""
    async with opened(url, policy=policy, method=method, headers=headers) as answer:
        return Fetched(answer.status, answer.headers, answer.url, await answer.read())


def fetch_blocking(
    url: str,
    *,
    policy: Policy = USUAL,
    method: Method = "GET",
    headers: Mapping[str, str] | None = None,
) -> Fetched:
    """Do the same from a thread that has no event loop."""
    return asyncio.run(fetch(url, policy=policy, method=method, headers=headers))


class _Steps:
    """From redirect to redirect; neither cookies nor connections go along."""

    def __init__(self, policy: Policy) -> None:
        self._policy = policy
        self._transport = GuardedTransport(policy)
        self._response: httpx.Response | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._let_go()
        await self._transport.aclose()

    async def follow(
        self, url: str, method: Method, headers: Mapping[str, str]
    ) -> tuple[httpx.Response, str]:
        """Return the first answer that leads nowhere else, and its address without secrets."""
        told = {name: value for name, value in headers.items() if name.lower() not in _OURS}
        shown = mask_url(url)
        for _ in range(self._policy.redirects + 1):
            response = await self._ask(url, method, told)
            if response.status_code not in _REDIRECTS or "Location" not in response.headers:
                return response, mask_url(url)
            after = _next(url, response.headers["Location"], shown)
            if _origin(after) != _origin(httpx.URL(url)):
                told = {name: value for name, value in told.items() if name.lower() not in _SECRET}
            url = str(after)
        most = self._policy.redirects
        raise OutboundRefused(f"{shown}: it leads from address to address more than {most} times")

    async def _ask(self, url: str, method: Method, headers: Mapping[str, str]) -> httpx.Response:
        await self._let_go()
        policy = self._policy
        parts_of(url, policy)  # what is no address ends here, before anything is built of it
        sent = {"User-Agent": "argus", "Accept": "*/*", **_basic(httpx.URL(url)), **headers}
        timeout = httpx.Timeout(policy.idle_s, connect=policy.connect_s)
        request = httpx.Request(
            method,
            url,
            headers={**sent, "Accept-Encoding": "identity", "Connection": "close"},
            extensions={"timeout": timeout.as_dict()},
        )
        # A client of httpx would look into redirects itself, and keep cookies.
        self._response = response = await self._transport.handle_async_request(request)
        response.request = request
        return response

    async def _let_go(self) -> None:
        response, self._response = self._response, None
        if response is not None:
            await response.aclose()


def _basic(url: httpx.URL) -> dict[str, str]:
    if not url.userinfo:
        return {}
    pair = f"{url.username}:{url.password}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def _next(url: str, location: str, shown: str) -> httpx.URL:
    """Return where a redirect leads; credentials of the first address stay with its origin."""
    try:
        before = httpx.URL(url)
        after = before.join(location)
        kept = before.userinfo if _origin(after) == _origin(before) else b""
        after = after.copy_with(userinfo=kept, fragment=None)
    except (httpx.InvalidURL, ValueError) as error:
        raise OutboundFailed(f"{shown}: it leads to what is no address") from error
    if before.scheme == "https" and after.scheme != "https":
        raise OutboundRefused(
            f"{shown}: it leads from https to {mask_url(str(after))}, which anybody can change"
        )
    return after


def _origin(url: httpx.URL) -> tuple[str, bytes, int | None]:
    return url.scheme, url.raw_host, url.port


def _reason(error: Exception, policy: Policy) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"nothing answers within {policy.connect_s:g} s"
    if isinstance(error, httpx.TimeoutException):
        return f"it has gone silent for {policy.idle_s:g} s"
    if isinstance(error, httpx.ConnectError):
        return f"no connection ({mask_urls(str(error))})" if str(error) else "no connection"
    return f"the connection broke off or what answers is no HTTP ({mask_urls(str(error))[:200]})"
