"""What the lab says of a fault: when it counts as kept, and what neighbours felt."""

from __future__ import annotations

from dataclasses import replace

import pytest

from argus.core.resources.camera import CameraState
from argus.vision.lab import fault_named
from argus.vision.lab.outcome import Outcome, Span, Telling, Try

DROP = fault_named("drop", "synthetic")
CALM = Span(10, [[0.1] * 50, [0.2] * 50])
GOOD = Try("lost", 5.2, 1.2, before=CALM, during=CALM, after=CALM)


def outcome(*tries: Try) -> Outcome:
    return Outcome.of(DROP, "synthetic", tries)


def during(*ages_s: list[float], lasted_s: float = 10) -> Outcome:
    return outcome(replace(GOOD, during=Span(lasted_s, ages_s)))


def told(before: CameraState, *states: CameraState) -> tuple[CameraState, float | None]:
    """Return what is told of a camera that is dropped, with a state each second from 0 on."""
    telling = Telling(DROP, before)
    for second, state in enumerate(states):
        telling.hear(state, float(second))
    return telling.told, telling.seen_s


def test_what_was_told_before_a_fault_began_is_no_merit() -> None:
    assert told("online", "online", "connecting", "lost", "lost") == ("lost", 2)
    assert told("online", "online", "dark", "lost") == ("lost", 2)
    assert told("online", "online", "dark", "moved") == ("dark", None)
    assert told("online", "online", "connecting") == ("online", None)
    assert told("lost", "lost", "lost", "lost") == ("lost", None)
    assert told("lost", "lost", "online", "lost") == ("lost", 2)


def test_a_fault_that_is_told_in_time_and_felt_by_nobody_is_kept() -> None:
    kept = outcome(GOOD)
    assert kept.kept
    assert (kept.detect_s, kept.recover_s, kept.neighbours_p95_change, kept.worst_rate_change) == (
        5.2,
        1.2,
        0,
        0,
    )
    assert outcome(replace(GOOD, before=Span(10, []), during=Span(10, []), after=Span(10, []))).kept


@pytest.mark.parametrize(
    "late",
    [
        replace(GOOD, detect_s=6.1),
        replace(GOOD, told="frozen", detect_s=None),
        replace(GOOD, recover_s=2.1),
        replace(GOOD, recover_s=None),
    ],
)
def test_one_try_that_is_late_is_one_too_many(late: Try) -> None:
    both = outcome(GOOD, late, GOOD)
    assert not both.kept
    assert (both.tries, both.tries_in_time, both.told) == (3, 2, late.told)
    assert (both.detect_s, both.recover_s) == tuple(
        None if value is None else max(value, usual)
        for value, usual in ((late.detect_s, 5.2), (late.recover_s, 1.2))
    )
    assert both.detected == (late.detect_s is not None)
    assert both.recovered == (late.recover_s is not None)


def test_the_neighbour_that_felt_most_is_the_one_whose_ages_rose_most() -> None:
    felt = during([0.1] * 50, [0.2] * 45 + [0.3] * 5)
    assert felt.worst_neighbour_change == pytest.approx(0.5)
    assert felt.neighbours_p95_change == pytest.approx(0)  # five of a hundred
    assert during([0.1] * 50, [0.2] * 49 + [9.0]).worst_neighbour_change == pytest.approx(0)
    older = during([0.12] * 50, [0.24] * 50)
    assert older.neighbours_p95_change == pytest.approx(0.2)
    assert not older.kept
    assert during([0.11] * 50, [0.21] * 50).kept


def test_how_far_chance_goes_is_told_by_the_times_before_and_after() -> None:
    after = Span(10, [[0.1] * 50, [0.25] * 50])
    assert outcome(replace(GOOD, after=after)).worst_without_fault == pytest.approx(0.25)


def test_a_neighbour_whose_results_stay_away_is_harmed_although_none_of_them_is_old() -> None:
    """What is too old is never looked at: nothing of it would be seen in the ages."""
    assert during([0.1] * 50, [0.2] * 40).worst_rate_change == pytest.approx(-0.2)
    assert during([0.1] * 50, [0.2] * 40).kept
    assert not during([0.1] * 50, [0.2] * 37).kept
    assert not during([0.1] * 50, []).kept
    silent = during([], [])
    assert (silent.worst_rate_change, silent.neighbours_p95_change, silent.kept) == (-1, None, False)
    twice_as_long = during([0.1] * 100, [0.2] * 98, lasted_s=20)
    assert twice_as_long.worst_rate_change == pytest.approx(-0.02)
    assert twice_as_long.kept


def test_results_of_several_tries_are_compared_together() -> None:
    worse = replace(GOOD, during=Span(10, [[0.1] * 45 + [0.5] * 5, [0.2] * 50]))
    assert outcome(worse).worst_neighbour_change == pytest.approx(4)
    assert outcome(worse, GOOD, GOOD).worst_neighbour_change == pytest.approx(0)


def test_a_lab_that_is_told_to_end_has_nothing_to_compare() -> None:
    nothing = Span(0, [[], []])
    cut_off = outcome(Try("online", None, None, before=nothing, during=nothing, after=nothing))
    assert not cut_off.kept
    said = cut_off.to_json()
    assert (said["neighbours_p95_change"], said["worst_rate_change"], said["worst_without_fault"]) == (
        None,
    ) * 3
