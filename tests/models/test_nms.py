"""Which overlapping boxes remain."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from argus.core.geometry import iou_matrix
from argus.vision.models.nms import non_maximum_suppression


def plain(
    xyxy: NDArray[np.float32], confidence: NDArray[np.float32], class_id: NDArray[np.int32], iou: float
) -> list[int]:
    """Return what the definition says, box by box."""
    kept: list[int] = []
    overlap = iou_matrix(xyxy, xyxy)
    for i in np.argsort(-confidence, kind="stable").tolist():
        if all(class_id[i] != class_id[k] or overlap[i, k] <= iou for k in kept):
            kept.append(i)
    return kept


def boxes(count: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.int32]]:
    random = np.random.default_rng(seed)
    corner = random.uniform(0, 60, (count, 2))
    size = random.uniform(5, 30, (count, 2))
    xyxy = np.concatenate((corner, corner + size), axis=1).astype(np.float32)
    return xyxy, random.uniform(0, 1, count).astype(np.float32), random.integers(0, 3, count).astype(np.int32)


@settings(deadline=None, max_examples=60)
@given(count=st.integers(0, 80), seed=st.integers(0, 10_000), iou=st.sampled_from([0.2, 0.45, 0.7, 1.0]))
def test_it_keeps_what_the_definition_keeps(count: int, seed: int, iou: float) -> None:
    xyxy, confidence, class_id = boxes(count, seed)
    kept = non_maximum_suppression(xyxy, confidence, class_id, iou, limit=1000)
    assert kept.tolist() == plain(xyxy, confidence, class_id, iou)


def test_many_boxes_are_treated_as_few_are() -> None:
    xyxy, confidence, class_id = boxes(1200, seed=3)
    kept = non_maximum_suppression(xyxy, confidence, class_id, 0.5, limit=5000)
    assert kept.tolist() == plain(xyxy, confidence, class_id, 0.5)


def test_the_limit_keeps_the_best() -> None:
    xyxy = np.array([[0, 0, 1, 1], [5, 5, 6, 6], [9, 9, 10, 10]], np.float32)
    confidence = np.array([0.2, 0.9, 0.5], np.float32)
    kept = non_maximum_suppression(xyxy, confidence, np.zeros(3, np.int32), 0.5, limit=2)
    assert kept.tolist() == [1, 2]


def test_boxes_of_different_classes_leave_each_other_alone() -> None:
    xyxy = np.array([[0, 0, 9, 9], [0, 0, 9, 9]], np.float32)
    kept = non_maximum_suppression(
        xyxy, np.array([0.9, 0.8], np.float32), np.array([0, 1], np.int32), 0.1, 10
    )
    assert kept.tolist() == [0, 1]
