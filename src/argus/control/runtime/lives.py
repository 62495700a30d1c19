"""What follows what happens to a workload: again or not, and when. Also what is remembered of it.

Pure decisions: no process, no clock and no file is touched. `kept` carries them out with real processes, and
`argus.testing.runtime` with imagined ones.
"""

from __future__ import annotations

import signal
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

import msgspec

from argus.control.runtime.crons import due, next_time
from argus.control.runtime.protocol import ENDS, Workload, WorkloadState
from argus.processes.endings import exit_text, one_line
from argus.processes.policy import RestartPolicy
from argus.processes.restarts import History
from argus.processes.spec import ProcessStatus

SERVICE: Final = RestartPolicy(when="always", first_s=0.2, longest_s=300.0)
"""After the first death it is started at once; after the second within a minute of running in 0.2 s, doubled
for each further one, at most 5 minutes; never given up."""
JOB: Final = RestartPolicy(first_s=1.0, longest_s=300.0)
CANNOT_BE: Final = 2
"""The exit code of a job that would fail again however often it is tried."""
DRAIN_S: Final = 10.0
"""Seconds from asking a workload to end to ending it."""
_WARM_S: Final = 1.0
_LINES: Final = 20


class Life(msgspec.Struct, frozen=True, kw_only=True):
    """What is remembered of a workload, also over the death of its keeper."""

    state: WorkloadState
    since: datetime
    pid: int | None = None
    born: int | None = None
    """When that process began, in ticks since the machine did: a process number alone may be another's."""
    starts: int = 0
    restarts: int = 0
    failures: int = 0
    """Of a job's present run: how often it has failed."""
    history: History = History()
    last_exit: str = ""
    last_lines: tuple[str, ...] = ()
    reason: str = ""
    next_start: datetime | None = None
    last_start: datetime | None = None
    served: datetime | None = None
    """Of a cron: the latest time of its schedule that needs no run any more."""


@dataclass(frozen=True, slots=True)
class End:
    """How a process ended by itself, or was ended for a fault of its own."""

    well: bool
    exit: str
    """In words; see `WorkloadStatus.last_exit`."""
    reason: str
    ran_s: float = 0.0
    lines: tuple[str, ...] = ()
    code: int | None = None
    final: bool = False
    """No use in trying again."""


def end_of(status: ProcessStatus, ran_s: float, blame: str = "") -> End:
    """Return how a process ended, from what its supervisor says of it.

    Args:
        status: Its last one.
        ran_s: Seconds that it ran.
        blame: Why it was ended, where that was for good; it is not tried again then.
    """
    code, reason = status.code, status.reason
    words = reason
    if code is not None:
        plain, words = exit_text(code), exit_words(code)
        if reason.startswith(plain):
            reason = words + reason.removeprefix(plain)
        elif reason != "stopped":
            words = reason  # it was ended for a fault, which says more than the signal that did it
    lines = [shown for line in status.output.splitlines() if (shown := one_line(line))]
    return End(
        well=status.state == "finished" and not blame,
        exit=blame or words,
        reason=blame or reason,
        ran_s=ran_s,
        lines=tuple(lines[-_LINES:]),
        code=code,
        final=bool(blame),
    )


def begun(workload: Workload, now: datetime) -> Life:
    """Return the life of a workload that nobody has heard of before."""
    if workload.schedule is None:
        return Life(state="pending", since=now)
    return Life(state="pending", since=now, served=now, next_start=next_time(workload.schedule, now))


def started(life: Life, now: datetime, *, by_itself: bool) -> Life:
    """Return a life with one more start; `by_itself`: because the last run ended by itself."""
    return _changed(
        life,
        "starting",
        now,
        starts=life.starts + 1,
        restarts=life.restarts + by_itself,
        last_start=now,
        next_start=None,
        reason="",
        pid=None,
        born=None,
    )


