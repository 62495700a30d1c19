"""What a worker answers over HTTP: how it is, its figures, and pictures of what it looks at.

A small ASGI application of its own, for a worker that was killed must be back at once, and a framework takes
longer to load than all of this. What the pages say is made elsewhere: `reporting`, `samples`, `channels`.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping
from typing import Any, Final, Protocol
from urllib.parse import parse_qs

import msgspec
import structlog

from argus.core.errors import SpecError, UnknownName
from argus.core.metric_registry import CONTENT_TYPE
from argus.core.net_access import fits_key, is_foreign, is_loopback, knows_host
from argus.stream.channels import MOST_FPS, Channels, NoPicture
from argus.stream.report import WorkerReport

Scope = Mapping[str, Any]
Receive = Callable[[], Awaitable[Mapping[str, Any]]]
Send = Callable[[Mapping[str, Any]], Awaitable[None]]

KEY_VARIABLE: Final = "ARGUS_API_KEY"
WATCHERS: Final = 64
"""Who may watch at the same time."""
_PATIENCE_S: Final = 10.0
"""Seconds that a client may take over one picture before it is let go."""
_BOUNDARY: Final = b"argus-picture"
_OPEN: Final = frozenset({"/healthz", "/readyz"})
"""What probes ask for, and anybody may know."""
_USUAL_HEADERS: Final = (
    (b"cache-control", b"no-store"),
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
)


class Facts(Protocol):
    """What there is to say; each call is quick."""

    def report(self) -> WorkerReport:
        """Return how the worker is."""
        ...

    def metrics(self) -> bytes:
        """Return its figures in Prometheus' text format."""
        ...


class Pages:
    """The application, for one event loop."""

    def __init__(self, host: str, facts: Facts, channels: Channels, *, key: str | None = None) -> None:
        """Know what there is to say.

        Args:
            host: Where it listens.
            facts: What there is to say.
            channels: What there is to see.
            key: What must be sent with a request from beyond this machine; needed where it listens there.

        Raises:
            SpecError: it would listen beyond loopback without a key.
        """
        if not is_loopback(host) and not key:
            raise SpecError(
                f"the worker would show its cameras at {host} to whoever asks: set {KEY_VARIABLE}, or listen"
                " at 127.0.0.1"
            )
        self._host = host
        self._key = None if is_loopback(host) else key
        self._facts = facts
        self._channels = channels
        self._closing = asyncio.Event()
        self._log = structlog.get_logger()

    def close(self) -> None:
        """Let those who watch go."""
        self._closing.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            return
        path = scope["path"]
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        if is_loopback(self._host) and not knows_host(headers.get("host"), self._host):
            await _refuse(send, 403, "this is not served under that name: ask at http://127.0.0.1")
        elif is_foreign(headers.get("host"), headers.get("origin"), headers.get("sec-fetch-site")):
            await _refuse(send, 403, "this is no part of another site's page")
        elif path not in _OPEN and not self._knows_key(headers):
            await _refuse(send, 401, f"send {KEY_VARIABLE} as `Authorization: Bearer …`")
        elif scope["method"] not in {"GET", "HEAD"}:
            await _refuse(send, 405, "there is only GET here", ((b"allow", b"GET, HEAD"),))
        else:
            await self._answer(path, parse_qs(scope["query_string"].decode("latin-1")), receive, send)

    def _knows_key(self, headers: Mapping[str, str]) -> bool:
        given = headers.get("authorization", "").removeprefix("Bearer ")
        return self._key is None or fits_key([given], self._key)

    async def _answer(self, path: str, query: dict[str, list[str]], receive: Receive, send: Send) -> None:
        try:
            if path == "/healthz":
                report = self._facts.report()
                await _say(send, 200 if report.healthy else 503, report.unhealthy or ("well",))
            elif path == "/readyz":
                ready = self._facts.report().ready
                await _say(send, 200 if ready else 503, ("ready" if ready else "not all is running yet",))
            elif path == "/stats":
                await _send(send, 200, b"application/json", msgspec.json.encode(self._facts.report()))
            elif path == "/metrics":
                await _send(send, 200, CONTENT_TYPE.encode(), self._facts.metrics())
            elif path == "/snapshot.jpg":
                await self._snapshot(query, send)
            elif path == "/stream.mjpeg":
                await self._stream(query, receive, send)
            else:
                await _refuse(
                    send,
                    404,
                    "there are /healthz, /readyz, /stats, /metrics, /snapshot.jpg?camera=NAME and"
                    " /stream.mjpeg?camera=NAME",
                )
        except _Unanswerable as error:
            await _refuse(send, error.status, str(error))
        except UnknownName as error:
            await _refuse(send, 404, str(error))
        except NoPicture as error:
            await _refuse(send, 503, str(error), ((b"retry-after", b"1"),))

    async def _snapshot(self, query: dict[str, list[str]], send: Send) -> None:
        kind, name = _what(query)
        channel = self._channels.channel(kind, name, _width(query))
        jpeg, frame = await channel.look()
        await _send(
            send, 200, b"image/jpeg", jpeg, ((b"x-captured-at", frame.captured_at.isoformat().encode()),)
        )

    async def _stream(self, query: dict[str, list[str]], receive: Receive, send: Send) -> None:
        kind, name = _what(query)
        fps = _number(query, "fps", 10.0, 0.1, MOST_FPS)
        channel = self._channels.channel(kind, name, _width(query))
        if self._channels.watching >= WATCHERS:
            raise _Unanswerable(503, f"{WATCHERS} others are watching already: close one of them")
        pictures = channel.watch(fps)
        with contextlib.suppress(NoPicture):
            await channel.look()  # a name that is unknown is said before the stream begins
        watching = asyncio.create_task(_watch(pictures, send))
        leaving = asyncio.create_task(_left(receive))
        closing = asyncio.create_task(self._closing.wait())
        try:
            await asyncio.wait({watching, leaving, closing}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (watching, leaving, closing):
                task.cancel()
            await asyncio.gather(watching, leaving, closing, return_exceptions=True)
            await pictures.aclose()
        if not leaving.done() or leaving.cancelled():
            with contextlib.suppress(OSError, TimeoutError):
                await asyncio.wait_for(send({"type": "http.response.body", "body": b""}), 1.0)


class _Unanswerable(Exception):
    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


async def _watch(pictures: AsyncIterator[bytes], send: Send) -> None:
    """Send pictures until the client leaves, takes too long, or what it looks at is gone."""
    await send(
        {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", b"multipart/x-mixed-replace; boundary=" + _BOUNDARY),
                *_USUAL_HEADERS,
            ],
        }
    )
    start = b"--" + _BOUNDARY + b"\r\n"
    with contextlib.suppress(UnknownName, TimeoutError):
        async for jpeg in pictures:
            head = f"Content-Type: image/jpeg\r\nContent-Length: {len(jpeg)}\r\n\r\n".encode()
            # The boundary at once: browsers show a picture only when they see where it ends.
            body = b"".join((start, head, jpeg, b"\r\n--", _BOUNDARY, b"\r\n"))
            start = b""
            await asyncio.wait_for(
                send({"type": "http.response.body", "body": body, "more_body": True}), _PATIENCE_S
            )


