"""The objects in view as columns: where each was last seen, since when, and where it went.

One slot per track, reused when the track is gone, so that rules work on whole arrays instead of
one object at a time. Only confirmed tracks (`track_id` > 0) are here. Which track is which is
decided in `argus.vision.tracking`; what objects do to places, in `zones`, `lines` and `crowds`.
"""

from __future__ import annotations

from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from argus.core.anchors import Anchor
from argus.core.detections import Detections

ANCHORS: Final[tuple[Anchor, ...]] = ("bottom", "center", "top")
"""Order of the rows of `ObjectTable.y`."""

PATH_POINTS: Final = 64
PATH_STEP_S: Final = 0.5
_MOVED: Final = 0.01
"""Who moves less than this part of the picture leaves no point, save one every ten steps."""

Slots = NDArray[np.intp]
Path = tuple[tuple[float, float, float], ...]
_T = TypeVar("_T", bound=np.generic)
_NOBODY: Final[Slots] = np.zeros(0, dtype=np.intp)


def widened(array: NDArray[_T], width: int, fill: Any) -> NDArray[_T]:
    """Return the array with its last axis as long as `width`, new places holding `fill`."""
    wide = np.full((*array.shape[:-1], width), fill, dtype=array.dtype)
    wide[..., : array.shape[-1]] = array
    return wide


class Vocabulary:
    """Class names as numbers that stay the same when the model, and so its labels, change."""

    def __init__(self) -> None:
        self.names: list[str] = []
        self._labels: tuple[str, ...] | None = None
        self._numbers: NDArray[np.intp] = _NOBODY

    def numbers(self, labels: tuple[str, ...]) -> NDArray[np.intp]:
        """Return the number of each label, (len(labels),)."""
        if labels is not self._labels and labels != self._labels:
            for label in labels:
                if label not in self.names:
                    self.names.append(label)
            self._numbers = np.array([self.names.index(label) for label in labels], dtype=np.intp)
            self._labels = labels
        return self._numbers


