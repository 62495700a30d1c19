"""The clock of those who throw away: put forward, put back, and slept through."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from argus.core.calm_clock import CalmClock

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Hours:
    """A wall clock that somebody sets, and time that passes."""

    def __init__(self) -> None:
        self.passed_s = 1000.0
        self.off = timedelta()
        self.clock = CalmClock(self.wall, lambda: self.passed_s)

    @property
    def true(self) -> datetime:
        return NOON + timedelta(seconds=self.passed_s)

    def wall(self) -> datetime:
        return self.true + self.off

    def later(self, seconds: float) -> datetime:
        self.passed_s += seconds
        return self.clock.now()


@pytest.fixture
def hours() -> Hours:
    return Hours()


def test_it_goes_as_the_wall_clock_does_also_where_that_drifts(hours: Hours) -> None:
    for _ in range(20):
        hours.off += timedelta(seconds=50)
        assert hours.later(600) == hours.wall()


def test_a_clock_that_is_months_ahead_for_a_moment_is_not_believed(hours: Hours) -> None:
    hours.off = timedelta(days=200)
    assert hours.later(600) == hours.true
    assert hours.later(600) == hours.true
    hours.off = timedelta()
    assert hours.later(600) == hours.true


def test_a_clock_that_stays_where_it_was_put_is_believed_after_an_hour(hours: Hours) -> None:
    hours.off = timedelta(days=2)
    assert hours.later(600) == hours.true
    assert hours.later(3599) == hours.true
    assert hours.later(1) == hours.wall()
    assert hours.later(600) == hours.wall()


def test_one_who_sleeps_each_night_and_is_put_forward_in_the_morning_is_told_apart(hours: Hours) -> None:
    hours.off = timedelta(hours=8)
    assert hours.later(3000) == hours.true
    hours.off = timedelta(days=200)
    assert hours.later(3000) == hours.true
    hours.off = timedelta(hours=8)
    assert hours.later(600) == hours.true


def test_a_clock_that_is_put_back_is_believed_at_once(hours: Hours) -> None:
    hours.off = timedelta(days=-200)
    assert hours.later(1) == hours.wall()
    hours.off = timedelta()
    assert hours.later(1) < hours.true
    hours.later(3600)
    assert hours.later(1) == hours.true
