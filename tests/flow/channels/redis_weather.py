"""The network between a channel and its Redis: a TCP proxy on loopback that cuts, swallows and slows."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from types import TracebackType
from typing import Literal, Self

Weather = Literal["fair", "cut", "swallowing"]


class Weathered:
    """Carries connections to a port; close it when done."""

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.url = f"redis://user:secret-word@127.0.0.1:{self.port}/0"
        self.bytes_per_s: float | None = None
        self._weather: Weather = "fair"
        self._ends: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def set(self, weather: Weather) -> None:
        """Let it be so from now on; what was swallowed on a connection breaks it when it is fair again."""
        before, self._weather = self._weather, weather
        if weather == "cut" or before == "swallowing":
            self.cut()

    def cut(self) -> None:
        """Break every connection that stands."""
        with self._lock:
            for end in self._ends:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._weather = "cut"
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()
        for thread in self._threads:
            thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self._weather == "cut":
                client.close()
                continue
            server = socket.create_connection(("127.0.0.1", self._upstream))
            with self._lock:
                self._ends |= {client, server}
            left = [2]
            for pair in ((client, server), (server, client)):
                thread = threading.Thread(target=self._carry, args=(*pair, left))
                thread.start()
                self._threads.append(thread)

    def _carry(self, source: socket.socket, sink: socket.socket, left: list[int]) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536 if self.bytes_per_s is None else 4096):
                if self._weather == "swallowing":
                    continue
                if self.bytes_per_s is not None:
                    time.sleep(len(data) / self.bytes_per_s)
                sink.sendall(data)
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        with self._lock:
            left[0] -= 1
            if not left[0]:
                self._ends -= {source, sink}
                source.close()
                sink.close()
