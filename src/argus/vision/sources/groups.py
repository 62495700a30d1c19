"""Which pictures rest on a key frame that was damaged. Bookkeeping over stamps; nothing is decoded here.

All pictures up to the next key frame are built on the last one. Where that could not be decoded whole, a
decoder goes on without saying so: it shows what it has instead, or leaves pictures out. A picture in between
that is damaged costs itself alone, for most of what comes after it is right.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import Final

BLIND_S: Final = 10.0
"""For so long at most nothing of a recording is shown: with key frames this rare, a poor picture is better
than none."""
_BLIND_LIVE_S: Final = 3.0
_BLIND_PART: Final = 0.6
"""Part of the silence that a camera may keep before it counts as lost."""


def blind_live_s(silence_s: float) -> float:
    """Return the same for a camera that may be silent for so many seconds: it is not to count as lost."""
    return min(_BLIND_LIVE_S, _BLIND_PART * silence_s)


@dataclass(slots=True)
class _Group:
    """A key frame and what is built on it."""

    key: int
    """Its stamp."""
    fed: int = 0
    good: int = 0
    counted: int = 0
    """Pictures that are known to be damaged."""
    whole: bool | None = None
    """Whether the key frame came out well; None: it has not come yet."""
    failed: bool = False
    """True where the decoder met an error."""


class Groups:
    """The groups of pictures that are under way in one decoder. For one thread."""

    def __init__(self, unit_s: float, blind_s: float = BLIND_S) -> None:
        """Begin with none.

        Args:
            unit_s: Seconds of one unit of the stamps.
            blind_s: For so long at most nothing is shown, however many key frames in a row are damaged.
        """
        self._unit_s = unit_s
        self._blind_s = blind_s
        self._groups: deque[_Group] = deque()
        self._damaged_since: int | None = None
        self._lost = 0

    def feed(self, stamp: int | None, *, key: bool) -> None:
        """Note a packet that the decoder is given."""
        if key and stamp is not None:
            self._groups.append(_Group(stamp))
        if self._groups:
            self._groups[-1].fed += 1

    def failed(self) -> None:
        """Note that a packet could not be decoded, one of the last few."""
        if self._groups:
            group = next((g for g in self._groups if g.whole is None), self._groups[-1])
            group.failed = True
            group.counted += 1

    def came(self, stamp: int | None, *, key: bool, corrupt: bool) -> bool:
        """Note a picture that came out of the decoder; return whether it can be believed."""
        group = self._of(stamp)
        if group is None or stamp is None:
            return not corrupt
        if stamp == group.key or (key and group.whole is None):
            group.whole = not corrupt
        elif group.whole is None and group.failed:
            group.whole = False
        if group.whole is not False:
            self._damaged_since = None
        elif self._damaged_since is None or self._damaged_since > group.key:  # stamps may jump back
            self._damaged_since = group.key
        since = self._damaged_since
        blind = since is not None and (stamp - since) * self._unit_s <= self._blind_s
        if corrupt or blind:
            group.counted += 1
            return False
        group.good += 1
        return True

    def take_lost(self, *, ended: bool = False) -> int:
        """Return how many pictures never came because of damage, each once; `ended`: no more will come."""
        while ended and self._groups:
            self._close(self._groups.popleft())
        lost, self._lost = self._lost, 0
        return lost

    def forget(self) -> None:
        """Begin anew, after a gap."""
        self._groups.clear()
        self._damaged_since = None

    def _of(self, stamp: int | None) -> _Group | None:
        """Return the group of a picture; those before it are over, for pictures come in order."""
        if stamp is None:
            return None
        while len(self._groups) > 1 and self._groups[1].key <= stamp:
            self._close(self._groups.popleft())
        return self._groups[0] if self._groups and self._groups[0].key <= stamp else None

    def _close(self, group: _Group) -> None:
        if group.failed or group.whole is False:
            self._lost += max(0, group.fed - group.good - group.counted)
