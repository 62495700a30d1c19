"""Answers that go on for as long as somebody looks: pictures as MJPEG, results over a WebSocket.

Each viewer has its own pace: who takes nothing misses what comes meanwhile, and is let go in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, Final

from starlette.responses import Response
from starlette.websockets import WebSocket

from argus.flow.gateway.hub import Hub
from argus.flow.gateway.problems import Problem
from argus.flow.gateway.topic import Topic
from argus.flow.gateway.watching import Watcher, Watchers

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

_BOUNDARY: Final = b"argus-picture"
_NEXT: Final = b"--" + _BOUNDARY + b"\r\nContent-Type: image/jpeg\r\n"
_PATIENCE_S: Final = 10.0
"""A viewer that takes nothing for so long is let go."""


class Pictures(Response):
    """The pictures of a topic, one after the other, for as long as somebody takes them.

    Each has its length, index and time in its head, for programs. A browser gets them without: Chromium
    shows a picture when the head of the next one has come, so that goes out with it, before it is known.
    """

    def __init__(self, topic: Topic, watchers: Watchers, *, browser: bool = False) -> None:
        super().__init__()
        self._topic, self._watchers, self._browser = topic, watchers, browser

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Send until the viewer leaves, takes nothing for too long, or the gateway ends."""
        kind = b"multipart/x-mixed-replace; boundary=" + _BOUNDARY
        headers = [(b"content-type", kind), (b"cache-control", b"no-store")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_left(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
        if sending.done() and not sending.cancelled():
            error = sending.exception()
            if error is not None and not isinstance(error, TimeoutError | OSError | Problem):
                raise error

    async def _send_all(self, send: Send) -> None:
        async def give(data: bytes, *, more: bool = True) -> None:
            message = {"type": "http.response.body", "body": data, "more_body": more}
            async with _patience():
                await send(message)

        with self._watchers.watching(self._topic, pictures=True) as watcher:
            between = _NEXT + b"\r\n" if self._browser else _NEXT
            await give(between)
            watcher.wake(self._topic.name)
            number = 0
            while await watcher.news():
                jpeg = await self._watchers.jpeg(self._topic, number)
                if jpeg is None:
                    continue
                number, origin = jpeg.number, jpeg.header.origin
                head = (
                    f"Content-Length: {len(jpeg.data)}\r\n"
                    f"X-Argus-Index: {origin.index}\r\nX-Argus-Time: {origin.time_s:.6f}\r\n\r\n"
                )
                said = b"" if self._browser else head.encode()
                await give(said + jpeg.data + b"\r\n" + between)
        await give(b"", more=False)


def _patience() -> asyncio.Timeout:
    # Not `wait_for`: in Python 3.11 it can lose a cancellation that comes as the sending ends, and a viewer
    # that has left would be served for ever.
    return asyncio.timeout(_PATIENCE_S)


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_results(socket: WebSocket, hub: Hub, watchers: Watchers, topic: Topic | None) -> None:
    """Send the newest of a topic, or of all, whenever there is something new and the client takes it."""
    try:
        with watchers.watching(topic) as watcher:
            await socket.accept()
            for name in hub.topics if topic is None else [topic.name]:
                watcher.wake(name)
            sending = asyncio.create_task(_send_newest(socket, hub, watcher))
            listening = asyncio.create_task(_listen(socket))
            try:
                await asyncio.wait({sending, listening}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for task in (sending, listening):
                    task.cancel()
                await asyncio.gather(sending, listening, return_exceptions=True)
    except Problem as problem:
        await socket.send_denial_response(problem.response())


async def _send_newest(socket: WebSocket, hub: Hub, watcher: Watcher) -> None:
    sent: dict[str, int] = {}
    while names := await watcher.news():
        for name in names:
            number, text = hub.topics[name].json()
            if sent.get(name) == number:
                continue  # it came just before its own news
            sent[name] = number
            async with _patience():
                await socket.send_text(text.decode())
    await socket.close(1001, "the gateway is ending")


async def _listen(socket: WebSocket) -> None:
    """Wait until the client leaves; what it says, text or bytes, is passed over."""
    while (await socket.receive())["type"] != "websocket.disconnect":
        pass
