"""Which packets need not be decoded when only some frames per second are wanted.

Pure decisions over packets in the order in which they come: nothing is decoded here. What a packet
is to others says `bitstream`; why so: `docs/decisions/0012-skipping-before-decode.md`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Generic, TypeVar

from argus.vision.sources.bitstream import Role
from argus.vision.sources.timing import slot_of

T = TypeVar("T")

_SLOTS_KEPT: Final = 64
_HELD: Final = 300
"""Packets that may wait for the next one that is wanted."""
_KEYS: Final = 4
"""Key frames in a row that must have come in time before only they are decoded."""
_LATE: Final = 1.25
"""Times the usual distance after which a key frame is missed."""


@dataclass(frozen=True, slots=True)
class Step(Generic[T]):
    """What to do after a packet."""

    feed: Sequence[T] = ()
    """To be decoded now, in this order."""
    left_out: Sequence[T] = ()
    """Never to be decoded."""
    drain: bool = False
    """Ask the codec for all it still holds, then let it begin anew."""


class PacketPlan(Generic[T]):
    """Decodes as little as gives one frame in each slot of 1/fps seconds that has any.

    - A packet that nobody needs, in a slot that has its frame, is left out.
    - A packet that others may need waits. The next wanted one is decoded after those that wait; but if a
      picture comes first at which decoding can begin, then nobody needs them any more.
    - Where key frames come as often as frames are wanted, only key frames are decoded.

    Streams that show pictures in another order than they send them are not kept waiting, for their
    codec gives out a picture only when it has seen later ones.
    """

    def __init__(self, fps: float | None, lead_s: float = 0.0, *, reorders: bool = False) -> None:
        """Begin with nothing seen.

        Args:
            fps: Frames per second wanted; None wants all.
            lead_s: As for `Thinner`, which is to get the frames afterwards.
            reorders: Whether pictures may be shown in another order than they come.
        """
        self._fps = fps
        self._lead_s = lead_s
        self._reorders = reorders
        self._served: dict[int, None] = {}
        self._held: deque[tuple[T, bool]] = deque()  # and whether it was decoded already
        self._latest_s = float("-inf")
        self._keys: deque[float] = deque(maxlen=_KEYS)
        self._only_keys = False

    def retarget(self, fps: float | None, lead_s: float = 0.0) -> None:
        """Want another rate from the next packet on."""
        if fps != self._fps:
            self._fps, self._lead_s = fps, lead_s
            self._served.clear()
            self._only_keys = False

    def next(self, packet: T, role: Role, time_s: float | None) -> Step[T]:
        """Return what to do when `packet` has come, which will be shown at `time_s` (None: not known)."""
        if self._fps is None or time_s is None:
            return Step([*self._take_held(), packet])
        self._look_at_order(time_s)
        if role is Role.ENTRY:
            self._look_at_keys(time_s)
        slot = slot_of(time_s, self._fps, self._lead_s)
        wanted = slot not in self._served
        if self._only_keys:
            step = self._next_of_keys(packet, role, time_s, wanted=wanted)
            if step is not None:
                if step.feed:
                    self._serve(slot)
                return step
        if role is Role.DISPOSABLE and not wanted:
            return Step(left_out=[packet])
        if wanted:
            self._serve(slot)
        if wanted or self._reorders or len(self._held) >= _HELD:
            if role is Role.ENTRY and not self._reorders:
                return Step([packet], self._take_held())
            return Step([*self._take_held(), packet])
        dropped = self._take_held() if role is Role.ENTRY else []
        self._held.append((packet, False))
        return Step(left_out=dropped)

    def failed(self) -> None:
        """Hear that what was decoded gave no good picture: its slot is still without one."""
        self._served.clear()

    def reset(self) -> Sequence[T]:
        """Forget what waits, at a gap or the end; return it."""
        self._keys.clear()
        self._only_keys = False
        return self._take_held()

    def _next_of_keys(self, packet: T, role: Role, time_s: float, *, wanted: bool) -> Step[T] | None:
        if role is not Role.ENTRY:
            if time_s - self._keys[-1] > _LATE * self._between_keys_s() or len(self._held) >= _HELD:
                self._only_keys = False
                self._keys.clear()
                return None
            self._held.append((packet, False))
            return Step()
        dropped = self._take_held()
        # Where the codec is drained, it must see this one again if it has to go on from here.
        self._held.append((packet, wanted and not self._reorders))
        return Step([packet] if wanted else [], dropped, drain=wanted and self._reorders)

    def _look_at_order(self, time_s: float) -> None:
        if time_s < self._latest_s - 1.0:  # a new beginning
            self._latest_s = time_s
            self._keys.clear()
            self._only_keys = False
        elif time_s < self._latest_s:
            self._reorders = True
        self._latest_s = max(self._latest_s, time_s)

    def _look_at_keys(self, time_s: float) -> None:
        assert self._fps is not None
        self._keys.append(time_s)
        if len(self._keys) == _KEYS:
            self._only_keys = 0 < self._between_keys_s() <= 1.0 / self._fps + self._lead_s

    def _between_keys_s(self) -> float:
        return max(b - a for a, b in pairwise(self._keys))

    def _serve(self, slot: int) -> None:
        self._served[slot] = None
        if len(self._served) > _SLOTS_KEPT:
            del self._served[next(iter(self._served))]

    def _take_held(self) -> list[T]:
        taken = [packet for packet, decoded in self._held if not decoded]
        self._held.clear()
        return taken
