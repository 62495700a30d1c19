"""What shall become of a batch job now: which run, which workloads, which status. Pure and total.

Nothing is started or written here: `JobDecision` says what is to be done, and decided again when it is done,
nothing is left to do. Two runs of a job never go at once: as long as one has a workload that lives, no other
gets one. A run that is over never begins again; the next one has a higher number.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo

from argus.control.job_case import JobCase
from argus.control.job_decision import CANCEL, RUN_AT, RUN_VARIABLE, Act, JobDecision, JobRun, Obstacle
from argus.control.runtime.protocol import Workload, WorkloadStatus
from argus.core.resources.job import JobSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.resource import Resource
from argus.core.schedule import STARTING_DEADLINE_S
from argus.storage.records import Run
from argus.stream.config import JobConfig, StorageConfig, written

__all__ = (
    "CANCEL",
    "RUN_AT",
    "Act",
    "JobDecision",
    "JobRun",
    "Obstacle",
    "decide",
    "job_config",
    "job_workload",
)


def decide(
    job: Resource,
    runs: Sequence[Run],
    workloads: Mapping[str, WorkloadStatus],
    now: datetime,
    *,
    obstacle: Obstacle | None = None,
    tz: tzinfo = UTC,
    starting_deadline_s: float = STARTING_DEADLINE_S,
    active_s: float | None = None,
    believed: datetime | None = None,
) -> JobDecision:
    """Return what shall become of a job; total: no input makes it raise.

    Args:
        job: The resource, with the status that was decided last.
        runs: Those that the results' store has under the job's name.
        workloads: All there are, or those of this job.
        now: The time, UTC.
        obstacle: What keeps a run from being started; one that runs goes on.
        tz: Whose wall clock schedules mean.
        starting_deadline_s: How late a scheduled run may begin.
        active_s: How long the present run has been active, by a clock that nobody sets; None: as long as the
            wall clock says, by which it is known when it began.
        believed: The time by which a job that is over goes, for that is for good; None: now.
    """
    case = JobCase(job, now, tz, starting_deadline_s, obstacle, active_s, believed)
    case.look(runs, workloads)
    if job.metadata.deletion_timestamp is not None:
        case.stop_all()
    elif case.spec is not None:
        case.settle()
        case.plan(case.spec)
        # What begins now may be suspended or cancelled already.
        case.settle()
    return case.decision()


def job_config(
    job: Resource, run: JobRun, pipeline: PipelineSpec, storage: StorageConfig, *, source: str | None = None
) -> JobConfig:
    """Return what a run is told.

    Args:
        job: The resource.
        run: As it was decided.
        pipeline: With models in the place of their names and secrets filled in.
        storage: Where results go; the spool is this run's own.
        source: The job's, where something had to be filled in; None: as it is written.

    Raises:
        SpecError: the job's spec cannot be read.
    """
    spec = JobSpec.read(job.spec, f"BatchJob {job.name}")
    return JobConfig(
        job=job.name,
        run=run.id,
        source=spec.source if source is None else source,
        pipeline=spec.pipeline,
        spec=pipeline,
        storage=storage,
    )


def job_workload(job: Resource, run: JobRun, config: JobConfig) -> Workload:
    """Return the workload of a run; raises as `job_config` does."""
    spec = JobSpec.read(job.spec, f"BatchJob {job.name}")
    return Workload(
        name=run.workload,
        kind="job",
        command=(sys.executable, "-m", "argus.stream.batch"),
        env={RUN_VARIABLE: run.id},
        config=written(config),
        deadline_s=spec.deadline,
        retries=spec.retries,
        hang_after_s=None,
        owner=("BatchJob", job.name),
    )
