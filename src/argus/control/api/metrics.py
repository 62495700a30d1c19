"""`/metrics`: what the control plane counts, and what its workers say of themselves, as one text."""

from __future__ import annotations

import asyncio
import time
from typing import Final, get_args

from fastapi import APIRouter
from starlette.responses import Response

from argus.control.api.counting import ResourceCounts
from argus.control.api.meter import ApiMeter
from argus.control.api.openapi import gives
from argus.control.api.problems import Problem
from argus.control.api.worker_link import WorkerLink
from argus.control.plane import Plane
from argus.control.runtime.protocol import WorkloadState
from argus.core.errors import ArgusError
from argus.core.metric_registry import CONTENT_TYPE, Samples, merged
from argus.core.resources.kinds import kinds
from argus.core.resources.resource import Resource, utc_now
from argus.core.version import __version__

_FRESH_S: Final = 1.0
"""Whoever asks sooner gets the same text again: ten who scrape cost as much as one."""
_WORKER_S: Final = 1.0
_RUN_STATES: Final = {
    "active": "running",
    "succeeded": "finished",
    "failed": "failed",
    "cancelled": "cancelled",
}


def router(plane: Plane, counts: ResourceCounts, link: WorkerLink, meter: ApiMeter) -> APIRouter:
    """Return the endpoint."""
    out = APIRouter(tags=["status"])
    scrape = _Scrape(plane, counts, link, meter)

    @out.get(
        "/metrics",
        operation_id="metrics",
        summary="Metrics of the control plane and its workers, in Prometheus' format",
        responses=gives({"type": "string"}, types=("text/plain",)),
        response_class=Response,
    )
    async def metrics() -> Response:
        return Response(await scrape.text(), 200, {"Cache-Control": "no-store", "Content-Type": CONTENT_TYPE})

    return out


class _Scrape:
    """The text, made at most once a second, and once for all who ask at the same time."""

    def __init__(self, plane: Plane, counts: ResourceCounts, link: WorkerLink, meter: ApiMeter) -> None:
        self._plane = plane
        self._counts = counts
        self._link = link
        self._meter = meter
        self._lock = asyncio.Lock()
        self._text = b""
        self._until_s = 0.0

    async def text(self) -> bytes:
        async with self._lock:
            if time.monotonic() >= self._until_s:
                own, workers = await asyncio.gather(self._own(), self._workers())
                self._text = merged([({}, own), *workers])
                self._until_s = time.monotonic() + _FRESH_S
            return self._text

    async def _workers(self) -> list[tuple[dict[str, str], bytes]]:
        listening = [s for s in self._plane.workloads.values() if s.port is not None and s.state == "running"]

        async def ask(name: str, port: int) -> tuple[dict[str, str], bytes] | None:
            try:
                async with asyncio.timeout(_WORKER_S):
                    answer = await self._link.get(f"http://127.0.0.1:{port}/metrics", {})
            except (Problem, TimeoutError):
                return None  # `argus_workload_healthy` says it
            return ({"workload": name}, answer.content) if answer.status_code == 200 else None

        said = await asyncio.gather(*(ask(s.name, s.port) for s in listening if s.port is not None))
        return [one for one in said if one is not None]

    async def _own(self) -> bytes:
        plane, samples = self._plane, Samples()
        samples.set("argus_info", 1, {"version": __version__})
        samples.set("argus_uptime_seconds", max(0.0, (utc_now() - plane.started_at).total_seconds()))
        for status in plane.workloads.values():
            labels = {"workload": status.name}
            for state in get_args(WorkloadState):
                samples.set("argus_workload_state", status.state == state, {**labels, "state": state})
            samples.set("argus_workload_ready", status.ready, labels)
            samples.set("argus_workload_healthy", status.healthy, labels)
            samples.set("argus_workload_restarts_total", status.restarts, labels)
            samples.set("argus_workload_memory_bytes", status.memory_bytes, labels)
            samples.set("argus_workload_cpu_seconds_total", status.cpu_s, labels)
        samples.set("argus_database_up", await self._resources(samples), {"database": "resources"})
        samples.set("argus_database_up", await self._records(samples), {"database": "results"})
        self._meter.say(samples)
        for sampler in plane.samplers:
            sampler(samples)
        return samples.render()

    async def _resources(self, samples: Samples) -> bool:
        try:
            async with asyncio.timeout(_WORKER_S):
                await self._counts.look()
        except (ArgusError, TimeoutError):
            return False
        for kind in kinds():
            samples.set("argus_resources", self._counts.by_kind[kind.name], {"kind": kind.name})
        for job in self._counts.jobs:
            _say_job(samples, job)
        return True

    async def _records(self, samples: Samples) -> bool:
        try:
            async with asyncio.timeout(_WORKER_S):
                counts = await self._plane.results.counts()
        except (ArgusError, TimeoutError):
            return False
        for kind, count in counts.items():
            samples.set("argus_records", count, {"kind": kind})
        return True


def _say_job(samples: Samples, job: Resource) -> None:
    status = job.status
    now = _RUN_STATES.get(str(status.get("runState")))
    if now is None:
        return
    labels = {"job": job.name}
    for state in ("running", "finished", "failed", "cancelled"):
        samples.set("argus_job_state", state == now, {**labels, "state": state})
    for metric, field in (
        ("argus_job_progress_ratio", "progress"),
        ("argus_job_left_seconds", "leftSeconds"),
        ("argus_job_frames", "frames"),
    ):
        value = status.get(field)
        if isinstance(value, int | float) and not isinstance(value, bool):
            samples.set(metric, float(value), labels)
