"""When a frame is, and whether its turn has come. Pure bookkeeping: no clock is read here."""

from __future__ import annotations

import math
from typing import Final, Protocol

_RESTART_S: Final = 1.0
"""A step back by more than this is a new beginning (files joined together, a camera that started
again); by less it is a wobble."""

_AGREEMENT_S: Final = 1.0
"""How far a camera's clock and the arrival of its frames may be apart."""

_LATE_FOR_S: Final = 5.0
"""How long frames may come late before that is put down to the camera's clock."""

_BURST_S: Final = 30.0
"""How far the stamps of a live stream that comes as files may run ahead of their arrival between two frames:
a file or two may be missing, and those after it come all at once."""

_WOBBLE: Final = 0.2
"""Part of the shorter of two intervals, wanted or given, by which a frame may come before its slot."""

_USUAL_FPS: Final = 25.0

PATIENCE: Final = 3
"""Times the limit on silence that the first picture may take once something flows: a decoder that enters
a stream in its middle waits for the next whole picture."""


class Clock(Protocol):
    """Gives frames their time."""

    def time_s(self, stamp_s: float | None, arrived_s: float | None = None) -> float:
        """Return the time of the next frame, never less than that of the one before.

        Args:
            stamp_s: What the container says, in seconds from anywhere; None where it says nothing.
            arrived_s: When it came, by a clock that never jumps; None for recordings.
        """
        ...

    def expected_s(self, stamp_s: float) -> float | None:
        """Return the time that a frame with this stamp will get; None where that is not known yet."""
        ...


class FrameClock:
    """Turns timestamps of a container into seconds from the first frame that never decrease.

    A recording may have a gap of hours. Where arrivals are given, they keep the stamps from jumping ahead:
    a live stream that comes as files of some seconds begins with other stamps when its sender starts again.
    """

    def __init__(self, interval_s: float) -> None:
        """Start at 0.

        Args:
            interval_s: What lies between two frames where the container does not say.
        """
        self._interval_s = interval_s
        self._offset_s: float | None = None
        self._last_s = -interval_s
        self._arrived_s: float | None = None

    def time_s(self, stamp_s: float | None, arrived_s: float | None = None) -> float:
        """Return the time of the next frame, given its timestamp in seconds, or None where it has none."""
        guess = self._last_s + self._interval_s
        most_s = math.inf
        if arrived_s is not None:
            before_s, self._arrived_s = self._arrived_s, arrived_s
            if before_s is not None:
                most_s = self._last_s + max(0.0, arrived_s - before_s) + _BURST_S
        if stamp_s is None or not math.isfinite(stamp_s):
            self._last_s = max(0.0, guess)
            return self._last_s
        offset_s = self._offset_s
        if offset_s is None or not self._last_s - _RESTART_S <= stamp_s - offset_s <= most_s:
            offset_s = self._offset_s = stamp_s - max(0.0, guess)
        self._last_s = max(0.0, self._last_s, stamp_s - offset_s)
        return self._last_s

    def expected_s(self, stamp_s: float) -> float | None:
        """Return the time that a frame with this stamp will get, unless it begins anew."""
        if self._offset_s is None or not math.isfinite(stamp_s):
            return None
        time_s = stamp_s - self._offset_s
        return time_s if time_s >= self._last_s - _RESTART_S else None

    def begin_again(self) -> None:
        """Let the next timestamp follow the last frame, whatever it says."""
        self._offset_s = None


