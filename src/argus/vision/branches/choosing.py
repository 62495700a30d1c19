"""Which objects are looked at now, and at which of their crops. Decisions over values; no pixel is touched.

An object that is looked at once is worth a short wait: who walks into the picture is cut off by its edge
first. The rule and what it was weighed against: `docs/decisions/0014-branches.md`.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Frame
from argus.core.geometry import box_area
from argus.vision.branches.finding import Box

PATIENCE_S: Final = 0.5
"""How long a better crop is waited for. Higher finds better ones; lower tells sooner."""
ENOUGH: Final = 0.8
"""A crop as good as this is not waited for any longer."""
BETTER: Final = 1.1
"""A crop takes the place of the one that waits when it is so many times as good: not for every trembling."""
MUCH_BETTER: Final = 1.5
"""An object is looked at again at a crop so many times as good as the last. Since 1 is the best, an object
first seen at 0.1 is looked at six times at most."""
RETRY_S: Final = 1.0
"""How long an object is left alone after a model failed at it."""
CUT_OFF: Final = 0.5
"""What the crop of an object that reaches over the picture's edge is worth, beside one that does not."""
_EDGE: Final = 0.004
"""How near to the edge a box must end to count as cut off, in parts of the picture's side."""


@dataclass(frozen=True, slots=True, eq=False)
class Candidate:
    """A crop that may be looked at."""

    track: int
    """Id of the track; where nothing tracks, the row in the frame's detections."""
    frame: Frame
    xyxy: Box
    class_id: int
    goodness: float
    """0..1, see `goodness`."""


def goodness(
    xyxy: NDArray[np.float32],
    confidence: NDArray[np.float32],
    picture_wh: tuple[int, int],
    wanted_wh: tuple[int, int],
) -> NDArray[np.float32]:
    """Return (N,) how much the crops promise, 0..1: size times confidence, halved where cut off by the edge.

    Args:
        xyxy: (N, 4) corners in pixels of the full frame, clipped to it.
        confidence: (N,) scores.
        picture_wh: Width and height of the frame.
        wanted_wh: Width and height that the model looks at: more pixels than that gain nothing.
    """
    size: NDArray[np.float32] = np.sqrt(box_area(xyxy) * np.float32(1.0 / (wanted_wh[0] * wanted_wh[1])))
    np.minimum(size, np.float32(1), out=size)
    width, height = picture_wh
    near = np.array((width * _EDGE, height * _EDGE), np.float32)
    cut_off = (xyxy[:, :2] < near).any(axis=1)
    cut_off |= (xyxy[:, 2:] > (width, height) - near).any(axis=1)
    size *= confidence
    size[cut_off] *= np.float32(CUT_OFF)
    return size


def hidden_share(rows: NDArray[Any], xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (R,) the part of the boxes at `rows` that lies under another box which stands nearer, 0..1.

    Nearer is whose lower edge is lower in the picture, as on a ground seen from above.
    """
    mine = xyxy[rows]
    wide = np.minimum(mine[:, None, 2], xyxy[:, 2]) - np.maximum(mine[:, None, 0], xyxy[:, 0])
    high = np.minimum(mine[:, None, 3], xyxy[:, 3]) - np.maximum(mine[:, None, 1], xyxy[:, 1])
    common = np.maximum(wide, 0) * np.maximum(high, 0)
    common[mine[:, None, 3] >= xyxy[:, 3]] = 0
    share: NDArray[np.float32] = common.max(axis=1, initial=0) / np.maximum(box_area(mine), np.float32(1e-6))
    return share


@dataclass(slots=True)
class _Track:
    """How a track stands with one branch."""

    seen_s: float = 0.0
    looked: float = -1.0
    """Goodness of the crop that was looked at; below 0 before the first look."""
    before: float = -1.0
    """The same, before the look that is on its way."""
    bar: float = 0.0
    """A crop must be as good as this to be of interest."""
    next_step: int = 0
    """And its frame must be the so-manieth."""
    not_before_s: float = -math.inf
    best: Candidate | None = None
    since_s: float = 0.0
    """When the wait for a better crop began."""


class Chooser:
    """Whose turn it is, for one branch and the tracks of one camera.

    Per frame: `begin`, `open` for all that match, `offer` for the crops that it `wants` of those, then `due`.
    """

    def __init__(self, every: int | None) -> None:
        """Choose each track once at its best crop (None), or again in every so many frames."""
        self._every = every
        self._patience_s = PATIENCE_S if every is None else 0.0
        self._tracks: dict[int, _Track] = {}
        self._waiting: dict[int, _Track] = {}
        self._step = 0
        self._now_s = 0.0

    def __len__(self) -> int:
        """Number of tracks that are remembered."""
        return len(self._tracks)

    def __contains__(self, track: int) -> bool:
        """Return whether the track is remembered."""
        return track in self._tracks

    def begin(self, now_s: float) -> None:
        """Begin a frame of this time."""
        self._step += 1
        self._now_s = now_s

    def open(self, tracks: Sequence[int]) -> list[int]:
        """Note that these tracks are seen; return the positions of those whose turn it may be."""
        now_s, step, known, chosen = self._now_s, self._step, self._tracks, []
        for position, track in enumerate(tracks):
            state = known.get(track)
            if state is None:
                state = known[track] = _Track()
            state.seen_s = now_s
            if state.bar <= 1.0 and step >= state.next_step and now_s >= state.not_before_s:
                chosen.append(position)
        return chosen

    def wants(self, track: int, goodness: float) -> bool:
        """Return whether a crop so good is of interest; only of tracks whose turn it may be."""
        return goodness >= self._tracks[track].bar

    def offer(self, candidate: Candidate) -> None:
        """Take a crop of this frame into account."""
        state = self._tracks[candidate.track]
        if state.best is None:
            if candidate.goodness < state.bar:
                return
            state.best, state.since_s = candidate, self._now_s
            self._waiting[candidate.track] = state
        elif self._every is not None or candidate.goodness > BETTER * state.best.goodness:
            state.best = candidate

    def due(self, *, ended: bool = False) -> list[Candidate]:
        """Return the crops to look at now, the best first.

        A crop is due when it is good enough, when it was waited for long enough, or when its object is
        not to be seen any more; all are when the stream has `ended`.
        """
        if not self._waiting:
            return []
        now_s, now_due = self._now_s, []
        for track, state in list(self._waiting.items()):
            best = state.best
            assert best is not None
            waited_s = now_s - state.since_s
            if (
                ended
                or best.goodness >= ENOUGH
                or not 0 <= waited_s < self._patience_s  # a clock set back is no reason to wait longer
                or state.seen_s != now_s
            ):
                del self._waiting[track]
                state.best = None
                state.before, state.looked = state.looked, best.goodness
                self._raise_bar(state)
                now_due.append(best)
        return sorted(now_due, key=lambda candidate: -candidate.goodness)

    def again(self, candidate: Candidate, not_before_s: float = -math.inf) -> None:
        """Take a look back that was not made: the track waits for its turn as before."""
        state = self._tracks.get(candidate.track)
        if state is not None:
            state.looked, state.not_before_s = state.before, not_before_s
            self._raise_bar(state)
            state.next_step = 0

    def forget(self, tracks: Iterable[int]) -> None:
        """Drop tracks that were given up."""
        for track in tracks:
            self._tracks.pop(track, None)
            self._waiting.pop(track, None)

    def _raise_bar(self, state: _Track) -> None:
        if self._every is None:
            state.bar = MUCH_BETTER * state.looked if state.looked >= 0 else 0.0
        else:
            state.next_step = self._step + self._every
