"""Answers without an end: what is watched, streamed or followed until somebody has enough.

Each ends when its client goes or the server stops; a client that takes nothing is ended by `guard`. The
source is closed in every case. Nothing is buffered here: a slow client slows its own source.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping

from starlette.responses import Response
from starlette.types import Receive, Scope, Send


class Closing:
    """Set when the server stops, so that nothing endless holds it up."""

    def __init__(self) -> None:
        """Begin open."""
        self._event = asyncio.Event()

    def close(self) -> None:
        """End all that is endless. From the server's own loop."""
        self._event.set()

    @property
    def closed(self) -> bool:
        """Whether the server stops."""
        return self._event.is_set()

    async def wait(self) -> None:
        """Return when the server stops."""
        await self._event.wait()


class Endless(Response):
    """See the module."""

    def __init__(
        self,
        source: AsyncIterator[bytes],
        closing: Closing,
        *,
        media_type: str,
        what: str,
        heartbeat: Callable[[], bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """Take what is to be sent.

        Args:
            source: Portions to send; closed by `aclose`, where it has that.
            closing: Says when the server stops.
            media_type: Of the whole.
            what: What is followed, one of `meter.STREAMS`.
            heartbeat: What is sent where the source gave nothing for a while; None: nothing.
            headers: Further ones.
        """
        super().__init__(
            None,
            200,
            # X-Accel-Buffering: proxies of that kind would keep portions back otherwise.
            {"Cache-Control": "no-store", "X-Accel-Buffering": "no", **(headers or {})},
            media_type,
        )
        del self.headers["content-length"]
        self._source = source
        self._closing = closing
        self._heartbeat = heartbeat
        self._what = what

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it all."""
        sending = asyncio.ensure_future(self._send(scope, send))
        gone = asyncio.ensure_future(_gone(receive))
        others = [gone, asyncio.ensure_future(self._closing.wait())]
        cut = False
        streams = scope["app"].state.meter.streams
        streams[self._what] += 1
        try:
            await asyncio.wait([sending, *others], return_when=asyncio.FIRST_COMPLETED)
            if not sending.done():
                cut = not gone.done()
                sending.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await sending
        finally:
            streams[self._what] -= 1
            for task in (sending, *others):
                task.cancel()
            await asyncio.gather(sending, *others, return_exceptions=True)
            close = getattr(self._source, "aclose", None)
            if close is not None:
                await close()
        if cut:
            # The end as HTTP has it, so that the client knows that nothing is missing.
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), 1.0)

    async def _send(self, scope: Scope, send: Send) -> None:
        await send({"type": "http.response.start", "status": self.status_code, "headers": self.raw_headers})
        if scope["method"] == "HEAD":
            await send({"type": "http.response.body", "body": b""})
            return
        # So that the client sees the head at once, however long the first portion takes.
        await send({"type": "http.response.body", "body": b"", "more_body": True})
        coming: asyncio.Future[bytes] | None = None
        wait_s = scope["app"].state.patience.heartbeat_s if self._heartbeat is not None else None
        try:
            while True:
                coming = coming or asyncio.ensure_future(_next(self._source))
                await asyncio.wait([coming], timeout=wait_s)
                if coming.done():
                    try:
                        portion = coming.result()
                    except StopAsyncIteration:
                        break
                    coming = None
                else:
                    assert self._heartbeat is not None
                    portion = self._heartbeat()
                await send({"type": "http.response.body", "body": portion, "more_body": True})
        finally:
            if coming is not None:
                coming.cancel()
                await asyncio.gather(coming, return_exceptions=True)
        await send({"type": "http.response.body", "body": b""})


async def _next(source: AsyncIterator[bytes]) -> bytes:
    return await anext(source)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