class LiveClock:
    """Paces frames by the camera's timestamps, and keeps those honest by when the frames arrived.

    Timestamps are even where the network is not, so they are believed; but a camera that sets its
    clock jumps by hours, and some run fast. The time of a frame is never more than a second from its
    arrival, whatever its stamp says, and a stamp that jumps is passed over.
    """

    def __init__(self, interval_s: float) -> None:
        """Start at 0 with the first frame.

        Args:
            interval_s: What lies between two frames where neither stamps nor arrivals say: the first
                frames of some streams have no stamp, and come all at once.
        """
        self._interval_s = interval_s
        self._first_arrival_s: float | None = None
        self._last_s = 0.0
        self._stamp_s: float | None = None
        self._arrived_s = 0.0
        self._on_time_s = 0.0
        self.jumps = 0
        """How often the camera's clock was found to jump or to run wrong."""
        self._astray = False

    def time_s(self, stamp_s: float | None, arrived_s: float | None = None) -> float:
        """Return the time of the next frame; without its arrival, the stamp is believed."""
        if stamp_s is not None and not math.isfinite(stamp_s):
            stamp_s = None
        if self._first_arrival_s is None:
            self._first_arrival_s = self._arrived_s = 0.0 if arrived_s is None else arrived_s
            self._stamp_s = stamp_s
            return 0.0
        known = stamp_s is not None and self._stamp_s is not None
        step_s = stamp_s - self._stamp_s if stamp_s is not None and self._stamp_s is not None else 0.0
        if arrived_s is None:
            self._last_s += max(0.0, step_s)
        else:
            waited_s = max(0.0, arrived_s - self._arrived_s)
            since_s = arrived_s - self._first_arrival_s
            if not known or step_s < 0 or step_s > waited_s + _AGREEMENT_S:
                self._note(astray=known)
                step_s = max(waited_s, 0.0 if known or stamp_s is None else self._interval_s)
            wish_s = self._last_s + step_s
            # A network that holds frames back puts them behind for a while; ahead, only a clock can be.
            if wish_s >= since_s - _AGREEMENT_S:
                self._on_time_s = since_s
            self._note(astray=wish_s > since_s + _AGREEMENT_S or since_s - self._on_time_s > _LATE_FOR_S)
            honest_s = min(max(wish_s, since_s - _AGREEMENT_S), since_s + _AGREEMENT_S)
            self._last_s = max(self._last_s, honest_s)
            self._arrived_s = arrived_s
        self._stamp_s = stamp_s
        return self._last_s

    def expected_s(self, stamp_s: float) -> float | None:
        """Return the time that a frame with this stamp will get, unless its clock jumps."""
        if self._first_arrival_s is None or self._stamp_s is None or not math.isfinite(stamp_s):
            return None
        step_s = stamp_s - self._stamp_s
        return self._last_s + step_s if -_RESTART_S <= step_s <= 60 * _AGREEMENT_S else None

    def _note(self, *, astray: bool) -> None:
        if astray and not self._astray:
            self.jumps += 1
        self._astray = astray


def lead_s(wanted_fps: float | None, source_fps: float | None) -> float:
    """Return by how much a frame may come before the slot that it was meant for.

    Timestamps wobble: rounded to milliseconds, the second frame of 30 per second is 0.033 and not yet
    1/30, and would fall into the slot of the first.
    """
    return _WOBBLE / max(wanted_fps or 0.0, source_fps or _USUAL_FPS)


def slot_of(time_s: float, fps: float, lead_s: float = 0.0) -> int:
    """Return in which slot of 1/fps seconds a frame falls."""
    return math.floor((time_s + lead_s) * fps + 1e-6)


class Thinner:
    """Lets through at most so many frames per second of the source's own time.

    Time is cut into slots of 1/fps and the first frame of each slot is taken, so that a wanted
    30 fps from 25 leaves nothing out and 10 from 25 keeps two of five, without drift.
    """

    def __init__(self, fps: float | None, lead_s: float = 0.0) -> None:
        """Start with no frame seen.

        Args:
            fps: Frames per second at most; None lets all through.
            lead_s: See the function of that name.
        """
        self._fps = fps
        self._lead_s = lead_s
        self._taken_s: float | None = None
        self._slot = -1

    def retarget(self, fps: float | None, lead_s: float = 0.0) -> None:
        """Keep another rate from the next frame on."""
        self._fps, self._lead_s = fps, lead_s
        self._slot = -1
        if fps is not None and self._taken_s is not None:
            self._slot = slot_of(self._taken_s, fps, lead_s)

    def wants(self, time_s: float) -> bool:
        """Return whether `takes` would say yes, and change nothing."""
        return self._fps is None or slot_of(time_s, self._fps, self._lead_s) > self._slot

    def takes(self, time_s: float) -> bool:
        """Return whether the frame at `time_s` is one to hand on."""
        if not self.wants(time_s):
            return False
        self._taken_s = time_s
        if self._fps is not None:
            self._slot = slot_of(time_s, self._fps, self._lead_s)
        return True
