"""How good a detector is: average precision against ground truth, with regions that count for nothing.

Pure functions over boxes. Where the boxes come from is not known here.

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge: A Retrospective", IJCV 2015 (matching,
and the area under the precision-recall curve over all points); Lin et al., "Microsoft COCO", arXiv:1405.0312
(an ignored object takes the detections that find it out of the count).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections, expect_shape
from argus.core.geometry import box_area, iou_matrix


@dataclass(frozen=True, slots=True, eq=False)
class GroundTruth:
    """What one picture really shows: N objects, N may be 0."""

    xyxy: NDArray[np.float32]
    """(N, 4) corners x1, y1, x2, y2 in pixels."""
    class_id: NDArray[np.int32]
    """(N,) classes, numbered as those of the detections."""
    ignore: NDArray[np.bool_]
    """(N,) True where finding the object is no merit and missing it no fault."""

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        expect_shape("xyxy", self.xyxy, (n, 4))
        expect_shape("class_id", self.class_id, (n,))
        expect_shape("ignore", self.ignore, (n,))


@dataclass(frozen=True, slots=True)
class ClassScore:
    """How well one class was found."""

    label: str
    average_precision: float
    """Area under the precision-recall curve, 0..1; NaN where the truth has no object of the class."""
    objects: int
    """Objects of the truth that count."""
    found: int
    """Of those, how many some detection matched, at whatever confidence."""
    false: int
    """Detections that matched nothing and were not ignored."""


@dataclass(frozen=True, slots=True)
class Evaluation:
    """How well all classes were found."""

    iou: float
    """The least overlap at which a detection counts as found."""
    classes: tuple[ClassScore, ...]

    @property
    def mean(self) -> float:
        """Mean average precision over the classes that the truth has; NaN where it has none."""
        known = [score.average_precision for score in self.classes if score.objects]
        return sum(known) / len(known) if known else float("nan")


def evaluate(
    detections: Sequence[Detections], truths: Sequence[GroundTruth], labels: Sequence[str], iou: float = 0.5
) -> Evaluation:
    """Compare what was detected with what was there.

    Args:
        detections: One per picture, at a confidence threshold as low as can be had.
        truths: One per picture, in the same order.
        labels: All classes, by class id.
        iou: The least overlap at which a detection counts as found.

    Raises:
        ValueError: the two sequences differ in length.
    """
    if len(detections) != len(truths):
        raise ValueError(
            f"evaluate: {len(detections)} pictures detected, {len(truths)} with truth; give one for one"
        )
    scores = []
    for class_id, label in enumerate(labels):
        confidences: list[NDArray[np.float32]] = []
        hits: list[NDArray[np.bool_]] = []
        objects = 0
        for found, truth in zip(detections, truths, strict=True):
            seen, there = found.class_id == class_id, truth.class_id == class_id
            confidence = found.confidence[seen]
            hit, counted = match(found.xyxy[seen], confidence, truth.xyxy[there], truth.ignore[there], iou)
            confidences.append(confidence[counted])
            hits.append(hit[counted])
            objects += int(np.count_nonzero(~truth.ignore[there]))
        confidence_all = np.concatenate(confidences) if confidences else np.zeros(0, np.float32)
        hit_all = np.concatenate(hits) if hits else np.zeros(0, np.bool_)
        scores.append(
            ClassScore(
                label=label,
                average_precision=average_precision(confidence_all, hit_all, objects),
                objects=objects,
                found=int(np.count_nonzero(hit_all)),
                false=int(np.count_nonzero(~hit_all)),
            )
        )
    return Evaluation(iou, tuple(scores))


def match(
    boxes: NDArray[np.float32],
    confidence: NDArray[np.float32],
    truth: NDArray[np.float32],
    ignore: NDArray[np.bool_],
    iou: float,
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which detections of one class in one picture found an object.

    The surest detection chooses first; each takes the object it overlaps most among those still
    free, and each object is found once. A detection that finds only an ignored object, or lies
    at least half inside one, is not counted at all.

    Args:
        boxes: (N, 4) detected corners.
        confidence: (N,) scores.
        truth: (M, 4) corners of the objects.
        ignore: (M,) True for objects that do not count.
        iou: The least overlap of a match.

    Returns:
        Two (N,) masks in the order of `boxes`: found an object; is counted.
    """
    hit, counted = np.zeros(len(boxes), np.bool_), np.ones(len(boxes), np.bool_)
    overlap = iou_matrix(boxes, truth)
    free = ~ignore
    beside = _share_inside(boxes, truth[ignore]) >= 0.5
    for row in np.argsort(-confidence, kind="stable").tolist():
        candidates = np.where(free, overlap[row], 0.0)
        best = int(np.argmax(candidates)) if len(candidates) else -1
        if best >= 0 and candidates[best] >= iou:
            hit[row], free[best] = True, False
        elif bool((overlap[row, ignore] >= iou).any()) or bool(beside[row].any()):
            counted[row] = False
    return hit, counted


def average_precision(confidence: NDArray[np.float32], hit: NDArray[np.bool_], objects: int) -> float:
    """Return the area under the precision-recall curve, precision made monotonic, over all points.

    Args:
        confidence: (N,) scores of the counted detections of one class, in any order.
        hit: (N,) True where the detection found an object.
        objects: How many objects there were to find.

    Returns:
        A value in [0, 1]; NaN where there was nothing to find.
    """
    if objects == 0:
        return float("nan")
    ranked = hit[np.argsort(-confidence, kind="stable")]
    true = np.cumsum(ranked, dtype=np.float64)
    precision = true / np.arange(1, len(ranked) + 1)
    envelope: NDArray[Any] = np.maximum.accumulate(precision[::-1])[::-1]
    recall = np.concatenate(([0.0], true / objects))
    return float(np.sum(np.diff(recall) * envelope))


def _share_inside(boxes: NDArray[np.float32], regions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, M) shares of each box's own area that lie inside each region."""
    wide = np.minimum(boxes[:, None, 2], regions[:, 2]) - np.maximum(boxes[:, None, 0], regions[:, 0])
    high = np.minimum(boxes[:, None, 3], regions[:, 3]) - np.maximum(boxes[:, None, 1], regions[:, 1])
    shared = np.maximum(wide, 0) * np.maximum(high, 0)
    result: NDArray[np.float32] = shared / np.maximum(box_area(boxes), np.float32(1e-9))[:, None]
    return result
