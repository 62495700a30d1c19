from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.schedule import (
    BadSchedule,
    check_schedule,
    due,
    explain_schedule,
    local_zone,
    next_time,
    times,
)

BERLIN = ZoneInfo("Europe/Berlin")
NIGHTLY = "0 2 * * *"


def at(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def berlin(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=BERLIN).astimezone(UTC)


def test_the_next_time_lies_after_the_moment_even_where_that_is_one() -> None:
    assert next_time(NIGHTLY, at("2026-11-21T01:59:59.999")) == at("2026-11-21T02:00")
    assert next_time(NIGHTLY, at("2026-11-21T02:00")) == at("2026-11-22T02:00")


def test_a_schedule_means_the_clock_on_the_wall() -> None:
    assert next_time(NIGHTLY, at("2026-01-10T12:00"), BERLIN) == at("2026-01-11T01:00")
    assert next_time(NIGHTLY, at("2026-07-10T12:00"), BERLIN) == at("2026-07-11T00:00")


@pytest.mark.parametrize("schedule", ["30 2 * * *", "*/30 2 * * *", "0,15,30 2 * * *"])
def test_an_hour_that_spring_leaves_out_is_made_up_for_once_at_its_end(schedule: str) -> None:
    found = list(islice(times(schedule, berlin("2026-03-28T12:00"), BERLIN), 1))
    assert found == [at("2026-03-29T01:00")]  # 03:00 there, where 02:00 would have been
    assert next_time(schedule, found[0], BERLIN).date() == at("2026-03-30").date()


def test_an_hour_that_autumn_shows_twice_counts_the_first_time() -> None:
    found = list(islice(times("30 2 * * *", berlin("2026-10-24T12:00"), BERLIN), 2))
    assert found == [at("2026-10-25T00:30"), at("2026-10-26T01:30")]
    # Asked between the two half past twos: the second one is none.
    assert next_time("30 2 * * *", at("2026-10-25T01:10"), BERLIN) == at("2026-10-26T01:30")


def test_every_hour_is_every_hour_that_passes_whatever_the_wall_clock_shows() -> None:
    spring = list(islice(times("0 * * * *", at("2026-03-28T23:30"), BERLIN), 4))
    autumn = list(islice(times("0 * * * *", at("2026-10-24T22:30"), BERLIN), 4))
    for found in (spring, autumn):
        assert {b - a for a, b in pairwise(found)} == {timedelta(hours=1)}


@given(
    schedule=st.sampled_from(
        [NIGHTLY, "30 2 * * *", "*/7 * * * *", "0 * * * *", "*/20 1-4 * * *", "0 0 L * *"]
    ),
    zone=st.sampled_from(
        ["UTC", "Europe/Berlin", "Australia/Lord_Howe", "America/Sao_Paulo", "Pacific/Apia"]
    ),
    after=st.datetimes(datetime(2011, 1, 1), datetime(2040, 1, 1), timezones=st.just(UTC)),
)
def test_times_only_rise(schedule: str, zone: str, after: datetime) -> None:
    found = list(islice(times(schedule, after, ZoneInfo(zone)), 5))
    assert [after, *found] == sorted({after, *found})
    # Whoever asks at any time between two of them is told the later one.
    between = found[0] + (found[1] - found[0]) / 3
    assert next_time(schedule, between, ZoneInfo(zone)) == found[1]


@pytest.mark.parametrize(
    ("schedule", "named"),
    [
        ("61 * * * *", "minute"),
        ("0 24 * * *", "hour"),
        ("0 0 32 * *", "day"),
        ("0 0 * 13 *", "month"),
        ("0 0 * * 8", "weekday"),
        ("0 0 * * MOON", "weekday"),
        ("0 0 * * MON#1/2", "weekday"),
        ("*/0 * * * *", "minute"),
        ("5-1 * * * *", "minute"),
        (f"{'9' * 150} * * * *", "minute"),
        ("0 0 30 2 *", "never comes round"),
        ("0 0 31 4,6 *", "never comes round"),
        ("0 2 * *", "five fields"),
        ("0 0 2 * * *", "five fields"),
        ("@daily", "five fields"),
        ("", "five fields"),
        ("* " * 10_000, "five fields"),
    ],
)
def test_a_schedule_that_is_none_is_refused_with_the_field_named(schedule: str, named: str) -> None:
    with pytest.raises(BadSchedule, match=named):
        check_schedule(schedule)


@given(st.text(alphabet="0123456789*/,-# LWMONJA", max_size=30))
def test_any_text_is_a_schedule_or_refused(text: str) -> None:
    now = at("2026-11-21T00:00")
    try:
        check_schedule(text)
    except BadSchedule:
        with pytest.raises(BadSchedule):
            next_time(text, now)
    else:
        assert next_time(text, now) > now


def test_a_schedule_is_told_in_words() -> None:
    assert explain_schedule(NIGHTLY) == "At 02:00 every day"


def test_nothing_is_due_before_its_time_and_the_run_is_due_at_it() -> None:
    last = at("2026-11-20T02:00")
    early = due(NIGHTLY, last, at("2026-11-21T01:59"))
    assert (early.at, early.missed, early.next) == (None, 0, at("2026-11-21T02:00"))
    now = due(NIGHTLY, last, at("2026-11-21T02:00"))
    assert (now.at, now.missed, now.next) == (at("2026-11-21T02:00"), 0, at("2026-11-22T02:00"))


def test_a_new_schedule_begins_with_its_next_time() -> None:
    assert due(NIGHTLY, None, at("2026-11-21T02:00:01")).at is None


def test_of_missed_runs_the_latest_alone_is_made_up_for() -> None:
    found = due(NIGHTLY, at("2026-11-10T02:00"), at("2026-11-21T09:00"))
    assert (found.at, found.missed) == (at("2026-11-21T02:00"), 10)


def test_a_run_that_is_too_late_is_counted_as_missed() -> None:
    found = due("0 2 * * MON", at("2026-11-09T02:00"), at("2026-11-18T09:00"))
    assert (found.at, found.missed, found.next) == (None, 1, at("2026-11-23T02:00"))


def test_years_without_anybody_are_looked_through_at_once() -> None:
    found = due("* * * * *", at("2001-01-01T00:00"), at("2026-11-21T09:00:30"))
    assert (found.at, found.missed) == (at("2026-11-21T09:00"), 999)


def test_a_clock_put_forward_by_an_hour_runs_once_and_put_back_runs_nothing_again() -> None:
    last = at("2026-11-20T02:00")
    jumped = due(NIGHTLY, last, at("2026-11-21T02:30"))  # it was half past one
    assert jumped.at == at("2026-11-21T02:00")
    back = due(NIGHTLY, jumped.at, at("2026-11-21T01:31"))
    assert (back.at, back.next) == (None, at("2026-11-22T02:00"))
    again = due(NIGHTLY, jumped.at, at("2026-11-21T02:00"))
    assert (again.at, again.clock_set_back) == (None, False)


def test_a_last_run_from_a_clock_that_was_years_ahead_stops_nothing() -> None:
    found = due(NIGHTLY, at("2031-01-01T02:00"), at("2026-11-21T09:00"))
    assert (found.at, found.next, found.clock_set_back) == (None, at("2026-11-22T02:00"), True)


@given(
    st.lists(st.integers(min_value=-5400, max_value=7200), min_size=1, max_size=40),
    st.sampled_from([NIGHTLY, "30 2 * * *", "*/20 * * * *", "0 * * * *"]),
)
def test_no_clock_that_jumps_by_an_hour_makes_a_time_run_twice(steps: list[int], schedule: str) -> None:
    now = last = berlin("2026-10-24T20:00")
    ran: list[datetime] = []
    for step in steps:
        now += timedelta(seconds=step)
        found = due(schedule, last, now, BERLIN)
        if found.at is not None:
            ran.append(found.at)
            last = found.at
    assert ran == sorted(set(ran))


def test_the_zone_of_the_machine_is_one_that_can_be_counted_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "Europe/Berlin")
    assert next_time(NIGHTLY, at("2026-01-10T12:00"), local_zone()) == at("2026-01-11T01:00")
    for odd in ("No/Where", "../../etc/passwd", ""):
        monkeypatch.setenv("TZ", odd)
        assert local_zone().utcoffset(at("2026-01-01").replace(tzinfo=None)) is not None
