"""Seconds that never decrease, and a rate that is kept without drift."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.vision.sources.timing import FrameClock, LiveClock, Thinner, lead_s


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


def test_a_recording_may_have_a_gap_of_hours_and_a_live_stream_in_files_has_none() -> None:
    recorded, live = FrameClock(0.1), FrameClock(0.1)
    stamps = (7.0, 7.1, 3607.1, 3607.2)
    assert [recorded.time_s(s) for s in stamps] == pytest.approx([0, 0.1, 3600.1, 3600.2])
    assert [live.time_s(s, 50.0) for s in stamps] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert live.time_s(3687.2, 130.0) == pytest.approx(80.3), "silence of that length is believed"
    assert live.time_s(3693.2, 130.0) == pytest.approx(86.3), "and so is a file that is missing"


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


def test_a_stamp_that_is_rounded_still_falls_into_its_own_slot() -> None:
    stamps = [round(i / 30, 3) for i in range(300)]
    thinner = Thinner(30, lead_s(30, 30))
    assert all(thinner.takes(t) for t in stamps)


def test_a_rate_that_changes_goes_on_from_the_last_frame() -> None:
    thinner = Thinner(1)
    assert [i for i in range(20) if thinner.takes(i / 10)] == [0, 10]
    thinner.retarget(5)
    assert [i for i in range(20, 30) if thinner.takes(i / 10)] == [20, 22, 24, 26, 28]
    thinner.retarget(None)
    assert thinner.takes(2.9)


def live_times(stamps: list[float | None], arrivals: list[float]) -> list[float]:
    clock = LiveClock(0.04)
    return [clock.time_s(s, 50 + a) for s, a in zip(stamps, arrivals, strict=True)]


def test_even_stamps_are_believed_where_arrivals_are_uneven() -> None:
    arrivals = [i / 25 + (0.3 if i % 3 else 0.0) for i in range(50)]
    times = live_times([7 + i / 25 for i in range(50)], arrivals)
    assert times == pytest.approx([i / 25 for i in range(50)])


@pytest.mark.parametrize("jump_s", [3600.0, -3600.0, 2.0, -2.0])
def test_a_camera_that_sets_its_clock_does_not_move_the_time(jump_s: float) -> None:
    stamps: list[float | None] = [100 + i / 25 + (jump_s if i >= 50 else 0.0) for i in range(100)]
    times = live_times(stamps, [i / 25 for i in range(100)])
    assert times == pytest.approx([i / 25 for i in range(100)], abs=0.05)


@pytest.mark.parametrize("speed", [0.0, 0.5, 2.0, 100.0])
def test_a_clock_that_runs_wrong_is_held_to_a_second_of_the_truth(speed: float) -> None:
    clock = LiveClock(0.04)
    times = [clock.time_s(speed * i / 25, i / 25) for i in range(1000)]
    assert times == sorted(times)
    assert max(abs(t - i / 25) for i, t in enumerate(times)) <= 1.0 + 1e-6
    assert clock.jumps >= 1


def test_a_silence_is_as_long_as_it_was() -> None:
    arrivals = [0.0, 0.04, 0.08, 9.0, 9.04]
    assert live_times([1.0, 1.04, 1.08, 10.0, 10.04], arrivals) == pytest.approx(arrivals)
    clock = LiveClock(0.04)
    assert [clock.time_s(1 + a, a) for a in arrivals] == pytest.approx(arrivals)
    assert clock.jumps == 0
    assert live_times([None] * 5, arrivals) == pytest.approx(arrivals)


@given(st.lists(st.tuples(st.one_of(st.none(), st.floats(allow_nan=True)), st.floats(0, 100)), min_size=1))
def test_live_time_never_decreases_nor_leaves_the_arrival(steps: list[tuple[float | None, float]]) -> None:
    clock, arrived_s, last_s = LiveClock(0.04), 1000.0, 0.0
    for index, (stamp_s, wait_s) in enumerate(steps):
        arrived_s += wait_s if index else 0.0
        time_s = clock.time_s(stamp_s, arrived_s)
        assert time_s >= last_s
        assert abs(time_s - (arrived_s - 1000.0)) <= 1.0 + 1e-6
        last_s = time_s