class ObjectTable:
    """The confirmed tracks that were seen within the last `lost_after_s` seconds.

    Call `gone`, let the rules end what those objects did, `release` them, then `observe`.
    """

    def __init__(self, lost_after_s: float, *, capacity: int = 32) -> None:
        self.lost_after_s = lost_after_s
        self.vocabulary = Vocabulary()
        self.id: NDArray[np.int64] = np.zeros(capacity, np.int64)
        """(S,) track ids; 0 for a free slot."""
        self.seen: NDArray[np.bool_] = np.zeros(capacity, np.bool_)
        """(S,) whether the object is in the present frame."""
        self.first_s: NDArray[np.float64] = np.zeros(capacity)
        self.last_s: NDArray[np.float64] = np.full(capacity, np.inf)
        """(S,) when each was last seen; infinite for a free slot, which is never gone."""
        self.x: NDArray[np.float64] = np.zeros(capacity)
        """(S,) middle of the box, 0..1 of the picture's width."""
        self.y: NDArray[np.float64] = np.zeros((len(ANCHORS), capacity))
        """(3, S) lower edge, centre and upper edge of the box, 0..1 of the picture's height."""
        self.xyxy: NDArray[np.float32] = np.zeros((capacity, 4), np.float32)
        """(S, 4) last box, in pixels."""
        self.confidence: NDArray[np.float32] = np.zeros(capacity, np.float32)
        self.score: NDArray[np.float32] = np.zeros(capacity, np.float32)
        """(S,) confidence times area in pixels: how good a snapshot of it this frame gives."""
        self.class_number: NDArray[np.intp] = np.zeros(capacity, np.intp)
        """(S,) numbers in `vocabulary` of the class that most of the confidence so far went to."""
        self._votes: NDArray[np.float32] = np.zeros((capacity, 0), np.float32)
        self._path: NDArray[np.float64] = np.zeros((capacity, PATH_POINTS, 2 + len(ANCHORS)))
        self._path_len: NDArray[np.intp] = np.zeros(capacity, np.intp)
        self._path_step_s: NDArray[np.float64] = np.full(capacity, PATH_STEP_S)
        self._path_last: NDArray[np.float64] = np.zeros((3, capacity))
        self._sorted_ids: NDArray[np.int64] = np.zeros(0, np.int64)
        self._sorted_slots: Slots = _NOBODY

    @property
    def capacity(self) -> int:
        """Number of slots S, free ones included; grows when needed."""
        return len(self.id)

    def class_name(self, slot: int) -> str:
        """Return the name of an object's class."""
        return self.vocabulary.names[int(self.class_number[slot])]

    def box(self, slot: int) -> tuple[float, float, float, float]:
        """Return an object's last box x1, y1, x2, y2 in pixels."""
        x1, y1, x2, y2 = self.xyxy[slot].tolist()
        return x1, y1, x2, y2

    def gone(self, time_s: float) -> Slots:
        """Return the slots of objects that have not been seen for longer than `lost_after_s`."""
        lost = time_s - self.last_s > self.lost_after_s + 1e-6
        return np.flatnonzero(lost) if lost.any() else _NOBODY

    def release(self, slots: Slots) -> None:
        """Forget these objects."""
        self.id[slots] = 0
        self.last_s[slots] = np.inf
        self.seen[slots] = False
        self._sort()

    def observe(self, detections: Detections, time_s: float, width: int, height: int) -> Slots:
        """Take the tracks of one frame and return the slots of those that were not here before.

        Detections without a confirmed track, or whose box is not finite, change nothing.

        Args:
            detections: N objects of a frame, boxes in pixels.
            time_s: The frame's time.
            width: Columns of the frame.
            height: Its rows.
        """
        self.seen[:] = False
        if detections.track_id is None or not len(detections):
            return _NOBODY
        xyxy = detections.xyxy
        usable = detections.track_id > 0
        usable &= np.isfinite(xyxy).all(axis=1)
        (rows,) = usable.nonzero()
        if not len(rows):
            return _NOBODY
        if len(rows) < len(xyxy):
            xyxy = xyxy[rows]
        ids = detections.track_id[rows]
        slots, new = self._slots(ids, time_s)
        confidence = detections.confidence[rows]
        numbers = self.vocabulary.numbers(detections.labels)[detections.class_id[rows]]

        self.seen[slots] = True
        self.last_s[slots] = time_s
        self.xyxy[slots] = xyxy
        self.confidence[slots] = confidence
        self.score[slots] = confidence * (xyxy[:, 2] - xyxy[:, 0]) * (xyxy[:, 3] - xyxy[:, 1])
        left, top, right, bottom = (xyxy * np.array((1 / width, 1 / height, 1 / width, 1 / height))).T
        places = np.empty((1 + len(ANCHORS), len(rows)))
        np.multiply(left + right, 0.5, out=places[0])
        places[1], places[3] = bottom, top
        np.multiply(top + bottom, 0.5, out=places[2])
        # Boxes may reach over the edge; their feet then stand on it, inside a zone that ends there.
        places.clip(0.0, 1.0, out=places)
        x, y = places[0], places[1:]
        self.x[slots] = x
        self.y[:, slots] = y
        self._vote(slots, numbers, confidence)
        self._trace(slots, time_s, x, y)
        return new

    def path(self, slot: int, since_s: float, anchor: Anchor = "bottom") -> Path:
        """Return where an object's anchor went since a moment: time (s), x, y relative; thinned.

        The last point is where the object was last seen.
        """
        row = 2 + ANCHORS.index(anchor)
        points = self._path[slot, : self._path_len[slot]]
        points = points[points[:, 0] >= since_s - 1e-9][:, (0, 1, row)].tolist()
        last = [float(self.last_s[slot]), float(self.x[slot]), float(self.y[row - 2, slot])]
        if not points or points[-1][0] < last[0]:
            points.append(last)
        return tuple((t, x, y) for t, x, y in points)

    def _slots(self, ids: NDArray[np.int64], time_s: float) -> tuple[Slots, Slots]:
        """Return the slot of each id, and those given out just now."""
        known = self._sorted_ids
        at = np.minimum(np.searchsorted(known, ids), max(len(known) - 1, 0))
        found = known[at] == ids if len(known) else np.zeros(len(ids), np.bool_)
        if found.all():
            return self._sorted_slots[at], _NOBODY
        fresh = np.unique(ids[~found])
        free = (self.id == 0).nonzero()[0]
        while len(free) < len(fresh):
            self._grow()
            free = (self.id == 0).nonzero()[0]
        new = free[: len(fresh)]
        self.id[new] = fresh
        self.first_s[new] = time_s
        self._votes[new] = 0.0
        self._path_len[new] = 0
        self._path_step_s[new] = PATH_STEP_S
        self._sort()
        return self._sorted_slots[np.searchsorted(self._sorted_ids, ids)], new

    def _sort(self) -> None:
        taken = self.id.nonzero()[0]
        order = np.argsort(self.id[taken])
        self._sorted_slots = taken[order]
        self._sorted_ids = self.id[self._sorted_slots]

    def _vote(self, slots: Slots, numbers: NDArray[np.intp], confidence: NDArray[np.float32]) -> None:
        """Let a class that flickers for a frame or two change nothing."""
        if self._votes.shape[1] < len(self.vocabulary.names):
            self._votes = widened(self._votes, len(self.vocabulary.names), 0.0)
        self._votes[slots, numbers] += confidence
        self.class_number[slots] = self._votes[slots].argmax(axis=1)

    def _trace(self, slots: Slots, time_s: float, x: NDArray[np.float64], y: NDArray[np.float64]) -> None:
        """Add a point to the paths whose last one lies long enough ago."""
        length = self._path_len[slots]
        since_s, x0, y0 = self._path_last[:, slots]
        step_s = self._path_step_s[slots]
        elapsed_s = time_s - since_s + 1e-6
        due = (elapsed_s >= step_s) & (np.abs(x - x0) + np.abs(y[0] - y0) >= _MOVED)
        due |= elapsed_s >= step_s * 10
        due |= length == 0
        if not due.any():
            return
        who, place = slots[due], length[due]
        points = np.stack((np.full(len(who), time_s), x[due], *y[:, due]))
        self._path[who, place] = points.T
        self._path_len[who] = place + 1
        self._path_last[:, who] = points[:3]
        for slot in who[place + 1 == PATH_POINTS].tolist():
            half = self._path[slot, ::2].copy()
            self._path[slot, : len(half)] = half
            self._path_len[slot] = len(half)
            self._path_step_s[slot] *= 2

    def _grow(self) -> None:
        old, new = self.capacity, self.capacity * 2
        self.id = widened(self.id, new, 0)
        self.seen = widened(self.seen, new, False)
        self.first_s = widened(self.first_s, new, 0.0)
        self.last_s = widened(self.last_s, new, np.inf)
        self.x = widened(self.x, new, 0.0)
        self.y = widened(self.y, new, 0.0)
        self.confidence = widened(self.confidence, new, 0.0)
        self.score = widened(self.score, new, 0.0)
        self.class_number = widened(self.class_number, new, 0)
        self._path_len = widened(self._path_len, new, 0)
        self._path_step_s = widened(self._path_step_s, new, PATH_STEP_S)
        self._path_last = widened(self._path_last, new, 0.0)
        for name in ("xyxy", "_votes", "_path"):
            array = getattr(self, name)
            setattr(
                self, name, np.concatenate((array, np.zeros_like(array, shape=(new - old, *array.shape[1:]))))
            )
