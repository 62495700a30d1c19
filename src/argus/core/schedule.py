"""When a schedule is due: the five fields of cron, over time zones and clocks that jump. Pure.

Times are instants (UTC comes out; any aware time may go in). A schedule that names its hours means the clock
on the wall: an hour that the wall clock leaves out in spring is made up for at its end, one that it shows
twice in autumn counts the first time. A schedule for every hour means every hour that passes.

Who is run, and what happens to runs that were missed, is decided elsewhere (`argus.control.jobs`).

Source: crontab(5) of Debian, on fields and daylight saving; the fields are read by `cronsim`.
"""

from __future__ import annotations

import os
import zoneinfo
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path
from typing import Final

from cronsim import CronSim

from argus.core.errors import SpecError

FIELDS: Final = ("minute", "hour", "day", "month", "weekday")
STARTING_DEADLINE_S: Final = 24 * 3600.0
"""How late a run may begin that could not begin in time, unless told otherwise."""
CLOCK_SET_BACK_S: Final = 24 * 3600.0
"""A last run that lies so far ahead was noted by a clock that was wrong."""

_LONGEST: Final = 200
_COUNTED: Final = 1000
_RANGES: Final = {
    "minute": "0-59",
    "hour": "0-23",
    "day": "1-31, L for the last",
    "month": "1-12 or JAN-DEC",
    "weekday": "0-7 (0 and 7 are Sunday) or SUN-SAT",
}
_SOME_TIME: Final = datetime(2000, 1, 1, tzinfo=UTC)
_LOOK_BACK: Final = tuple(timedelta(hours=hours) for hours in (2, 26, 24 * 32, 24 * 370))


class BadSchedule(SpecError):
    """This is no schedule; the message names the field."""


@dataclass(frozen=True, slots=True)
class Due:
    """What a schedule asks for at one moment."""

    at: datetime | None
    """The time whose run shall begin now; None: none shall."""
    missed: int
    """Times that have passed without a run and get none any more; counted up to 1,000."""
    next: datetime
    """The next time after now."""
    clock_set_back: bool = False
    """True where the last run lies so far ahead that it does not count."""


def check_schedule(text: str) -> None:
    """Do nothing where a text is a schedule that comes round.

    Raises:
        BadSchedule: it is none, or never comes round (30 February); names the field that is wrong.
    """
    next_time(text, _SOME_TIME)


def next_time(schedule: str, after: datetime, tz: tzinfo = UTC) -> datetime:
    """Return the first time of a schedule after a moment, in UTC.

    Args:
        schedule: Five fields: minute, hour, day of month, month, weekday.
        after: With a time zone.
        tz: Whose wall clock the schedule means.

    Raises:
        BadSchedule: it is none.
    """
    return next(times(schedule, after, tz))


def times(schedule: str, after: datetime, tz: tzinfo = UTC) -> Iterator[datetime]:
    """Yield the times of a schedule after a moment, in order, in UTC; raises likewise."""
    fields = _fields(schedule)
    last = after.astimezone(UTC)
    here = last.astimezone(tz)
    every_hour = fields[1].startswith("*")
    walk = CronSim(" ".join(fields), here if every_hour else here.replace(tzinfo=None, fold=0))
    while True:
        try:
            found = next(walk)
        except (StopIteration, RuntimeError, OverflowError):
            raise BadSchedule(
                f"schedule {schedule!r} never comes round: no month of its months has such a day"
            ) from None
        instant = found.astimezone(UTC) if every_hour else _on_the_wall(found, tz)
        if instant > last:
            yield instant
            last = instant


def due(
    schedule: str,
    last: datetime | None,
    now: datetime,
    tz: tzinfo = UTC,
    *,
    deadline_s: float = STARTING_DEADLINE_S,
) -> Due:
    """Return what a schedule asks for now: of all times that have passed, the latest at most.

    A clock that was put forward makes up for that one; a clock that was put back runs nothing again that it
    has run, and waits until time is where it was, for a day at most.

    Args:
        schedule: See `next_time`, as for the errors.
        last: Up to when all is dealt with; None: up to now.
        now: The moment.
        tz: Whose wall clock is meant.
        deadline_s: A time that has passed so many seconds ago gets no run any more.
    """
    now = now.astimezone(UTC)
    since = now if last is None else last.astimezone(UTC)
    set_back = since - now > timedelta(seconds=CLOCK_SET_BACK_S)
    if set_back:
        since = now
    following = next_time(schedule, max(since, now), tz)
    if since >= now:
        return Due(None, 0, following, set_back)
    passed = _count(schedule, since, now, tz)
    latest = _latest(schedule, since, now, tz) if passed else None
    if latest is None:
        return Due(None, 0, following, set_back)
    if now - latest > timedelta(seconds=deadline_s):
        return Due(None, passed, following, set_back)
    return Due(latest, passed - 1, following, set_back)


def explain_schedule(schedule: str) -> str:
    """Return a schedule in words: `At 02:00 every day`; raises as `check_schedule` does."""
    check_schedule(schedule)
    return CronSim(schedule, _SOME_TIME).explain()


def local_zone() -> tzinfo:
    """Return the time zone of this machine, with its rules of daylight saving; UTC where it says nothing."""
    named = os.environ.get("TZ", "").removeprefix(":")
    try:
        if named:
            return zoneinfo.ZoneInfo(named)
        with Path("/etc/localtime").open("rb") as file:
            return zoneinfo.ZoneInfo.from_file(file, key="localtime")
    except (OSError, ValueError, KeyError):  # a name that nobody knows is a KeyError
        return UTC


def _fields(schedule: str) -> list[str]:
    fields = schedule.upper().split() if len(schedule) <= _LONGEST else []
    if len(fields) != len(FIELDS):
        raise BadSchedule(
            "a schedule has five fields: minute, hour, day, month, weekday, such as `0 2 * * *`"
        )
    for position, name in enumerate(FIELDS):
        alone = ["*"] * len(FIELDS)
        alone[position] = fields[position]
        if not _reads(alone):
            raise BadSchedule(
                f"the {name} of a schedule cannot be {fields[position]!r}: "
                f"take {_RANGES[name]}, *, lists (1,2), ranges (1-5) or steps (*/5)"
            )
    if not _reads(fields):
        raise BadSchedule(
            f"schedule {schedule!r} never comes round: no month of its months has day {fields[2]}"
        )
    return fields


def _reads(fields: list[str]) -> bool:
    try:
        CronSim(" ".join(fields), _SOME_TIME)
    except Exception:  # noqa: BLE001 - it fails in many ways at what it does not expect, none of them ours
        return False
    return True


def _on_the_wall(shown: datetime, tz: tzinfo) -> datetime:
    """Return when a wall clock first shows a time; of one that it leaves out, when it goes on behind it."""
    while True:
        instant = shown.replace(tzinfo=tz, fold=0).astimezone(UTC)
        if instant.astimezone(tz).replace(tzinfo=None, fold=0) == shown:
            return instant
        shown += timedelta(minutes=1)


def _count(schedule: str, since: datetime, now: datetime, tz: tzinfo) -> int:
    count = 0
    for instant in times(schedule, since, tz):
        if instant > now or count == _COUNTED:
            break
        count += 1
    return count


def _latest(schedule: str, since: datetime, now: datetime, tz: tzinfo) -> datetime | None:
    """Return the last time in (since, now], found from ever further back: years may lie between."""
    for span in (*_LOOK_BACK, None):
        start = since if span is None else max(since, now - span)
        found = None
        for instant in times(schedule, start, tz):
            if instant > now:
                break
            found = instant
        if found is not None or start == since:
            return found
    return None
