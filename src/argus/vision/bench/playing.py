"""A recording played as a camera would send it: for ever, each frame at its time, late where decoding is.

A recording that the engine plays at its own pace waits for its reader. A camera does not, so here a
frame counts as arrived when it was due, and what comes out later was that much older.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from types import TracebackType
from typing import Final, Self

from argus.core.frame import Frame
from argus.vision.sources.protocol import Source, SourceCounters, SourceInfo

_BUFFERED_S: Final = 1.0
"""How late frames may be before they are lost, as in the buffers between a camera and its reader."""


class Played:
    """A live source over a recording that repeats itself."""

    def __init__(self, recording: Source, *, begins_in_s: float = 0.0) -> None:
        """Take over the recording, opened to be repeated.

        Args:
            recording: Whatever yields frames with times.
            begins_in_s: How long the first frame takes: cameras do not send at one moment.
        """
        self._recording = recording
        self._begins_s = time.monotonic() + begins_in_s
        self._closed = threading.Event()

    @property
    def info(self) -> SourceInfo:
        """That of the recording, but live."""
        return replace(self._recording.info, live=True, frame_count=None)

    @property
    def counters(self) -> SourceCounters:
        """Those of the recording."""
        return self._recording.counters

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames at their times."""
        for frame in self._recording:
            due_s = self._begins_s + frame.time_s
            late_s = time.monotonic() - due_s
            if late_s > _BUFFERED_S:
                self._begins_s += late_s
                continue
            if self._closed.wait(max(0.0, -late_s)):
                return
            yield Frame(
                frame.picture,
                frame.source,
                frame.index,
                frame.time_s,
                frame.captured_at,
                frame.file,
                due_s,
            )

    def set_fps(self, fps: float | None) -> None:
        """See `Source`."""
        self._recording.set_fps(fps)

    def close(self) -> None:
        """See `Source`."""
        self._closed.set()
        self._recording.close()

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close."""
        self.close()
