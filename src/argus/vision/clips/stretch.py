"""The packets of one connection of a stream: kept from key frame to key frame, on one time line.

A camera sets its clock, a recording begins again: stamps jump, and pictures do not. Here stamps are
moved where they jump, so that they run on; which time of a frame a stamp means is learnt from the
pictures that are decoded (`mark`). What is given up is decided in `ring`, what is cut out in `cutting`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Final, NamedTuple

from av.video.stream import VideoStream

_STEP_BACK_S: Final = 1.0
"""Stamps that step back by more begin anew; by less, it is a wobble or another order."""
_AGREEMENT_S: Final = 1.0
"""How far the stamps of a live stream may run ahead of the packets' arrival between two of them."""
_USUAL_FPS: Final = 25.0


class Kept(NamedTuple):
    """One packet; its stamps are moved onto the stretch's own time line."""

    data: bytes
    pts: int
    dts: int
    key: bool
    """Decoding can begin here."""


@dataclass(frozen=True, slots=True)
class Form:
    """What the packets of a stream are."""

    codec: str
    """FFmpeg's name of the codec."""
    time_base: Fraction
    """Seconds of one tick."""
    interval: int
    """Ticks between two pictures, nominally."""
    mould: VideoStream | None = None
    """A stream of no file that holds the codec's parameters; None for pictures compressed one by one."""
    reorders: bool = False
    """Pictures are shown in another order than they come."""


@dataclass(slots=True)
class Piece:
    """What a stretch held at one moment; a copy, for whoever cuts."""

    form: Form
    packets: list[Kept]
    marks: list[tuple[int, float]]
    """Ticks and the time of the frame that has them, in order."""
    base_s: float
    trimmed: bool
    """True where packets before these were given up."""
    current: bool
    """True where more will come."""

    def time_s(self, ticks: int) -> float:
        """Return the time of the frame with these ticks, as near as decoded frames tell."""
        unit = self.form.time_base
        if not self.marks:
            return self.base_s + float((ticks - self.packets[0].pts) * unit)
        at = bisect_left(self.marks, (ticks, 0.0))
        near = self.marks[max(0, at - 1) : at + 1]
        known, time_s = min(near, key=lambda mark: abs(mark[0] - ticks))
        return self.base_s + time_s + float((ticks - known) * unit)


@dataclass(slots=True)
class Stretch:
    """See the module. Not safe from several threads by itself: `ring` holds the lock."""

    form: Form
    base_s: float = 0.0
    """Time of the stream at which this connection's own time is 0."""
    packets: deque[Kept] = field(default_factory=deque)
    size: int = 0
    """Bytes of the packets."""
    trimmed: bool = False
    last_s: float = 0.0
    """When its last packet came, monotonic."""
    _marks: deque[tuple[int, float]] = field(default_factory=deque)
    _keys: deque[tuple[int, int]] = field(default_factory=deque)
    """Number and dts of each key packet that is kept."""
    _first: int = 0
    """Number of the first packet that is kept."""
    _offset: int = 0
    _offset_before: int = 0
    _begins: bool = True
    _last_dts: int | None = None
    _most_pts: int = 0
    _arrived_s: float | None = None

    def add(
        self, data: bytes, pts: int | None, dts: int | None, *, key: bool, arrived_s: float | None
    ) -> None:
        """Keep one more packet; what comes before the first key frame is of no use, and is let go."""
        place = self._place(pts, dts, arrived_s)
        if key:
            self._keys.append((self._first + len(self.packets), place[1]))
        elif not self.packets:
            return
        self.packets.append(Kept(data, *place, key))
        self.size += len(data)

    def mark(self, pts: int, time_s: float) -> None:
        """Learn the time, in this connection, of the picture with a stamp of the container."""
        if not self.packets:
            return
        low, high = self.packets[0].pts, self._most_pts
        # A picture that comes out late may belong to the stamps from before a jump.
        for offset in (self._offset, self._offset_before):
            if low <= pts + offset <= high:
                if not self._marks or self._marks[-1][0] < pts + offset:
                    self._marks.append((pts + offset, time_s))
                return

    def again(self) -> None:
        """Let the next packet follow the last picture, whatever its stamps say."""
        self._begins = True

    def trim(self, seconds: float) -> None:
        """Give up groups of pictures that are not needed for the last so many seconds."""
        if self._last_dts is None:
            return
        horizon = self._last_dts - int(seconds / self.form.time_base)
        while len(self._keys) > 1 and self._keys[1][1] <= horizon:
            self.give_up()

    def give_up(self) -> None:
        """Let the oldest group of pictures go: all packets before the second key frame, or all."""
        self.trimmed = True
        until = self._keys[1][0] if len(self._keys) > 1 else self._first + len(self.packets)
        while self._first < until:
            self.size -= len(self.packets.popleft().data)
            self._first += 1
        if self._keys:
            self._keys.popleft()
        oldest = self.packets[0].dts if self.packets else self._most_pts
        while self._marks and self._marks[0][0] < oldest:
            self._marks.popleft()

    def piece(self, *, current: bool) -> Piece:
        """Return what is kept by now; of a camera that broke off without its last packet: it may be half."""
        packets = list(self.packets)
        if not current and self._arrived_s is not None and len(packets) > 1:
            packets.pop()
        return Piece(self.form, packets, list(self._marks), self.base_s, self.trimmed, current)

    def _place(self, pts: int | None, dts: int | None, arrived_s: float | None) -> tuple[int, int]:
        """Return a packet's pts and dts on this stretch's own time line."""
        waited_s = None
        if arrived_s is not None and self._arrived_s is not None:
            waited_s = max(0.0, arrived_s - self._arrived_s)
        self._arrived_s = arrived_s
        stamp = dts if dts is not None else pts
        if stamp is None:  # some containers give none, and some cameras none at first
            run = 0 if self._last_dts is None else self._last_dts + self.form.interval
            return self._note(run, run)
        if pts is None:
            pts = stamp
        if self._begins or self._jumps(stamp, waited_s):
            self._offset_before = self._offset
            gap = self.form.interval
            if waited_s is not None and not self._begins:
                gap = max(1, round(waited_s / self.form.time_base))
            self._offset = (self._most_pts + gap if self._last_dts is not None else 0) - pts
            self._begins = False
        return self._note(pts + self._offset, stamp + self._offset)

    def _jumps(self, stamp: int, waited_s: float | None) -> bool:
        if self._last_dts is None:
            return False
        step_s = float((stamp + self._offset - self._last_dts) * self.form.time_base)
        if step_s < -_STEP_BACK_S:
            return True
        # A recording may have a gap of hours; from a camera only its clock can be ahead of the packets.
        return waited_s is not None and step_s > waited_s + _AGREEMENT_S

    def _note(self, pts: int, dts: int) -> tuple[int, int]:
        self._most_pts = pts if self._last_dts is None else max(self._most_pts, pts)
        self._last_dts = dts
        return pts, dts


def interval_of(fps: float | None, time_base: Fraction) -> int:
    """Return the ticks between two pictures at a rate, 25 a second where it is not known."""
    return max(1, round(1 / (fps or _USUAL_FPS) / time_base))
