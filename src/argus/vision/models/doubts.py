"""What a network proposed and was not let through: for whoever asks why something was not seen.

The best few of each picture, chosen from what the network's layout has computed anyway; nothing of it is in
the detections. Kept only where somebody asks (`NetworkDetector.doubts`), for it costs some microseconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.vision.models.layouts.layout import Candidates

FLOOR: Final = 0.05
"""Below this score a proposal says nothing; most of them are there."""
_COMPARED: Final = 32
_KEPT: Final = 4


@dataclass(frozen=True, slots=True, eq=False)
class DoubtfulDetections(Detections):
    """Detections, and what was left out of them."""

    doubts: Detections | None = None
    """The best of each class, the best first: below the model's confidence, or of a class that it is not to
    tell. None: there are none."""


@runtime_checkable
class Doubting(Protocol):
    """A detector that can say what it left out."""

    doubts: float | None
    """Score from which on it does; None: not at all. Holds for results that are read after it was set."""


def best_doubts(left_out: Candidates, found: Candidates) -> Candidates | None:
    """Return the best of each class among what was left out, without what is part of something found.

    Args:
        left_out: Finite, of known classes.
        found: What was let through, doubles removed.
    """
    score = left_out.confidence
    best = np.argpartition(-score, _COMPARED)[:_COMPARED] if len(score) > _COMPARED else np.arange(len(score))
    best = best[np.argsort(-score[best], kind="stable")]
    if len(found.xyxy):
        best = best[~_inside(left_out.xyxy[best], found.xyxy)]
    _, first = np.unique(left_out.class_id[best], return_index=True)
    chosen = best[np.sort(first)[:_KEPT]]
    return left_out.take(chosen) if len(chosen) else None


def _inside(xyxy: NDArray[np.float32], boxes: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Return whether the centre of each of (N, 4) boxes lies in any of (M, 4) others."""
    x = (xyxy[:, 0] + xyxy[:, 2]) / 2
    y = (xyxy[:, 1] + xyxy[:, 3]) / 2
    within = (x[:, None] > boxes[:, 0]) & (x[:, None] < boxes[:, 2])
    within &= (y[:, None] > boxes[:, 1]) & (y[:, None] < boxes[:, 3])
    return np.asarray(within.any(axis=1), np.bool_)
