"""Which frames of a camera are taken to honour a target rate. Pure arithmetic.

A source thins out by slots of its own time (`argus.vision.sources.timing`). Here frames may have
been thinned already, for another rate or for the same one, and come with the jitter of a network;
so what counts is when the next frame is due, and a frame that is a little early is not sent away.
"""

from __future__ import annotations

from typing import Final

_EARLY: Final = 0.25
"""Part of the interval by which a frame may be early."""


class Rate:
    """Lets through at most so many frames per second, on average."""

    def __init__(self, fps: float | None) -> None:
        """Start with a frame due; None lets all through."""
        self.fps = fps
        self._interval_s = 0.0 if fps is None else 1.0 / fps
        self._due_s: float | None = None

    def takes(self, time_s: float) -> bool:
        """Return whether the frame at `time_s`, seconds of the stream, is one to take."""
        if self.fps is None:
            return True
        interval_s = self._interval_s
        if self._due_s is None or time_s < self._due_s - 2 * interval_s:  # the first, or a clock set back
            self._due_s = time_s
        if time_s < self._due_s - _EARLY * interval_s:
            return False
        # A frame that is late moves the next one too: what was missed is not made up for in a burst.
        self._due_s = max(self._due_s, time_s - interval_s) + interval_s
        return True
