"""A camera that sends bytes over one connection as a test tells it to: no protocol, no manners."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Self


class LineCamera:
    """Listens on loopback while it is entered; whoever connects gets the chunks, `interval_s` apart.

    After the last chunk it holds the line, or hangs up where `hangs_up` is set.
    """

    def __init__(
        self, chunks: Iterable[bytes] = (), *, interval_s: float = 0.0, hangs_up: bool = False
    ) -> None:
        self._chunks = list(chunks)
        self._interval_s = interval_s
        self._hangs_up = hangs_up
        self._closing = threading.Event()
        self._server = socket.create_server(("127.0.0.1", 0))
        self._server.settimeout(0.05)
        self._thread = threading.Thread(target=self._serve)
        self.port = int(self._server.getsockname()[1])

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._closing.set()
        self._thread.join()
        self._server.close()

    def url(self, scheme: str) -> str:
        return f"{scheme}://127.0.0.1:{self.port}"

    def _serve(self) -> None:
        while not self._closing.is_set():
            with contextlib.suppress(OSError), self._server.accept()[0] as line:
                for chunk in self._paced():
                    line.sendall(chunk)
                if not self._hangs_up:
                    self._closing.wait()

    def _paced(self) -> Iterator[bytes]:
        for chunk in self._chunks:
            if self._closing.wait(self._interval_s):
                return
            yield chunk


def slices(data: bytes, count: int) -> list[bytes]:
    """Cut into so many pieces, of whole packets of MPEG-TS."""
    size = max(1, len(data) // 188 // count) * 188
    return [data[at : at + size] for at in range(0, len(data), size)]
