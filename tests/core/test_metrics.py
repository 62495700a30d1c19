"""Histograms answer as sorted lists of everything they saw would, up to the width of a bucket."""

from __future__ import annotations

import math
import threading
import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.metrics import EDGES_S, LIMITS_S, Histogram, HistogramSnapshot

durations = st.lists(st.floats(0, 90, allow_subnormal=False), max_size=200)
some = st.lists(st.floats(0, 60, allow_subnormal=False), min_size=1, max_size=200)


def histogram_of(seconds: list[float]) -> Histogram:
    histogram = Histogram()
    for value in seconds:
        histogram.observe(value)
    return histogram


def test_buckets_reach_from_a_tenth_of_a_millisecond_to_a_minute_and_none_is_wider_than_a_tenth() -> None:
    assert (EDGES_S[0], EDGES_S[-1]) == (0.0001, 60.0)
    assert all(1.0 < upper / lower <= 1.1 + 1e-9 for lower, upper in pairwise(EDGES_S))
    assert set(LIMITS_S) <= set(EDGES_S)


@given(some, st.floats(0, 1))
def test_a_quantile_is_off_by_less_than_a_bucket(seconds: list[float], q: float) -> None:
    exact = sorted(seconds)[max(1, math.ceil(q * len(seconds))) - 1]
    found = histogram_of(seconds).quantile(q)
    assert abs(found - exact) <= max(0.1 * exact, 0.0001) * (1 + 1e-9)
    assert found <= max(seconds)


@given(some)
def test_quantiles_rise_from_the_smallest_to_the_longest(seconds: list[float]) -> None:
    histogram = histogram_of(seconds)
    found = [histogram.quantile(q) for q in (0.0, 0.1, 0.5, 0.9, 0.95, 1.0)]
    assert found == sorted(found)
    assert found[-1] == max(seconds)


@given(durations, st.lists(durations, max_size=3))
def test_merged_histograms_are_one_that_saw_everything(first: list[float], others: list[list[float]]) -> None:
    merged = histogram_of(first).merged(histogram_of(other) for other in others)
    union = histogram_of([*first, *(value for other in others for value in other)]).snapshot()
    assert merged.counts == union.counts
    assert merged.max == union.max
    assert merged.sum == pytest.approx(union.sum)


@given(durations, durations)
def test_the_difference_of_two_snapshots_is_what_came_between_them(
    old: list[float], new: list[float]
) -> None:
    histogram = histogram_of(old)
    earlier = histogram.snapshot()
    for value in new:
        histogram.observe(value)
    window = histogram.snapshot().minus(earlier)
    alone = histogram_of(new).snapshot()
    assert window.counts == alone.counts
    assert window.sum == pytest.approx(alone.sum, abs=1e-9)
    if max(new, default=0.0) <= 60.0:
        assert alone.max <= window.max <= max(1.1 * alone.max, 0.0001) * (1 + 1e-9) or not new
    if new and max(new) > max(old, default=0.0):
        assert window.max == max(new)


@given(durations)
def test_cumulative_buckets_count_what_does_not_exceed_each_limit(seconds: list[float]) -> None:
    rows = histogram_of(seconds).buckets()
    assert rows == [(le, sum(value <= le for value in seconds)) for le in (*LIMITS_S, math.inf)]


def test_a_limit_that_is_no_edge_counts_as_the_edge_below_it() -> None:
    assert histogram_of([0.0010, 0.00104, 0.00106]).buckets([0.00105]) == [(0.00105, 1), (math.inf, 3)]


def test_nothing_observed_gives_zeros() -> None:
    empty = Histogram()
    assert (empty.count, empty.sum, empty.mean, empty.max, empty.quantile(0.95)) == (0, 0.0, 0.0, 0.0, 0.0)
    assert empty.snapshot() == HistogramSnapshot() == empty.snapshot().minus(empty.snapshot())


def test_mean_sum_and_max_are_exact() -> None:
    histogram = histogram_of([0.010, 0.020, 0.120])
    assert (histogram.count, histogram.max) == (3, 0.120)
    assert histogram.sum == pytest.approx(0.15)
    assert histogram.mean == pytest.approx(0.05)


def test_beyond_a_minute_only_the_longest_is_known() -> None:
    histogram = histogram_of([70.0, 4000.0])
    assert histogram.quantile(1.0) == 4000.0
    assert 60.0 <= histogram.quantile(0.5) <= 4000.0


def test_a_negative_duration_counts_as_none_and_what_is_no_number_is_refused() -> None:
    histogram = histogram_of([-0.5])
    assert (histogram.count, histogram.sum, histogram.max) == (1, 0.0, 0.0)
    for odd in (math.nan, math.inf, -math.inf):
        with pytest.raises(ValueError, match="must be finite"):
            histogram.observe(odd)
    assert histogram.count == 1


def test_impossible_questions_are_refused() -> None:
    histogram = histogram_of([0.1])
    for q in (-0.1, 1.1, math.nan):
        with pytest.raises(ValueError, match=r"within 0\.\.1"):
            histogram.quantile(q)
    later = histogram_of([0.1, 0.2]).snapshot()
    with pytest.raises(ValueError, match="give the earlier one"):
        histogram.snapshot().minus(later)


def test_threads_that_observe_together_lose_nothing() -> None:
    histogram = Histogram()

    def observe() -> None:
        for _ in range(20_000):
            histogram.observe(0.002)

    threads = [threading.Thread(target=observe) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert histogram.count == 80_000
    assert histogram.sum == pytest.approx(160.0)


def test_observing_costs_a_microsecond_or_so() -> None:
    histogram, values = Histogram(), [0.0001 * 1.1 ** (i % 139) for i in range(2000)]
    best = math.inf
    for _ in range(10):
        begin = time.thread_time()
        for value in values:
            histogram.observe(value)
        best = min(best, (time.thread_time() - begin) / len(values))
    assert best < 3e-6, f"{best * 1e6:.2f} us"
