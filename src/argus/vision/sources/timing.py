"""When a frame is, and whether its turn has come. Pure bookkeeping: no clock is read here."""

from __future__ import annotations

import math

_RESTART_S = 1.0
"""A step back by more than this is a new beginning (files joined together, a camera that started
again); by less it is a wobble."""


class FrameClock:
    """Turns timestamps of a container into seconds from the first frame that never decrease."""

    def __init__(self, interval_s: float) -> None:
        """Start at 0.

        Args:
            interval_s: What lies between two frames where the container does not say.
        """
        self._interval_s = interval_s
        self._offset_s: float | None = None
        self._last_s = -interval_s

    def time_s(self, stamp_s: float | None) -> float:
        """Return the time of the next frame, given its timestamp in seconds, or None where it has none."""
        guess = self._last_s + self._interval_s
        if stamp_s is None or not math.isfinite(stamp_s):
            self._last_s = max(0.0, guess)
            return self._last_s
        if self._offset_s is None or stamp_s - self._offset_s < self._last_s - _RESTART_S:
            self._offset_s = stamp_s - max(0.0, guess)
        self._last_s = max(0.0, self._last_s, stamp_s - self._offset_s)
        return self._last_s

    def begin_again(self) -> None:
        """Let the next timestamp follow the last frame, whatever it says."""
        self._offset_s = None


class Thinner:
    """Lets through at most so many frames per second of the source's own time.

    Time is cut into slots of 1/fps and the first frame of each slot is taken, so that a wanted
    30 fps from 25 leaves nothing out and 10 from 25 keeps two of five, without drift.
    """

    def __init__(self, fps: float | None) -> None:
        """Start with no frame seen; None lets all through."""
        self._fps = fps
        self._slot = -1

    def takes(self, time_s: float) -> bool:
        """Return whether the frame at `time_s` is one to hand on."""
        if self._fps is None:
            return True
        slot = math.floor(time_s * self._fps + 1e-6)
        if slot <= self._slot:
            return False
        self._slot = slot
        return True