async def _left(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def _what(query: dict[str, list[str]]) -> tuple[str, str]:
    """Return what is to be looked at: a pipeline's view where one is named, else a camera's."""
    for kind in ("pipeline", "camera"):
        if kind in query:
            return kind, query[kind][-1]
    raise _Unanswerable(400, "say what to look at: ?camera=NAME or ?pipeline=NAME")


def _width(query: dict[str, list[str]]) -> int | None:
    return None if "width" not in query else 2 * round(_number(query, "width", 0, 16, 16384) / 2)


def _number(query: dict[str, list[str]], name: str, default: float, least: float, most: float) -> float:
    if name not in query:
        return default
    try:
        value = float(query[name][-1])
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise _Unanswerable(400, f"{name}={query[name][-1]}: a number from {least:g} to {most:g} is wanted")
    return value


async def _say(send: Send, status: int, lines: Iterable[str]) -> None:
    await _send(send, status, b"text/plain; charset=utf-8", "".join(f"{line}\n" for line in lines).encode())


async def _refuse(send: Send, status: int, why: str, headers: tuple[tuple[bytes, bytes], ...] = ()) -> None:
    await _send(send, status, b"text/plain; charset=utf-8", f"{why}\n".encode(), headers)


async def _send(
    send: Send, status: int, kind: bytes, body: bytes, headers: tuple[tuple[bytes, bytes], ...] = ()
) -> None:
    length = str(len(body)).encode()
    head = [(b"content-type", kind), (b"content-length", length), *_USUAL_HEADERS, *headers]
    await send({"type": "http.response.start", "status": status, "headers": head})
    await send({"type": "http.response.body", "body": body})