def after_end(life: Life, workload: Workload, end: End, now: datetime) -> tuple[Life, float | None]:
    """Return the life after an end, and in how many seconds it starts again; None: not by itself."""
    life = _changed(life, None, now, pid=None, born=None, last_exit=end.exit, last_lines=end.lines)
    if workload.kind == "service":
        history = life.history.after_run(end.ran_s, SERVICE)
        again = len(history.ends) - 1
        wait_s = SERVICE.delay_s(again) if again else 0.0
        return _backing_off(_changed(life, None, now, history=history), end.reason, wait_s, now)
    if end.well:
        return over(life, workload, "succeeded", "", now), None
    if end.final or end.code == CANNOT_BE:
        return over(life, workload, "failed", end.reason, now), None
    failures = life.failures + 1
    if failures > workload.retries:
        times = f" (tried {failures} times)" if failures > 1 else ""
        return over(life, workload, "failed", end.reason + times, now), None
    life = _changed(life, None, now, failures=failures)
    return _backing_off(life, end.reason, JOB.delay_s(failures), now)


def over(life: Life, workload: Workload, state: WorkloadState, reason: str, now: datetime) -> Life:
    """Return the life of a job that has ended; of a cron, that waits for its next time."""
    if workload.schedule is None:
        return _changed(life, state, now, reason=reason)
    _, following = due(workload.schedule, life.served, now)
    return _changed(life, "pending", now, reason=reason, failures=0, next_start=following)


def afresh(life: Life) -> Life:
    """Return a life whose failures are forgiven, as somebody asked for a start."""
    return msgspec.structs.replace(life, history=History(), failures=0)


def found(life: Life, workload: Workload, now: datetime) -> tuple[Life, float | None]:
    """Return how a life goes on under a new keeper, and in how many seconds; see `after_end`.

    Nothing of it runs any more. What ran was cut short, which a job counts as a failure.
    """
    if life.state in ENDS:
        return life, None
    if life.state == "backing-off":
        # The wall clock may be another by now; the wait is never longer than it was.
        longest_s = max(0.0, ((life.next_start or now) - life.since).total_seconds())
        left_s = ((life.next_start or now) - now).total_seconds()
        return _changed(life, None, now, pid=None, born=None), min(max(left_s, 0.0), longest_s)
    if life.state == "pending":
        return life, None if workload.schedule is not None else 0.0
    cut = End(well=False, exit="cut short", reason="cut short: its keeper was ended")
    if workload.kind == "service":
        life = _changed(life, None, now, pid=None, born=None, last_exit=cut.exit)
        return _backing_off(life, cut.reason, 0.0, now)
    life, wait_s = after_end(life, workload, cut, now)
    return life, None if wait_s is None else min(wait_s, _WARM_S)


def paused(life: Life, workload: Workload, now: datetime) -> Life:
    """Return a life that was interrupted in good order, and that a new keeper goes on with."""
    if life.state in ENDS or (life.state == "pending" and workload.schedule is not None):
        return life
    return _changed(life, "pending", now, pid=None, born=None, next_start=None)


def running(life: Life, now: datetime, pid: int, born: int | None, *, ready: bool) -> Life:
    """Return a life whose process is there; `ready`: it does what it is for."""
    return _changed(life, "running" if ready else "starting", now, pid=pid, born=born)


def exit_words(code: int) -> str:
    """Return `exit code 1` or `killed by SIGKILL` for a return code as `subprocess` gives it."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return f"killed by {signal.Signals(-code).name}"
    except ValueError:
        return f"killed by signal {-code}"


def _backing_off(life: Life, reason: str, wait_s: float, now: datetime) -> tuple[Life, float | None]:
    next_start = now + timedelta(seconds=wait_s)
    return _changed(life, "backing-off", now, reason=reason, next_start=next_start), wait_s


def _changed(life: Life, state: WorkloadState | None, now: datetime, **changes: object) -> Life:
    if state is not None and state != life.state:
        changes.update(state=state, since=now)
    return msgspec.structs.replace(life, **changes)
