from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.vision.sinks.report.ticks import clock, duration, nice_ticks, number, time_ticks

bounds = st.floats(-1e9, 1e9, allow_nan=False, allow_subnormal=False)


@given(bounds, bounds, st.integers(3, 12), st.booleans())
def test_nice_ticks_cover_the_range_evenly_and_are_few(
    low: float, high: float, most: int, whole: bool
) -> None:
    ticks = nice_ticks(low, high, most, whole=whole)
    step = ticks[1] - ticks[0]
    slack = 1e-9 * max(abs(low), abs(high), 1.0)
    assert ticks[0] <= low + slack
    assert ticks[-1] >= high - slack
    assert 2 <= len(ticks) <= most
    assert all(math.isclose(b - a, step, rel_tol=1e-6) for a, b in itertools.pairwise(ticks))
    assert not whole or all(tick == int(tick) for tick in ticks)


@pytest.mark.parametrize(
    ("low", "high", "most", "ticks"),
    [
        (0, 7, 6, [0, 2, 4, 6, 8]),
        (0, 1, 6, [0, 0.2, 0.4, 0.6, 0.8, 1]),
        (0, 0.3, 4, [0, 0.1, 0.2, 0.3]),
        (0, 9400, 6, [0, 2000, 4000, 6000, 8000, 10000]),
        (-3, 12, 6, [-5, 0, 5, 10, 15]),
    ],
)
def test_nice_ticks_are_round(low: float, high: float, most: int, ticks: list[float]) -> None:
    assert nice_ticks(low, high, most) == ticks


def test_nice_ticks_of_counts_have_no_halves() -> None:
    assert nice_ticks(0, 1, 6, whole=True) == [0, 1]


def test_nice_ticks_of_a_single_value_still_make_an_axis() -> None:
    assert len(nice_ticks(4.0, 4.0)) >= 2


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_nice_ticks_refuse_what_is_not_finite(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        nice_ticks(0, bad)


@pytest.mark.parametrize(
    ("start", "end", "ticks"),
    [
        (0, 6, [0, 1, 2, 3, 4, 5, 6]),
        (0, 130, [0, 30, 60, 90, 120]),
        (12, 47, [15, 20, 25, 30, 35, 40, 45]),
        (0, 3600, [0, 600, 1200, 1800, 2400, 3000, 3600]),
    ],
)
def test_time_ticks_step_as_a_clock_does(start: float, end: float, ticks: list[float]) -> None:
    assert time_ticks(start, end) == ticks


@given(st.floats(0, 1e7), st.floats(0, 1e7), st.integers(3, 12))
def test_time_ticks_lie_inside_and_are_few(start: float, length: float, most: int) -> None:
    ticks = time_ticks(start, start + length, most)
    assert all(start - 0.06 <= tick <= start + length + 0.06 for tick in ticks)
    assert len(ticks) <= most + 1


def test_moments_and_lengths_read_as_people_write_them() -> None:
    assert [clock(0), clock(75.26, tenths=True), clock(3725)] == ["0:00", "1:15.3", "1:02:05"]
    assert clock(59.96, tenths=True) == "1:00.0"
    assert [duration(s) for s in (0.34, 4.2, 59.97, 200, 7500)] == [
        "340 ms",
        "4.2 s",
        "1 min",
        "3 min 20 s",
        "2 h 5 min",
    ]
    assert [number(v) for v in (0, 3.0, 0.8049, 73.61, 12345.6)] == ["0", "3", "0.805", "73.6", "12,346"]
