"""The tracks of one tracker as columns of two arrays: confirmed ones first, each kind in order of birth.

Storage alone: who is born, matched, confirmed or given up is decided in `bytetrack`. Behind the tracks there
is room for the detections of a frame, so that both can be worked on as one array.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from argus.vision.tracking.motion import START, STEPS_PER_S
from argus.vision.tracking.overlap import SIGNS, Index
from argus.vision.tracking.protocol import Tracks, TrackState

CORNERS, CONFIDENCE, VELOCITY, VARIANCES = slice(2, 6), 6, slice(7, 11), slice(11, 14)
"""Rows of `real`: x1, y1, -x2, -y2 in pixels; score of the latest detection; change of the corners per step;
the variances of `motion`. Two rows before the corners are scratch of `overlap`."""
MEASURED = slice(2, 7)
"""Rows of `real` that a detection has too: corners and score."""
FIRST_S, LAST_S = 14, 15
"""Rows of `real`: times of the first and the latest detection."""
ID, HITS, CLASS = 0, 1, 2
"""Rows of `whole`: id (0 until confirmed), number of detections, class of the latest."""

_NEW = np.zeros((16, 1))
_NEW[VARIANCES, 0] = START
_NEW_WHOLE = np.array([[0], [1], [0]])


class TrackTable:
    """Columns 0 to `count` - 1 are tracks, of which the first `confirmed` are confirmed."""

    def __init__(self) -> None:
        self.count = 0
        self.confirmed = 0
        self.real: NDArray[np.float64] = np.zeros((len(_NEW), 64))
        self.whole: NDArray[np.int64] = np.zeros((len(_NEW_WHOLE), 64), np.int64)

    def reserve(self, columns: int) -> None:
        """Make room for so many columns."""
        had = self.real.shape[1]
        if columns > had:
            more = max(columns, 2 * had) - had
            self.real = np.concatenate((self.real, np.zeros((len(self.real), more))), axis=1)
            self.whole = np.concatenate((self.whole, np.zeros((len(self.whole), more), np.int64)), axis=1)

    def begin(self, columns: Index, now_s: float) -> None:
        """Append tracks that begin with the detections in these columns, behind the tracks."""
        first, last = self.count, self.count + len(columns)
        measured, classes = self.real[MEASURED].take(columns, axis=1), self.whole[CLASS].take(columns)
        real, whole = self.real[:, first:last], self.whole[:, first:last]
        real[:] = _NEW
        real[MEASURED] = measured
        real[FIRST_S:] = now_s
        whole[:] = _NEW_WHOLE
        whole[CLASS] = classes
        self.count = last

    def keep(self, index: Index) -> None:
        """Keep the tracks at `index`, ascending; the caller sets `confirmed`."""
        self.count = len(index)
        self.real[:, : self.count] = self.real.take(index, axis=1)
        self.whole[:, : self.count] = self.whole.take(index, axis=1)

    def clear(self) -> None:
        """Forget all tracks."""
        self.count = self.confirmed = 0

    def view(self, now_s: float) -> Tracks:
        """Return the confirmed tracks as they stand at `now_s`."""
        n = self.confirmed
        real, whole = self.real[:, :n], self.whole[:, :n]
        corners = real[CORNERS] * SIGNS
        change = real[VELOCITY] * SIGNS
        # A lost object that came closer or went away may be predicted to a size below nothing.
        low, high = np.minimum(corners[:2], corners[2:]), np.maximum(corners[:2], corners[2:])
        return Tracks(
            id=whole[ID].copy(),
            class_id=whole[CLASS].astype(np.int32),
            xyxy=np.concatenate((low, high)).T.astype(np.float32),
            velocity=((change[:2] + change[2:]) * (0.5 * STEPS_PER_S)).T.astype(np.float32),
            confidence=real[CONFIDENCE].astype(np.float32),
            first_seen_s=real[FIRST_S].copy(),
            last_seen_s=real[LAST_S].copy(),
            hits=whole[HITS].copy(),
            state=np.where(real[LAST_S] < now_s, TrackState.LOST, TrackState.TRACKED).astype(np.int8),
        )
