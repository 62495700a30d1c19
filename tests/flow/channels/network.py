"""A network between two ends that can fail: a TCP proxy on loopback, with two threads a connection.

The lab's proxy reads RTSP; this one reads nothing and so carries any protocol.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Literal, Self

Weather = Literal["fair", "stalled", "half-open", "cut"]
"""stalled: no byte passes; half-open: what is sent is swallowed, and nobody answers; cut: nobody comes in."""


class Network:
    """Carries bytes from a port of its own to `upstream` and back."""

    def __init__(self, upstream: int) -> None:
        self._weather: Weather = "fair"
        self.bytes_per_s: float | None = None
        """On each connection, either way."""
        self.late: tuple[bytes, float] | None = None
        """A connection on which these bytes passed carries what is sent after them so many seconds later."""
        self._upstream = upstream
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._closed = False
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def weather(self) -> Weather:
        """How it is now."""
        return self._weather

    @weather.setter
    def weather(self, weather: Weather) -> None:
        before, self._weather = self._weather, weather
        if weather == "cut" or (before == "half-open" and weather == "fair"):
            self.cut()  # bytes are missing on every connection that was there

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def cut(self) -> None:
        """Break every connection."""
        with self._lock:
            sockets, self._sockets = self._sockets, set()
        for sock in sockets:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed = True
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join(5.0)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._weather == "cut":
                client.close()
                continue
            try:
                server = socket.create_connection(("127.0.0.1", self._upstream), 2.0)
            except OSError:
                client.close()
                continue
            # Small buffers, as what lies in them cannot be taken back.
            for sock in (client, server):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)
                sock.settimeout(0.2)
            with self._lock:
                self._sockets |= {client, server}
            for source, target in ((client, server), (server, client)):
                thread = threading.Thread(target=self._carry, args=(source, target), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _carry(self, source: socket.socket, target: socket.socket) -> None:
        late_s = 0.0
        with contextlib.suppress(OSError), source:
            while not self._closed:
                if self.weather == "stalled":
                    time.sleep(0.01)
                    if source not in self._sockets:
                        break
                    continue
                try:
                    data = source.recv(16384)
                except TimeoutError:
                    continue
                if not data:
                    break
                if self.weather == "half-open":
                    continue
                time.sleep(late_s)
                self._send(target, data)
                if self.late is not None and self.late[0] in data:
                    late_s = self.late[1]
                if self.bytes_per_s:
                    time.sleep(len(data) / self.bytes_per_s)
        with contextlib.suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def _send(self, target: socket.socket, data: bytes) -> None:
        rest = memoryview(data)
        while rest and not self._closed:
            with contextlib.suppress(TimeoutError):
                rest = rest[target.send(rest) :]
