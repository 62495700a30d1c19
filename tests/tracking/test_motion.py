"""The filter for all tracks at once is the ordinary Kalman filter of each."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from argus.vision.tracking.motion import (
    LEAST_STEPS,
    MEASUREMENT_NOISE,
    MEASUREMENT_VARIANCE,
    POSITION_NOISE,
    START,
    VELOCITY_NOISE,
    Transition,
    correct,
)

Array = NDArray[np.float64]


class PlainFilter:
    """The constant-velocity Kalman filter of one box as 8 × 8 matrices, for an object of a given size."""

    def __init__(self, box: Array, size: float) -> None:
        self.state = np.concatenate((box, np.zeros(4)))
        self.covariance = np.diag([START[0] * size**2] * 4 + [START[2] * size**2] * 4)
        self.size = size

    def predict(self, steps: float) -> None:
        move = np.eye(8)
        move[:4, 4:] = np.eye(4) * steps
        noise = np.diag([(POSITION_NOISE * self.size) ** 2] * 4 + [(VELOCITY_NOISE * self.size) ** 2] * 4)
        self.state = move @ self.state
        self.covariance = move @ self.covariance @ move.T + noise * max(steps, LEAST_STEPS)

    def correct(self, box: Array) -> None:
        look = np.eye(4, 8)
        noise = np.eye(4) * (MEASUREMENT_NOISE * self.size) ** 2
        gain = self.covariance @ look.T @ np.linalg.inv(look @ self.covariance @ look.T + noise)
        self.state = self.state + gain @ (box - look @ self.state)
        self.covariance = (np.eye(8) - gain @ look) @ self.covariance


@given(st.integers(0, 2**32), st.integers(1, 6), st.floats(5, 500))
def test_all_at_once_gives_what_each_would_give_alone(seed: int, n: int, size: float) -> None:
    random = np.random.default_rng(seed)
    position, velocity = random.uniform(0, 1000, (4, n)), np.zeros((4, n))
    variances = np.tile(np.array(START)[:, None], n)
    plain = [PlainFilter(position[:, i], size) for i in range(n)]
    transition = Transition()
    for _ in range(12):
        steps = float(random.choice([0.0, 0.5, 1.0, 1.0, 3.0]))
        position = position + velocity * steps
        transition.apply(variances, steps)
        seen = random.random(n) < 0.7
        measured = position + random.normal(0, size / 10, (4, n))
        gains = correct(variances, np.where(seen, MEASUREMENT_VARIANCE, math.inf))
        surprise = measured - position
        position, velocity = position + gains[0] * surprise, velocity + gains[1] * surprise
        for i, alone in enumerate(plain):
            alone.predict(steps)
            if seen[i]:
                alone.correct(measured[:, i])
            assert np.allclose(alone.state[:4], position[:, i], rtol=1e-9, atol=1e-6)
            assert np.allclose(alone.state[4:], velocity[:, i], rtol=1e-9, atol=1e-6)
            assert np.isclose(alone.covariance[0, 0], variances[0, i] * size**2, rtol=1e-9)


def test_what_was_not_measured_gains_nothing() -> None:
    variances = np.array(START)[:, None] * np.ones((3, 2))
    gains = correct(variances, np.array([math.inf, MEASUREMENT_VARIANCE]))
    assert gains[:, 0].tolist() == [0.0, 0.0]
    assert variances[:, 0].tolist() == list(START)
    assert gains[0, 1] > 0.0


def test_frames_of_one_and_the_same_time_do_not_freeze_a_track() -> None:
    variances, transition = np.array(START)[:, None], Transition()
    for _ in range(1000):
        transition.apply(variances, 0.0)
        gains = correct(variances, np.array([MEASUREMENT_VARIANCE]))
    assert gains[0, 0] > 0.05
