"""What the status of a batch job remembers of it, and how that is read from there and written. Pure.

The status is the only memory that there is: what was decided once stands in it, whatever else does.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from argus.core.resources.phases import JobPhase
from argus.storage.records import Run

OVER: Final[Mapping[str, JobPhase]] = {
    "succeeded": "Succeeded",
    "failed": "Failed",
    "cancelled": "Cancelled",
}
"""The states of a run that is over, and what a job is then."""
_ABOUT_A_RUN: Final = (
    "attempt",
    "progress",
    "leftSeconds",
    "frames",
    "framesExpected",
    "files",
    "filesDone",
    "events",
    "alerts",
)


def written_moment(at: datetime) -> str:
    """Return a time as statuses have it, RFC 3339 in UTC."""
    text: str = msgspec.to_builtins(at.astimezone(UTC))
    return text


def moment(text: object) -> datetime | None:
    """Return the time that a status says; None where it says none."""
    try:
        at = msgspec.convert(text, datetime) if isinstance(text, str) else None
    except msgspec.ValidationError:
        return None
    return at if at is None or at.tzinfo is not None else at.replace(tzinfo=UTC)


def later(at: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds later, or the last one there is."""
    try:
        return at + timedelta(seconds=seconds)
    except OverflowError:
        return datetime.max.replace(tzinfo=UTC)


def remembered(status: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a status says that was decided, whatever else stands in it."""
    number, state, history = status.get("run"), status.get("runState"), status.get("history")
    told = isinstance(number, int) and number > 0 and isinstance(state, str)
    kept: dict[str, Any] = {
        "run": number if told else 0,
        "runState": state if told and state in {"active", "suspended", *OVER} else "",
        "history": [
            dict(entry)
            for entry in (history if isinstance(history, list) else ())
            if isinstance(entry, Mapping) and isinstance(entry.get("run"), int)
        ],
    }
    for name in (
        "startTime",
        "activeSince",
        "completionTime",
        "reason",
        "message",
        "input",
        "runAt",
        "schedule",
        "suspended",
        "scheduledThrough",
        "lastScheduleTime",
        "nextScheduleTime",
        "missed",
        *_ABOUT_A_RUN,
    ):
        if status.get(name) is not None:
            kept[name] = status[name]
    return kept


def forget_run(memory: dict[str, Any]) -> None:
    """Take out of a status what it says of one run."""
    for name in ("completionTime", "reason", "message", *_ABOUT_A_RUN):
        memory.pop(name, None)


def about(run: Run) -> dict[str, Any]:
    """Return what a status says of how far a run has come."""
    return {
        "attempt": run.attempt,
        "progress": round(run.progress, 4),
        "leftSeconds": None if run.left_s is None else round(run.left_s),
        "frames": run.frames,
        "framesExpected": run.frames_expected,
        "files": len(run.files),
        "filesDone": len(run.done),
        "events": run.events,
        "alerts": run.alerts,
    }


def history_entry(memory: Mapping[str, Any]) -> dict[str, Any]:
    """Return the present run of a status, which is over, as one of its past ones."""
    names = ("run", "startTime", "completionTime", "reason", "message", "frames", "events", "alerts")
    return {"state": memory["runState"]} | {name: memory[name] for name in names if name in memory}


def history_of(number: int, run: Run) -> dict[str, Any]:
    """Return a run that a status has lost as one of its past ones."""
    state = {"finished": "succeeded", "running": "cancelled"}.get(run.state, run.state)
    entry = {"state": state, "run": number, "startTime": written_moment(run.started_at)}
    if run.finished_at is not None:
        entry["completionTime"] = written_moment(run.finished_at)
    return entry | {"message": run.message, "frames": run.frames, "events": run.events, "alerts": run.alerts}
