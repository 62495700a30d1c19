"""A recording that is read until enough was seen of it, with the time that decoding takes.

What is done with its frames is `argus.vision.engine`; when it is enough, `desk` says.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Final

from argus.core.frame import Frame
from argus.vision.sources.around import Around
from argus.vision.sources.protocol import Source

ALWAYS_THERE: Final = frozenset({"file", "image", "folder", "synthetic"})
"""Kinds of source that never keep their reader waiting for anything but work."""


class Recording(Around):
    """Another source's frames; no further one is asked for once `enough` says so."""

    def __init__(self, source: Source, enough: Callable[[], bool]) -> None:
        """Take nothing yet; `enough` is asked before each frame, in the thread that reads."""
        super().__init__(source)
        self.decode_s = 0.0
        """Seconds spent waiting for frames so far."""
        self._enough = enough

    def __iter__(self) -> Iterator[Frame]:
        """Yield the frames in order."""
        clock = time.perf_counter
        frames = super().__iter__()
        while not self._enough():
            asked_s = clock()
            frame = next(frames, None)
            self.decode_s += clock() - asked_s
            if frame is None:
                return
            yield frame
