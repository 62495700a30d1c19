"""What can be decided about a batch job: values, made by `jobs` and carried out by whoever asks."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from argus.storage.records import Run

CANCEL: Final = "argus.dev/cancel"
"""Annotation: the number (or id) of the run that somebody does not want any more."""
RUN_AT: Final = "argus.dev/run-at"
"""Annotation: any text; another one than that of the last run asks for another run, now."""
RUN_VARIABLE: Final = "ARGUS_JOB_RUN"
"""Variable in the environment of a run's workload with its id, which tells it from one of an earlier job."""


class Obstacle(Protocol):
    """Why no run can be started: a pipeline that is not there, say."""

    @property
    def reason(self) -> str:
        """In one CamelCase word."""
        ...

    @property
    def message(self) -> str:
        """In a sentence, with what to do."""
        ...


class JobRun(msgspec.Struct, frozen=True, kw_only=True):
    """A run that shall go on now."""

    number: int
    id: str
    """Key of `argus.storage.records.Run`: the job's uid and the number."""
    workload: str
    """Name of its workload."""


class Act(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was decided, for the log of decisions."""

    action: str
    """`run`, `stop`, `expire`, `forget`."""
    subject: str
    reason: str


class JobDecision(msgspec.Struct, frozen=True, kw_only=True):
    """What shall be done; decided again when it is done, nothing is left to do."""

    run: JobRun | None
    """The run that shall have a workload of kind `job`; None: none shall."""
    remove: tuple[str, ...]
    """Workloads to be removed. A run waits for those that live: it comes with a later decision."""
    status: dict[str, Any]
    """The job's new status: all of it."""
    runs: tuple[Run, ...] = ()
    """Runs to be kept so: their processes could not say themselves how they ended."""
    forget: tuple[str, ...] = ()
    """Ids of runs whose results nobody wants any more."""
    delete: bool = False
    """True where the job's time is over: it is to be deleted."""
    look_again_at: datetime | None = None
    """When to decide again, though nothing else has changed by then."""
    acts: tuple[Act, ...] = ()
    """What is new."""
