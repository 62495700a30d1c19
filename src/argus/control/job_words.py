"""What the status of a batch job says, for programs and people. Pure; `job_case` decides what it says."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Final, Literal

from argus.control.job_memory import OVER, about
from argus.control.runtime.protocol import WorkloadStatus
from argus.core.errors import SpecError
from argus.core.resources.job import JobSpec
from argus.core.resources.phases import JobPhase
from argus.core.resources.resource import Condition, Resource, Truth, with_conditions
from argus.core.schedule import explain_schedule
from argus.storage.records import Run

_LINES: Final = 5
_LONGEST: Final = 2000


def succeeded_with(number: int, run: Run | None) -> tuple[str, str]:
    """Return the reason and the message of a run that has come to its end."""
    if run is None:
        return "Finished", f"run {number} is finished"
    files = f"{len(run.done)} file{'' if len(run.done) == 1 else 's'}"
    said = f"run {number}: {run.frames} frames of {files}, {run.events} events, {run.alerts} alerts"
    return "Finished", f"{said}; {run.message}" if run.message else said


def failed_after(number: int, workload: WorkloadStatus, run: Run | None) -> tuple[str, str]:
    """Return the reason and the message of a run that has failed for good."""
    why = "" if run is None or run.state != "failed" else run.message
    parts = [why or workload.reason or workload.last_exit or "it ended and does not say why"]
    if not why and workload.last_lines:
        lines = "\n".join(workload.last_lines[-_LINES:])
        parts.append(f"its last lines were:\n{lines}")
    tries = f" after {workload.restarts + 1} attempts" if workload.restarts else ""
    return "RunFailed", f"run {number} failed{tries}: {'; '.join(parts)}"[:_LONGEST]


def cancelled_for(reason: Literal["Cancelled", "SpecChanged"], number: int) -> tuple[str, str]:
    """Return the reason and the message of a run that nobody wants any more."""
    if reason == "SpecChanged":
        return reason, f"run {number} was ended: its source or its pipeline became another one"
    return reason, f"run {number} was cancelled; what it had found is kept"


def job_status(
    job: Resource,
    memory: Mapping[str, Any],
    run: Run | None,
    workload: WorkloadStatus | None,
    *,
    now: datetime,
    spec: JobSpec | None,
    obstacle: tuple[str, str] | None,
    refused: str,
) -> dict[str, Any]:
    """Return the whole status.

    Args:
        job: The resource, with the status before.
        memory: What was decided.
        run: How far the present run has come, as it says itself.
        workload: The one of the present run, while that goes on.
        now: The time at which what is new came to be so.
        spec: What is wanted; None: it cannot be read.
        obstacle: Reason and message of what keeps a run from being started.
        refused: Why the spec cannot be read.
    """
    state = memory["runState"]
    going = state == "active"
    phase = _phase(job, state, spec, workload)
    status: dict[str, Any] = {"phase": phase, "observedGeneration": job.metadata.generation, **memory}
    if run is not None:
        status |= about(run)
    if not going:
        status.pop("leftSeconds", None)
    status["active"] = [f"job-{job.name}-{memory['run']}"] if going else []
    if workload is not None and workload.last_lines and workload.state == "backing-off":
        status["lastLines"] = list(workload.last_lines[-_LINES:])
    said = _Said(job.metadata.generation, now)
    if refused or spec is None:
        said.add("Accepted", "False", "SpecImpossible", refused)
    elif obstacle is not None:
        said.add("Accepted", "False", *obstacle)
    else:
        said.add("Accepted", "True", "Fine", "")
    _tell_end(said, memory, phase, run, workload, obstacle)
    suspended = spec is not None and spec.suspend
    said.add(
        "Suspended",
        "True" if suspended else "False",
        "Asked" if suspended else "NotAsked",
        _suspended(memory) if suspended else "",
    )
    if spec is not None and spec.schedule is not None:
        said.add("Scheduled", "False" if suspended else "True", *_scheduled(spec.schedule, memory))
    status["conditions"] = with_conditions(job.conditions, said.conditions)
    return {name: value for name, value in status.items() if value is not None}


class _Said:
    """Conditions, as they are put together."""

    def __init__(self, generation: int, now: datetime) -> None:
        self.conditions: list[Condition] = []
        self._generation, self._now = generation, now

    def add(self, type_: str, status: Truth, reason: str, message: str) -> None:
        self.conditions.append(
            Condition(
                type=type_,
                status=status,
                reason=reason,
                message=message,
                last_transition_time=self._now,
                observed_generation=self._generation,
            )
        )


def _phase(job: Resource, state: str, spec: JobSpec | None, workload: WorkloadStatus | None) -> JobPhase:
    if job.metadata.deletion_timestamp is not None:
        return "Terminating"
    if state == "active":
        begun = workload is not None and workload.state in ("running", "backing-off")
        return "Running" if begun else "Pending"
    scheduled = spec is not None and spec.schedule is not None
    if state == "suspended" or (spec is not None and spec.suspend and (scheduled or not state)):
        return "Suspended"
    if scheduled:
        return "Scheduled"
    return OVER.get(state, "Pending")


def _tell_end(
    said: _Said,
    memory: Mapping[str, Any],
    phase: JobPhase,
    run: Run | None,
    workload: WorkloadStatus | None,
    obstacle: tuple[str, str] | None,
) -> None:
    state, reason, message = memory["runState"], memory.get("reason", ""), memory.get("message", "")
    if state == "succeeded":
        said.add("Complete", "True", reason, message)
        said.add("Failed", "False", reason, "")
    elif state in OVER:
        said.add("Complete", "False", reason, message)
        said.add("Failed", "True", reason, message)
    else:
        now = _going(memory, phase, run, workload, obstacle)
        said.add("Complete", "False", *now)
        said.add("Failed", "False", now[0], "")


def _going(
    memory: Mapping[str, Any],
    phase: JobPhase,
    run: Run | None,
    workload: WorkloadStatus | None,
    obstacle: tuple[str, str] | None,
) -> tuple[str, str]:
    """Return reason and message of a run that is not over, or has not begun."""
    if workload is not None and workload.state == "backing-off":
        return "Retrying", f"run {memory['run']} is tried again: {workload.last_exit or workload.reason}"
    if phase == "Running":
        return "Running", f"run {memory['run']}" + ("" if run is None else f": {_far(run)}")
    if phase == "Pending":
        return ("Starting", f"run {memory['run']} is about to start") if obstacle is None else obstacle
    return phase, ""


def _far(run: Run) -> str:
    """Return how far a run has come, in words."""
    parts = [f"{100 * run.progress:.0f} %"]
    if len(run.files) > 1:
        parts.append(f"{len(run.done)} of {len(run.files)} files")
    if run.left_s is not None:
        parts.append(f"about {_span(run.left_s)} left")
    return ", ".join(parts)


def _span(seconds: float) -> str:
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def _suspended(memory: Mapping[str, Any]) -> str:
    begun = memory["runState"] == "suspended"
    rest = f"; run {memory['run']} goes on from its last finished file then" if begun else ""
    return f"set spec.suspend to false to let it run{rest}"


def _scheduled(schedule: str, memory: Mapping[str, Any]) -> tuple[str, str]:
    try:
        words = explain_schedule(schedule)
    except SpecError as error:
        return "BadSchedule", str(error)
    missed = memory.get("missed")
    if not isinstance(missed, Mapping):
        return "Waiting", words
    runs = missed.get("runs")
    some = "1 run was" if runs == 1 else f"{runs} runs were"
    return (
        "MissedRuns",
        f"{words}; {some} missed before {missed.get('before')}, when nothing could start them",
    )
