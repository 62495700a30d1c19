"""The part of the loop that looks after batch jobs: asks what shall become of each, and does it.

What shall become of one is `argus.control.jobs`, which is pure.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import structlog

from argus.control.job_memory import moment
from argus.control.jobs import JobDecision, decide, job_config, job_workload
from argus.control.plan import Place
from argus.control.plane import Plane
from argus.control.rendering import Obstacle, resolved_pipeline
from argus.core.calm_clock import CalmClock
from argus.core.errors import ArgusError, SpecError
from argus.core.resources.manifest import filled
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.resource import Resource, utc_now
from argus.core.schedule import local_zone
from argus.stream.config import blobs_of_run

FINALIZER: Final = "argus.dev/results"
"""Holds a job until its run has ended and what it found is gone."""
Note = Callable[[str, str, str], None]


@dataclass(frozen=True, slots=True)
class _Active:
    """A run that is active."""

    since: datetime
    """As the job's status says."""
    began_s: float
    """The same by `time.monotonic`, as it was when it was seen first."""


class Jobs:
    """Looks after the batch jobs of one plane."""

    def __init__(self, plane: Plane, place: Place, note: Note) -> None:
        """Begin; `note` writes down what was done and why."""
        self._plane = plane
        self._place = place
        self._note = note
        self._again: datetime | None = None
        self._active = False
        self._problems: dict[str, str] = {}
        self._clock = CalmClock(utc_now)
        self._seen: dict[str, _Active] = {}
        """How long present runs have been active, by job."""

    def due(self) -> bool:
        """Return whether a job wants to be looked at, though nothing else has changed."""
        return self._active or (self._again is not None and utc_now() >= self._again)

    async def round(self, resources: Iterable[Resource]) -> None:
        """Look at every job once.

        Raises:
            ArgusError: what went wrong with one of them, when all have been looked at.
        """
        by_kind: dict[str, dict[str, Resource]] = {"Pipeline": {}, "Model": {}, "BatchJob": {}}
        for resource in resources:
            if resource.kind == "BatchJob" or resource.metadata.deletion_timestamp is None:
                by_kind.setdefault(resource.kind, {})[resource.name] = resource
        self._again, self._active = None, False
        self._seen = {name: seen for name, seen in self._seen.items() if name in by_kind["BatchJob"]}
        failure: ArgusError | None = None
        for job in by_kind["BatchJob"].values():
            try:
                await self._one(job, by_kind["Pipeline"], by_kind["Model"])
            except ArgusError as error:
                failure = error
        if failure is not None:
            raise failure

    async def _one(
        self, job: Resource, pipelines: Mapping[str, Resource], models: Mapping[str, Resource]
    ) -> None:
        plane = self._plane
        going = job.metadata.deletion_timestamp is not None
        if not going and FINALIZER not in job.metadata.finalizers:
            await plane.store.set_finalizers(
                job.kind, job.name, job.metadata.uid, (*job.metadata.finalizers, FINALIZER)
            )
        pipeline = self._pipeline(job, pipelines, models)
        runs = await plane.results.runs(job.name, limit=100)
        now = utc_now()
        decision = decide(
            job,
            runs,
            plane.workloads,
            now,
            obstacle=pipeline if isinstance(pipeline, Obstacle) else None,
            tz=local_zone(),
            active_s=self._active_s(job, now),
            believed=self._clock.now(),
        )
        self._active |= decision.run is not None or bool(decision.remove)
        if decision.look_again_at is not None:
            self._again = min(self._again or decision.look_again_at, decision.look_again_at)
        await self._carry_out(job, decision, pipeline)
        if going:
            await self._let_go(job)
        elif decision.delete:
            await plane.store.delete(job.kind, job.name)

    def _active_s(self, job: Resource, now: datetime) -> float | None:
        """Return how long a job's run has been active, whatever is done to the wall clock meanwhile."""
        since, steady_s = moment(job.status.get("activeSince")), time.monotonic()
        if since is None:
            return None
        seen = self._seen.get(job.name)
        if seen is None or seen.since != since:
            seen = self._seen[job.name] = _Active(since, steady_s - max(0.0, (now - since).total_seconds()))
        return steady_s - seen.began_s

    async def _carry_out(
        self, job: Resource, decision: JobDecision, pipeline: PipelineSpec | Obstacle
    ) -> None:
        plane = self._plane
        for name in decision.remove:
            await plane.runtime.remove(name)
        for run in decision.runs:
            await plane.results.put_run(run)
        for id_ in decision.forget:
            await self._delete_blobs(await plane.results.forget_job(job.name, run=id_))
            await self._delete_below(f"{blobs_of_run(job.name, id_)}/")
        # Written down before anything runs: who comes after us must know the number.
        if decision.status != job.status:
            await plane.store.set_status(job.kind, job.name, job.metadata.uid, decision.status)
        if decision.run is not None and isinstance(pipeline, PipelineSpec):
            storage = self._place.storage(decision.run.workload)
            config = job_config(job, decision.run, pipeline, storage, source=self._source(job))
            workload = job_workload(job, decision.run, config)
            there = plane.workloads.get(workload.name)
            if there is None or there.workload != workload:
                await plane.runtime.ensure(workload)
        for act in decision.acts:
            self._note(act.action, act.subject, act.reason)

    async def _let_go(self, job: Resource) -> None:
        mine = re.compile(rf"job-{re.escape(job.name)}-\d+")
        if any(mine.fullmatch(name) and status.pid for name, status in self._plane.workloads.items()):
            self._active = True
            return
        await self._delete_blobs(await self._plane.results.forget_job(job.name))
        await self._delete_below(f"jobs/{job.name}/")
        left = tuple(f for f in job.metadata.finalizers if f != FINALIZER)
        await self._plane.store.set_finalizers(job.kind, job.name, job.metadata.uid, left)
        self._note("release", f"BatchJob/{job.name}", "its runs have ended and what they found is gone")

    async def _delete_blobs(self, keys: Sequence[str]) -> None:
        for key in keys:
            try:
                await asyncio.to_thread(self._plane.blobs.delete, key)
            except ArgusError as error:
                structlog.get_logger().warning("control.blob_left", key=key, reason=str(error))

    async def _delete_below(self, prefix: str) -> None:
        """Remove what stands in no record: reports, and the list of files that are done."""
        try:
            infos = await asyncio.to_thread(lambda: list(self._plane.blobs.list(prefix)))
        except ArgusError as error:
            structlog.get_logger().warning("control.blobs_left", prefix=prefix, reason=str(error))
        else:
            await self._delete_blobs([info.key for info in infos])

    def _source(self, job: Resource) -> str:
        told = filled({"source": job.spec["source"]}, self._plane.secrets, f"BatchJob {job.name}")
        return str(told["source"])

    def _pipeline(
        self, job: Resource, pipelines: Mapping[str, Resource], models: Mapping[str, Resource]
    ) -> PipelineSpec | Obstacle:
        name = str(job.spec.get("pipeline"))
        if name not in pipelines:
            return Obstacle(
                "PipelineMissing", f"waits for pipeline {name!r}, which nobody has declared: apply it"
            )
        try:
            self._source(job)
        except SpecError as error:
            return Obstacle("SecretMissing", str(error))
        return resolved_pipeline(pipelines[name], models, self._plane.secrets)
