"""What the API asks workers for on behalf of its clients: pictures and samples, over loopback.

A worker is ours, and what it says is still checked: it may die in the middle of a sentence.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Final

import httpx

from argus.control.api.problems import Problem

_CONNECT_S: Final = 2.0
_READ_S: Final = 5.0
_MOST_BYTES: Final = 64 << 20


class WorkerLink:
    """One client for all workers; close it."""

    def __init__(self) -> None:
        """Begin; nothing is connected."""
        # trust_env: a proxy for the outside has nothing to do with loopback.
        self._client = httpx.AsyncClient(
            trust_env=False,
            # Trusts nobody: workers speak plain HTTP, and reading all certificates of the system takes time.
            verify=ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT),
            timeout=httpx.Timeout(_READ_S, connect=_CONNECT_S, pool=_CONNECT_S),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=64),
        )

    async def get(
        self, url: str, params: Mapping[str, str], *, timeout_s: float | None = None
    ) -> httpx.Response:
        """Return what a worker answers.

        Raises:
            Problem: 503, it does not.
        """
        try:
            timeout = timeout_s if timeout_s is not None else httpx.USE_CLIENT_DEFAULT
            async with self._client.stream("GET", url, params=dict(params), timeout=timeout) as response:
                body = bytearray()
                async for part in response.aiter_raw():
                    body += part
                    if len(body) > _MOST_BYTES:
                        raise _no_answer("it says more than makes sense")
                return httpx.Response(response.status_code, headers=response.headers, content=bytes(body))
        except httpx.HTTPError as error:
            raise _no_answer(_words(error)) from error

    async def stream(
        self, url: str, params: Mapping[str, str]
    ) -> tuple[httpx.Response, AsyncIterator[bytes]]:
        """Return the head of an endless answer, and its portions as the worker sends them.

        Close the portions (`aclose`): that closes the connection too.

        Raises:
            Problem: 503, the worker does not answer.
        """
        request = self._client.build_request(
            "GET",
            url,
            params=dict(params),
            # A frozen camera gives nothing for as long as it is frozen.
            timeout=httpx.Timeout(None, connect=_CONNECT_S, pool=_CONNECT_S),
        )
        try:
            async with asyncio.timeout(_READ_S):
                response = await self._client.send(request, stream=True)
        except (httpx.HTTPError, TimeoutError) as error:
            raise _no_answer(_words(error)) from error
        return response, _portions(response)

    async def close(self) -> None:
        """Let all connections go; idempotent."""
        await self._client.aclose()


async def _portions(response: httpx.Response) -> AsyncIterator[bytes]:
    try:
        async for part in response.aiter_raw():
            yield part
    except httpx.HTTPError:
        # The worker has gone, or was let go: what it streamed ends here, and the client asks again.
        return
    finally:
        await response.aclose()


def _no_answer(why: str) -> Problem:
    return Problem(
        503,
        "worker-silent",
        f"the worker does not answer: {why}",
        remedy="try again in a moment; GET /api/v1/workloads says how it is",
    )


def _words(error: Exception) -> str:
    return str(error) or type(error).__name__
