"""How the API is served by uvicorn: with patience for the slow, and none for those who are slow on purpose.

uvicorn itself waits for ever for the head of a request. Whoever opens connections and drips a byte now and
then would hold them all; here a connection has a moment to say what it wants. Bodies are timed by `bodies`.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator
from typing import Any, Final

import msgspec
import uvicorn
from fastapi import FastAPI
from uvicorn.protocols.http.h11_impl import H11Protocol

from argus.control.api.endless import Closing
from argus.control.api.patience import Patience
from argus.control.api.problems import MEDIA_TYPE, Problem

_KEEP_ALIVE_S: Final = 30
_GRACE_S: Final = 3
_LARGEST_HEAD: Final = 32 << 10
_MOST_CONNECTIONS: Final = 1000


def server_config(app: FastAPI) -> uvicorn.Config:
    """Return how what `create_app` made is served."""
    patience: Patience = app.state.patience
    protocol = type("Protocol", (PatientProtocol,), {"head_s": patience.head_s})
    return uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        # Addresses may hold a key.
        access_log=False,
        lifespan="on",
        http=protocol,
        ws="none",
        server_header=False,
        proxy_headers=False,
        timeout_graceful_shutdown=_GRACE_S,
        timeout_keep_alive=_KEEP_ALIVE_S,
        h11_max_incomplete_event_size=_LARGEST_HEAD,
        limit_concurrency=_MOST_CONNECTIONS,
    )


class Server(uvicorn.Server):
    """Ends what is endless before it waits for all to end; leaves signals to whoever runs it."""

    def __init__(self, app: FastAPI) -> None:
        """Serve what `create_app` made."""
        super().__init__(server_config(app))
        self._closing: Closing = app.state.closing

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Capture none."""
        yield

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End in good order."""
        self._closing.close()
        await super().shutdown(sockets)


class PatientProtocol(H11Protocol):
    """HTTP/1.1 as uvicorn has it, with a limit to how long the head of a request may take."""

    head_s: float
    _head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Begin to wait for a head."""
        super().connection_made(transport)
        # asyncio does so only for sockets that were made with their protocol's number: without it the body of
        # each answer waits 40 ms for the acknowledgement of its head.
        sock = transport.get_extra_info("socket")
        if sock is not None and sock.family in {socket.AF_INET, socket.AF_INET6}:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._wait_for_head()

    def data_received(self, data: bytes) -> None:
        """Take bytes; stop waiting when they complete a head."""
        before = self.cycle
        super().data_received(data)
        if self.cycle is not before:
            self._stop_waiting()
        elif self._head_timer is None and self._answers_nobody():
            self._wait_for_head()

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget it."""
        self._stop_waiting()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """Say that the request is no HTTP, in the form of all our problems."""
        problem = Problem(400, "not-http", f"the request cannot be read: {msg}", remedy="send HTTP/1.1")
        body = msgspec.json.encode(problem.body)
        head = (
            f"HTTP/1.1 400 Bad Request\r\ncontent-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
            "connection: close\r\nx-content-type-options: nosniff\r\n\r\n"
        )
        if not self.transport.is_closing():
            self.transport.write(head.encode() + body)
            self.transport.close()

    def _answers_nobody(self) -> bool:
        cycle: Any = self.cycle  # None before the first request, whatever its type says
        return cycle is None or bool(cycle.response_complete)

    def _wait_for_head(self) -> None:
        self._head_timer = self.loop.call_later(self.head_s, self._too_late)

    def _stop_waiting(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _too_late(self) -> None:
        self._head_timer = None
        if not self.transport.is_closing():
            self.transport.close()
