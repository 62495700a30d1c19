"""A recording that is read until enough was seen of it, with the time that decoding takes.

What is done with its frames is `argus.vision.engine`; when it is enough, `desk` says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Final, Self

from argus.core.frame import Frame
from argus.vision.sources.protocol import Source, SourceCounters, SourceInfo

ALWAYS_THERE: Final = frozenset({"file", "image", "folder", "synthetic"})
"""Kinds of source that never keep their reader waiting for anything but work."""


class Recording:
    """Another source's frames; no further one is asked for once `enough` says so."""

    def __init__(self, source: Source, enough: Callable[[], bool]) -> None:
        """Take nothing yet; `enough` is asked before each frame, in the thread that reads."""
        self.decode_s = 0.0
        """Seconds spent waiting for frames so far."""
        self._source = source
        self._enough = enough

    @property
    def info(self) -> SourceInfo:
        """What was known at the opening."""
        return self._source.info

    @property
    def counters(self) -> SourceCounters:
        """What was met so far."""
        return self._source.counters

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order."""
        clock = time.perf_counter
        frames = iter(self._source)
        while not self._enough():
            asked_s = clock()
            frame = next(frames, None)
            self.decode_s += clock() - asked_s
            if frame is None:
                return
            yield frame

    def set_fps(self, fps: float | None) -> None:
        """Hand on at most so many frames per second from the next one on; None: all."""
        self._source.set_fps(fps)

    def close(self) -> None:
        """Free the decoder; idempotent."""
        self._source.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
