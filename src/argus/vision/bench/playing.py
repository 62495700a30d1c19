"""A recording played as a camera would send it: for ever, each frame at its time, late where decoding is.

A recording that the engine plays at its own pace waits for its reader. A camera does not, so here a
frame counts as arrived when it was due, and what comes out later was that much older.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from argus.core.frame import Frame
from argus.vision.sources.around import Around
from argus.vision.sources.protocol import Source, SourceInfo

_BUFFERED_S: Final = 1.0
"""How late frames may be before they are lost, as in the buffers between a camera and its reader."""


class Played(Around):
    """A live source over a recording that repeats itself."""

    def __init__(self, recording: Source, *, begins_in_s: float = 0.0) -> None:
        """Take over the recording, opened to be repeated.

        Args:
            recording: Whatever yields frames with times.
            begins_in_s: How long the first frame takes: cameras do not send at one moment.
        """
        super().__init__(recording)
        self._begins_s = time.monotonic() + begins_in_s
        self._closed = threading.Event()

    @property
    def info(self) -> SourceInfo:
        """That of the recording, but live."""
        return replace(super().info, live=True, frame_count=None)

    def __iter__(self) -> Iterator[Frame]:
        """Yield frames at their times."""
        for frame in super().__iter__():
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

    def close(self) -> None:
        """See `Source`."""
        self._closed.set()
        super().close()
