"""One time line over all connections of a stream: index and time of its frames go on over breaks."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from argus.core.frame import Frame
from argus.vision.sources.protocol import SourceInfo

_USUAL_FPS: Final = 25.0
"""Of a recording that does not say it."""


class TimeLine:
    """That of one stream; used by the thread that reads it."""

    def __init__(self) -> None:
        """Begin at 0, with the first connection."""
        self.base_s = 0.0
        """Time of the stream at which the present connection's own is 0."""
        self._base_index = 0
        self._first_s: float | None = None
        self._next_index = 0
        self._last_s = 0.0

    def connect(self, now_s: float, info: SourceInfo) -> None:
        """Begin another connection, at a moment of a monotonic clock."""
        first = self._first_s is None
        if self._first_s is None:
            self._first_s = now_s
        if info.live:
            # What comes after a break is as much later as it really was.
            self.base_s = max(self._last_s, now_s - self._first_s)
        elif not first:
            self.base_s = self._last_s + 1.0 / (info.fps or _USUAL_FPS)
        self._base_index = self._next_index

    def moved(self, frame: Frame, captured_at: datetime, received_s: float | None) -> Frame:
        """Return the present connection's next frame as one of the whole stream."""
        self._last_s = self.base_s + frame.time_s
        index = self._base_index + frame.index
        self._next_index = index + 1
        return Frame(frame.picture, frame.source, index, self._last_s, captured_at, frame.file, received_s)
