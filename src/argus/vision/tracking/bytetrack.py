"""Our tracker: motion and overlap, sure detections first, weak ones to carry tracks through occlusions.

All tracks are predicted, matched and corrected together, without a loop over objects. The parts are in
`motion` (the filter), `overlap` (candidate pairs), `association` (the matching), `appearance` and
`camera_motion` (the options); this module is their order and the life of a track.

Source: Zhang et al., "ByteTrack: Multi-Object Tracking by Associating Every Detection Box", ECCV 2022.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.resources.track import TrackSpec
from argus.vision.tracking.appearance import Looks
from argus.vision.tracking.association import match
from argus.vision.tracking.camera_motion import CameraMotion, warp
from argus.vision.tracking.motion import MEASUREMENT_VARIANCE, STEPS_PER_S, Transition, correct
from argus.vision.tracking.overlap import ROWS, SIGNS, Index, overlapping
from argus.vision.tracking.protocol import Tracks
from argus.vision.tracking.table import (
    CLASS,
    CONFIDENCE,
    CORNERS,
    HITS,
    ID,
    LAST_S,
    MEASURED,
    VARIANCES,
    VELOCITY,
    TrackTable,
)

_NONE: Index = np.zeros((2, 0), np.intp)
_FIRST = 2.0
"""Added to the worth of pairs that go first, to tell them from others, which are worth less than 1."""
_LATER = 1e-6
"""What the others are scaled by, so that all of them together change nothing about the first."""
_NEVER = -10.0


class ByteTracker:
    """Gives the objects of one stream their ids; see `Tracker` for what may be relied on.

    A track begins with an unmatched sure detection and counts (has an id) once it was seen
    `confirm_hits` frames in a row; what is there in the very first frame counts at once. A track
    that is not matched is lost, moves on as predicted, and is given up after `lost_after`.
    """

    def __init__(self, spec: TrackSpec | None = None) -> None:
        self.spec = spec = TrackSpec() if spec is None else spec
        self._born_at = max(spec.new_confidence, spec.high_confidence)
        self._least_iou = min(spec.match_iou, spec.weak_match_iou, spec.new_match_iou)
        # A pair is worth its overlap above what its kind asks for. The kinds are made of a bonus of the
        # detection and one of the track: both good goes first, one of them second, none is no pair.
        self._sure = _FIRST - spec.match_iou
        self._weak = -spec.weak_match_iou
        self._unconfirmed = -spec.new_match_iou - self._sure
        self._next_id = 1
        self._table = TrackTable()
        self._transition = Transition()
        self._looks = Looks(spec.appearance_similarity) if spec.appearance or spec.appearance_model else None
        self._camera = CameraMotion() if spec.camera_motion else None
        self._now_s: float | None = None
        self._first_frame = True

    @property
    def tracks(self) -> Tracks:
        """The confirmed tracks that are alive, lost ones included."""
        return self._table.view(self._now_s or 0.0)

    def reset(self) -> None:
        """Forget all tracks, as for a new scene; ids go on."""
        self._forget()
        self._now_s = None
        if self._camera is not None:
            self._camera.reset()

    def update(self, detections: Detections, time_s: float, frame: Frame | None = None) -> Detections:
        """Return the detections with the ids of their tracks; see `Tracker.update`."""
        table, n = self._table, len(detections)
        moved = None if self._camera is None or frame is None else self._camera.since_last(frame, detections)
        now_s, steps = self._advance(time_s)
        count = table.count
        real = table.real[:, :count]
        if moved is not None:
            warp(real[CORNERS], real[VELOCITY], moved)
        if count:
            corners = real[CORNERS]
            np.add(corners, real[VELOCITY] * steps, out=corners)
            self._transition.apply(real[VARIANCES], steps)

        table.reserve(count + n)
        behind = slice(count, count + n)
        np.multiply(detections.xyxy.T, SIGNS, out=table.real[CORNERS, behind])
        table.real[CONFIDENCE, behind] = detections.confidence
        table.whole[CLASS, behind] = detections.class_id
        matched = self._associate(detections) if count and n else _NONE
        seen = self._correct(matched, now_s)
        track_id = self._live(matched, seen, detections, now_s)
        return Detections(
            detections.xyxy,
            detections.confidence,
            detections.class_id,
            detections.labels,
            track_id,
            detections.masks,
            detections.embedding,
        )

    def _advance(self, time_s: float) -> tuple[float, float]:
        """Set the clock; return it, and how many steps of the filter have passed."""
        if not math.isfinite(time_s):
            raise ValueError(f"time_s: {time_s}, expected the seconds of a stream's clock; see Frame.time_s")
        before_s = self._now_s
        self._first_frame = before_s is None
        elapsed_s = 0.0 if before_s is None else time_s - before_s
        if abs(elapsed_s) > self.spec.lost_after:
            self._forget()
            before_s = None
        # Small steps back happen where cameras set their clocks; the tracks wait for the time to go on.
        self._now_s = time_s if before_s is None else max(before_s, time_s)
        return self._now_s, max(elapsed_s, 0.0) * STEPS_PER_S

    def _forget(self) -> None:
        self._table.clear()
        if self._looks is not None:
            self._looks.clear()

    def _associate(self, detections: Detections) -> Index:
        """Return which tracks go on with which detections, as columns of the table (2, M).

        First confirmed tracks and sure detections; then, among what is left, confirmed tracks and
        weak detections, and tracks not yet confirmed and sure ones.
        """
        spec, table, looks = self.spec, self._table, self._looks
        count = table.count
        total = count + len(detections)
        classes = None if spec.class_agnostic else table.whole[CLASS, :total]
        pairs, iou = overlapping(table.real[:ROWS, :total], count, self._least_iou, classes)

        confidence = table.real[CONFIDENCE, :total]
        bonus = (confidence >= spec.high_confidence) * (self._sure - self._weak)
        bonus += self._weak
        hopeless = confidence < spec.low_confidence
        if np.count_nonzero(hopeless):
            bonus[hopeless] = _NEVER
        bonus[: table.confirmed] = 0.0
        bonus[table.confirmed : count] = self._unconfirmed
        bonuses = bonus.take(pairs)
        weights = bonuses[0]
        weights += bonuses[1]
        weights += iou
        if spec.match_iou > self._least_iou:
            weights[(weights > 1.0) & (iou <= spec.match_iou)] = 0.0
        first = weights > 1.0
        worth = np.maximum(weights, 0.0)
        worth *= _LATER
        np.subtract(weights, _FIRST - 10.0 * _LATER, out=worth, where=first)
        if looks is None or detections.embedding is None:
            return match(pairs, worth, total)
        looks.weigh(pairs, worth, first, count, detections.embedding)
        found = match(pairs, worth, total)
        again = looks.find_again(table, detections, spec.high_confidence, found, self._now_s or 0.0)
        return np.concatenate((found, again), axis=1)

    def _correct(self, matched: Index, now_s: float) -> NDArray[np.bool_]:
        """Move the matched tracks to what was measured; return which they are. All others gain nothing."""
        table = self._table
        count = table.count
        real = table.real[:, :count]
        measured = np.empty(count)
        measured.fill(math.inf)
        measured[matched[0]] = MEASUREMENT_VARIANCE
        source = np.arange(count)
        source[matched[0]] = matched[1]
        seen: NDArray[np.bool_] = source >= count
        # An unmatched track measures itself, so that it keeps its score and its surprise is nothing.
        latest = table.real[MEASURED].take(source, axis=1)
        real[CONFIDENCE] = latest[4]
        surprise, corners, velocity = latest[:4], real[CORNERS], real[VELOCITY]
        surprise -= corners
        gains = correct(real[VARIANCES], measured)
        np.add(corners, gains[0] * surprise, out=corners)
        surprise *= gains[1]
        np.add(velocity, surprise, out=velocity)
        np.copyto(real[LAST_S], now_s, where=seen)
        hits = table.whole[HITS, :count]
        np.add(hits, seen, out=hits)
        if self.spec.class_agnostic:
            table.whole[CLASS, :count] = table.whole[CLASS].take(source)
        return seen

    def _live(
        self, matched: Index, seen: NDArray[np.bool_], detections: Detections, now_s: float
    ) -> NDArray[np.int64]:
        """Confirm, give up and begin tracks; return the id of each detection."""
        table, n = self._table, len(detections)
        count, confirmed, looks = table.count, table.confirmed, self._looks
        if count > confirmed:
            ready = table.whole[HITS, confirmed:count] >= self.spec.confirm_hits
            ready &= seen[confirmed:]
            self._confirm(ready.nonzero()[0] + confirmed)
        rows, columns = matched[0], matched[1] - count
        track_id = np.zeros(n, np.int64)
        track_id[columns] = table.whole[ID].take(rows)
        if looks is not None:
            looks.learn(rows, columns, detections, self.spec.high_confidence)
        if len(rows) < count:
            alive = table.real[LAST_S, :count] >= now_s - self.spec.lost_after
            alive[confirmed:] = seen[confirmed:]
            left = np.count_nonzero(alive)
            if left < count:
                table.confirmed -= int(confirmed - np.count_nonzero(alive[:confirmed]))
                keep = alive.nonzero()[0]
                table.keep(keep)
                if looks is not None:
                    looks.keep(keep)
        if len(columns) < n:
            free = detections.confidence >= self._born_at
            free[columns] = False
            born = free.nonzero()[0]
            if len(born):
                self._begin(born, count, detections, track_id, now_s)
        return track_id

    def _begin(
        self, born: Index, behind: int, detections: Detections, track_id: NDArray[np.int64], now_s: float
    ) -> None:
        """Begin tracks with these detections, which stand in the table from column `behind` on."""
        table = self._table
        # Boxes without area overlap nothing, so nothing could ever match them.
        sides = table.real[2:4].take(born + behind, axis=1) + table.real[4:6].take(born + behind, axis=1)
        solid = np.maximum(sides[0], sides[1]) < 0.0
        if np.count_nonzero(solid) < len(born):
            born = born[solid]
        first = table.count
        table.begin(born + behind, now_s)
        if self._looks is not None:
            self._looks.begin(born, detections)
        if self._first_frame or self.spec.confirm_hits == 1:
            self._confirm(np.arange(first, table.count))
            track_id[born] = table.whole[ID, first : table.count]

    def _confirm(self, index: Index) -> None:
        """Give the tracks at `index` their ids."""
        if len(index):
            self._table.whole[ID, index] = np.arange(self._next_id, self._next_id + len(index))
            self._next_id += len(index)
            self._table.confirmed += len(index)
