"""Which objects two models both saw in one frame. Pure functions over boxes and names.

Neither model is the truth: nothing here is precision or recall, and to swap the two changes no figure.
Detections against ground truth are `argus.vision.evaluation`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.geometry import iou_matrix
from argus.vision.tracking import load_solver

Pairs = NDArray[np.intp]
"""(2, K) indices of objects: the live model's above, the candidate's below."""


@dataclass(frozen=True, slots=True, eq=False)
class Comparison:
    """What two models saw in the same frame."""

    live: Detections
    candidate: Detections
    matched: Pairs
    """Objects that both saw: the same class name, the same place."""
    overlap: NDArray[np.float32]
    """(K,) intersection over union of the matched pairs."""
    only_live: NDArray[np.intp]
    """Objects of the live model that the candidate did not see, or named otherwise."""
    only_candidate: NDArray[np.intp]
    """The other way round."""
    confused: Pairs
    """Those of both lists that lie at one place: one object, two names."""

    @property
    def agreement(self) -> float:
        """Share of what was seen that both saw (F1), 0..1; 1 where neither saw anything.

        Source: the coefficient of Dice, "Measures of the Amount of Ecologic Association", Ecology 1945.
        """
        return agreement_of(self.matched.shape[1], len(self.only_live), len(self.only_candidate))

    @property
    def weight(self) -> float:
        """How much the two disagree: how sure they were, summed, of what the other did not see.

        A frame in which two sure boxes are missing is worse than one with five that were hardly there, and
        than one in which the only box wavers about the threshold, though that one's agreement is 0.
        """
        live = self.live.confidence[self.only_live].sum()
        return float(live + self.candidate.confidence[self.only_candidate].sum())


def agreement_of(matched: int, only_live: int, only_candidate: int) -> float:
    """Return the F1 of so many objects, 0..1; 1 where there are none."""
    seen = 2 * matched + only_live + only_candidate
    return 2 * matched / seen if seen else 1.0


def compare(live: Detections, candidate: Detections, iou: float) -> Comparison:
    """Match what two models saw in one frame.

    As many objects as can be are matched, and of all ways to do so the one of greatest overlap is taken: an
    assignment, because taking the surest box first would depend on whose sureness is asked.

    Args:
        live: What the one saw.
        candidate: What the other saw; labels are compared by name, so the numbers may differ.
        iou: The least overlap (intersection over union) of a match.
    """
    overlap = iou_matrix(live.xyxy, candidate.xyxy)
    names, other = np.array(live.class_name, np.object_), np.array(candidate.class_name, np.object_)
    same = (names[:, None] == other[None, :]).astype(np.bool_)
    near = overlap >= iou
    matched = _assign(overlap, near & same)
    only_live = np.setdiff1d(np.arange(len(live)), matched[0])
    only_candidate = np.setdiff1d(np.arange(len(candidate)), matched[1])
    left = np.zeros_like(near)
    left[np.ix_(only_live, only_candidate)] = True
    return Comparison(
        live,
        candidate,
        matched,
        overlap[matched[0], matched[1]],
        only_live,
        only_candidate,
        _assign(overlap, near & left),
    )


def _assign(overlap: NDArray[np.float32], allowed: NDArray[np.bool_]) -> Pairs:
    """Return the most pairs that are allowed, and of those the ones that overlap most together."""
    if not allowed.any():
        return np.zeros((2, 0), np.intp)
    # A pair is worth more than what all overlaps together can be, so one more pair always wins.
    worth = np.where(allowed, overlap + np.float64(min(overlap.shape) + 1), 0.0)
    pairs = np.stack(load_solver()(worth, maximize=True))
    result: Pairs = pairs[:, allowed[pairs[0], pairs[1]]]
    return result
