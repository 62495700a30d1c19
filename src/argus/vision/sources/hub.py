"""Who shares which stream: readers of one address read one decode.

The first reader of an address opens it, the last to leave closes it. What a stream does in between
is `shared`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from argus.vision.sources.opening import open_with
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source
from argus.vision.sources.shared import SharedStream
from argus.vision.sources.sharing import Open, StreamReader, StreamSpec


def open_by_options(url: str, options: SourceOptions) -> Source:
    """Open an address with options that were checked before; see `open_source`."""
    return open_with(url, options)


class Hub:
    """All streams of one process. Safe from any thread."""

    def __init__(self, open_: Open = open_by_options, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Begin with none; `open_` opens an address."""
        self._open = open_
        self._clock = clock
        self._lock = threading.Lock()
        self._streams: dict[tuple[object, ...], SharedStream] = {}
        self._leaving: list[SharedStream] = []

    @property
    def streams(self) -> tuple[SharedStream, ...]:
        """Those that somebody reads."""
        with self._lock:
            return tuple(self._streams.values())

    @property
    def threads(self) -> int:
        """Threads of streams that are alive, those of streams that nobody reads any more included."""
        with self._lock:
            return sum(s.threads for s in (*self._streams.values(), *self._leaving))

    def join(self, spec: StreamSpec, reader: StreamReader, *, held: bool = False) -> SharedStream:
        """Read an address, together with all who read the same; `held`: not before the stream is begun."""
        with self._lock:
            stream = self._streams.get(spec.key)
            if stream is None:
                stream = self._streams[spec.key] = SharedStream(spec, self._open, clock=self._clock)
            standing = stream.enlist(reader, held=held)
        if standing.ended is not None:
            reader.ended(*standing.ended)
        elif standing.info is not None:
            reader.online(standing.info)
        stream.retune()
        return stream

    def leave(self, stream: SharedStream, reader: StreamReader) -> None:
        """Read it no longer; returns at once, also where the stream's thread is stuck in a call."""
        with self._lock:
            last = not stream.strike(reader)
            if last:
                # Who comes now opens anew: this one is closing.
                self._streams.pop(stream.spec.key, None)
                self._leaving = [s for s in self._leaving if s.threads] + [stream]
        if last:
            stream.close()
        else:
            stream.retune()

    def tick(self) -> None:
        """Look after streams whose calls are stuck; to be called a few times a second."""
        for stream in self.streams:
            stream.tick()

    def close(self, timeout_s: float = 5.0) -> bool:
        """Wait for the threads of streams that were left; return whether all have ended."""
        until = time.monotonic() + timeout_s
        with self._lock:
            leaving = [*self._leaving, *self._streams.values()]
        return all(s.wait(max(0.0, until - time.monotonic())) for s in leaving)
