"""What time asks of a batch job: a run that its schedule names now, and the end of what is over. Pure.

What was dealt with is remembered in the status; the rules of cron are `argus.core.schedule`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, tzinfo
from typing import Any

from argus.control.job_memory import later, moment, written_moment
from argus.core.resources.job import JobSpec
from argus.core.resources.resource import Resource
from argus.core.schedule import Due, due
from argus.storage.records import Run


def due_run(
    memory: dict[str, Any],
    spec: JobSpec,
    job: Resource,
    runs: Iterable[Run],
    now: datetime,
    tz: tzinfo,
    *,
    deadline_s: float,
) -> Due | None:
    """Return what the schedule asks for; None: nothing, for there is none, or it is suspended.

    Args:
        memory: Of the job; what is dealt with by this is written there.
        spec: What is wanted.
        job: With the status before.
        runs: All that are known.
        now: The time.
        tz: Whose wall clock is meant.
        deadline_s: How late a run may begin.

    Raises:
        SpecError: the schedule cannot be understood.
    """
    resumed = memory.get("suspended") is True and not spec.suspend
    memory["suspended"] = spec.suspend
    changed, memory["schedule"] = memory.get("schedule") != spec.schedule, spec.schedule
    if spec.schedule is None:
        for name in ("scheduledThrough", "lastScheduleTime", "nextScheduleTime", "missed"):
            memory.pop(name, None)
        return None
    through = moment(memory.get("scheduledThrough"))
    if through is None and not job.status:
        # Nothing was written down yet, or it was lost: what came since is not missed, nor run again.
        through = max((run.started_at for run in runs), default=job.metadata.creation_timestamp)
    if through is None or (changed and job.status) or resumed:
        through = now  # times that another schedule named, or nobody wanted, are nobody's
    found: Due | None = due(spec.schedule, through, now, tz, deadline_s=deadline_s)
    assert found is not None
    if spec.suspend:
        found = None
    elif found.clock_set_back or (found.at is None and found.missed):
        through = now
        note_missed(memory, found.missed, now)
    memory["scheduledThrough"] = written_moment(through)
    if found is None:
        memory.pop("nextScheduleTime", None)
    else:
        memory["nextScheduleTime"] = written_moment(found.next)
    return found


def note_missed(memory: dict[str, Any], count: int, now: datetime) -> None:
    """Write down how many runs were missed, if any were."""
    memory.pop("missed", None)
    if count:
        memory["missed"] = {"runs": count, "before": written_moment(now)}


def expiry(
    memory: dict[str, Any], spec: JobSpec, found: Due | None, now: datetime
) -> tuple[bool, datetime | None]:
    """Return whether a job's time is over, and when to decide again."""
    times = []
    finished = moment(memory.get("completionTime"))
    over = memory["runState"] in ("succeeded", "failed", "cancelled")
    if over and spec.schedule is None and spec.ttl_after_finished is not None and finished is not None:
        gone = later(finished, spec.ttl_after_finished)
        if now >= gone:
            return True, None
        times.append(gone)
    if found is not None:
        times.append(found.next)
    since = moment(memory.get("activeSince"))
    if memory["runState"] == "active" and spec.deadline is not None and since is not None:
        times.append(later(since, spec.deadline))
    return False, min(times, default=None)
