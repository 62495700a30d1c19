"""When a workload of kind `cron` is due: `argus.core.schedule` as the keeper uses it.

Its schedules mean the clock on the wall of this machine. Pure decisions over times; the rules are loaded when
there is a cron, which a keeper may never see.
"""

from __future__ import annotations

from datetime import datetime

from argus.core.errors import SpecError


def next_time(schedule: str, after: datetime) -> datetime:
    """Return the first time of a schedule after a moment, in UTC.

    Raises:
        SpecError: it is none.
    """
    from argus.core import schedule as schedules

    try:
        return schedules.next_time(schedule, after, schedules.local_zone())
    except schedules.BadSchedule as error:
        raise SpecError(str(error)) from error


def due(schedule: str, served: datetime | None, now: datetime) -> tuple[datetime | None, datetime]:
    """Return the time whose run shall begin now, or None, and the next time after now.

    Args:
        schedule: Five fields of cron.
        served: Up to when all is dealt with; None: up to now.
        now: The moment.
    """
    from argus.core import schedule as schedules

    found = schedules.due(schedule, served, now, schedules.local_zone())
    return found.at, found.next
