"""Seconds that never decrease, and a rate that is kept without drift."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.vision.sources.timing import FrameClock, Thinner


def test_time_counts_from_the_first_stamp() -> None:
    clock = FrameClock(0.1)
    assert [clock.time_s(s) for s in (7.0, 7.1, 7.5)] == pytest.approx([0, 0.1, 0.5])


def test_a_missing_stamp_is_one_interval_after_the_last_frame() -> None:
    clock = FrameClock(0.1)
    assert [clock.time_s(s) for s in (None, None, 3.0, None)] == pytest.approx([0, 0.1, 0.2, 0.3])


def test_a_small_step_back_stands_still_and_a_large_one_goes_on() -> None:
    clock = FrameClock(0.1)
    assert [clock.time_s(s) for s in (0.0, 5.0, 4.9, 5.1)] == pytest.approx([0, 5, 5, 5.1])
    assert [clock.time_s(s) for s in (0.0, 0.1)] == pytest.approx([5.2, 5.3])


@given(st.lists(st.one_of(st.none(), st.floats(allow_nan=True, allow_infinity=True)), min_size=1))
def test_time_starts_at_zero_and_never_decreases(stamps: list[float | None]) -> None:
    clock = FrameClock(0.04)
    times = [clock.time_s(stamp) for stamp in stamps]
    assert times[0] == 0
    assert times == sorted(times)


@given(fps=st.floats(1, 120), wanted=st.floats(0.5, 60), seconds=st.integers(1, 20))
def test_as_many_frames_are_taken_as_were_asked_for(fps: float, wanted: float, seconds: int) -> None:
    thinner = Thinner(wanted)
    taken = sum(thinner.takes(i / fps) for i in range(int(fps * seconds)))
    assert taken <= wanted * seconds + 1
    assert taken >= min(int(wanted * seconds), int(fps * seconds)) - 2 or wanted > fps / 2


def test_without_a_rate_every_frame_is_taken() -> None:
    thinner = Thinner(None)
    assert all(thinner.takes(0.0) for _ in range(5))


def test_two_of_five_frames_make_ten_of_twenty_five() -> None:
    thinner = Thinner(10)
    assert [i for i in range(10) if thinner.takes(i / 25)] == [0, 3, 5, 8]
