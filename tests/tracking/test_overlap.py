"""Candidate pairs agree with the plain matrix of overlaps."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from argus.core.geometry import iou_matrix
from argus.vision.tracking.overlap import ROWS, SIGNS, overlapping

LEAST = 0.1


def stacked(*sets: NDArray[np.float64]) -> NDArray[np.float64]:
    boxes = np.concatenate(sets)
    return np.concatenate((np.full((ROWS - 4, len(boxes)), np.nan), boxes.T * SIGNS))


@given(st.integers(0, 2**32), st.integers(1, 30), st.integers(1, 30), st.sampled_from([5.0, 60.0, 4000.0]))
def test_the_pairs_are_those_of_the_plain_matrix(seed: int, n: int, m: int, spread: float) -> None:
    random = np.random.default_rng(seed)
    corner = random.uniform(-spread, spread, (n + m, 2))
    boxes = np.concatenate((corner, corner + random.uniform(1, 80, (n + m, 2))), axis=1)
    pairs, iou = overlapping(stacked(boxes), n, LEAST)
    found = np.zeros((n, m))
    found[pairs[0], pairs[1] - n] = iou
    plain = iou_matrix(boxes[:n].astype(np.float32), boxes[n:].astype(np.float32))
    near_the_limit = np.abs(plain - LEAST) < 1e-4
    assert np.allclose(
        np.where(near_the_limit, 0, found), np.where((plain > LEAST) & ~near_the_limit, plain, 0), atol=1e-3
    )


@pytest.mark.parametrize(
    "box",
    [(50, 50, 50, 90), (50, 50, 50, 50), (90, 10, 20, 80), (90, 90, 20, 20), (10, 90, 80, 20)],
    ids=["no width", "a point", "left and right swapped", "both swapped", "top and bottom swapped"],
)
def test_a_box_without_area_or_inside_out_overlaps_nothing(box: tuple[float, ...]) -> None:
    odd, whole = np.array([box], np.float64), np.array([[0, 0, 100, 100]], np.float64)
    assert overlapping(stacked(odd, whole), 1, 0.0)[0].shape == (2, 0)
    assert overlapping(stacked(whole, odd), 1, 0.0)[0].shape == (2, 0)


def test_boxes_of_two_groups_make_no_pair() -> None:
    box = np.array([[0, 0, 10, 10]], np.float64)
    pairs, _ = overlapping(stacked(box, box, box), 1, LEAST, np.array([7, 7, 8]))
    assert pairs.tolist() == [[0], [1]]
