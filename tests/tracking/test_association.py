"""The matching is the best there is, however it was found."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from argus.vision.tracking.association import match

Matrix = NDArray[np.float64]


@st.composite
def matrices(draw: st.DrawFn) -> Matrix:
    """Return weights of all pairs, many of them 0; coarse values give ties, fine ones do not."""
    rows, columns = draw(st.integers(1, 12)), draw(st.integers(1, 12))
    seed, density, steps = (
        draw(st.integers(0, 2**32)),
        draw(st.floats(0.05, 1.0)),
        draw(st.sampled_from([4, 10**6])),
    )
    random = np.random.default_rng(seed)
    weights = random.integers(1, steps + 1, (rows, columns)) / steps
    weights[random.random((rows, columns)) > density] = 0.0
    return np.asarray(weights, np.float64)


def candidates(weights: Matrix) -> tuple[NDArray[np.intp], Matrix, int]:
    rows, columns = weights.nonzero()
    return np.stack((rows, columns + len(weights))), weights[rows, columns], sum(weights.shape)


@given(matrices())
def test_the_total_weight_is_the_greatest_possible(weights: Matrix) -> None:
    rows, columns = match(*candidates(weights))
    best = weights[linear_sum_assignment(weights, maximize=True)].sum()
    assert weights[rows, columns - len(weights)].sum() == pytest.approx(best, abs=1e-9)


@given(matrices())
def test_nothing_is_matched_twice_and_nothing_that_is_no_candidate(weights: Matrix) -> None:
    rows, columns = match(*candidates(weights))
    assert len(set(rows.tolist())) == len(set(columns.tolist())) == len(rows)
    assert (weights[rows, columns - len(weights)] > 0).all()


@pytest.mark.parametrize("density", [0.02, 0.1, 1.0])
def test_a_crowd_is_matched_as_well_as_a_few(density: float) -> None:
    random = np.random.default_rng(3)
    weights = random.random((120, 140))
    weights[random.random(weights.shape) > density] = 0.0
    rows, columns = match(*candidates(weights))
    best = weights[linear_sum_assignment(weights, maximize=True)].sum()
    assert weights[rows, columns - len(weights)].sum() == pytest.approx(best, abs=1e-9)


def test_a_pair_worth_nothing_is_no_candidate() -> None:
    pairs = np.array([[0, 1], [2, 3]])
    assert match(pairs, np.array([0.0, 0.5]), 4).tolist() == [[1], [3]]


def test_no_candidates_make_no_pairs() -> None:
    assert match(np.zeros((2, 0), np.intp), np.zeros(0), 4).shape == (2, 0)
