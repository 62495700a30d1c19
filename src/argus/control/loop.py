"""The thin loop around the reconciler: looks, asks it, does what it says, writes down what became of it.

Woken by changes of resources and workloads, and once a second by the clock. Nothing that goes wrong ends it:
an action that fails is said, and asked for again in the next round.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Any, Final

import structlog

from argus.control.jobs_loop import Jobs
from argus.control.plane import Decision, Plane
from argus.control.polling import Poller
from argus.control.reconciler import Action, Ensure, Hold, Place, Remove, Seen, reconcile
from argus.control.store.protocol import VersionGone
from argus.core.errors import ArgusError
from argus.core.metric_registry import Samples
from argus.core.metrics import Histogram
from argus.core.resources.resource import Resource, utc_now
from argus.stream.report import WorkerReport

_ROUND_S: Final = 1.0
_AGAIN_S: Final = 10.0
"""How often all is looked at, whether or not anything has changed."""


class Loop:
    """Reconciles one plane until it is cancelled."""

    def __init__(self, plane: Plane, place: Place) -> None:
        """Begin; `run` does the work."""
        self._plane = plane
        self._place = place
        self._poller = Poller()
        self._jobs = Jobs(plane, place, self.note)
        self._wake = asyncio.Event()
        self._resources: Sequence[Resource] = ()
        self._version = ""
        self._last: object = None
        self._looked_s = 0.0
        self._said: dict[str, str] = {}
        self._leaving: dict[str, asyncio.Task[None]] = {}
        """Workloads that are being removed."""
        self._seconds = Histogram()
        self._actions: Counter[str] = Counter()
        self._failures = 0
        plane.samplers.append(self._say_samples)

    async def run(self) -> None:
        """Reconcile until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._watch_store())
            tasks.create_task(self._watch_runtime())
            try:
                while True:
                    await self.round()
                    # Not `wait_for`: Python 3.11's forgets a cancellation that comes with the waking.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(_ROUND_S):
                            await self._wake.wait()
                    self._wake.clear()
            finally:
                await self._poller.close()

    def wake(self) -> None:
        """Look now."""
        self._wake.set()

    async def round(self) -> None:
        """Look once, and do what there is to do."""
        began_s = time.monotonic()
        plane = self._plane
        if not await self._looked("runtime", self._see_workloads):
            return
        plane.reports = await self._poller.ask(plane.workloads)
        if not await self._looked("store", self._see_resources):
            return
        self._see_what_was_restored()
        if self._nothing_new():
            return
        seen = Seen(self._resources, plane.workloads, plane.reports, utc_now())
        plan = reconcile(seen, self._place, plane.secrets)
        for action in plan.actions:
            await self._looked(_subject(action), partial(self._carry_out, action))
        uids = {resource.key: resource.metadata.uid for resource in self._resources}
        for (kind, name), status in plan.statuses.items():
            uid = uids[kind, name]
            await self._looked("store", partial(plane.store.set_status, kind, name, uid, status))
        await self._looked("jobs", lambda: self._jobs.round(self._resources))
        self._looked_s = time.monotonic()
        self._seconds.observe(self._looked_s - began_s)

    async def _see_workloads(self) -> None:
        self._plane.workloads = dict(await self._plane.runtime.statuses())

    async def _see_resources(self) -> None:
        version = await self._plane.store.version()
        if version != self._version:
            page = await self._plane.store.list()
            self._resources, self._version = page.items, page.resource_version

    def _see_what_was_restored(self) -> None:
        for part, kept in (("resources", self._plane.store), ("results", self._plane.results)):
            restored = getattr(kept, "restored", None)
            if restored:
                self._plane.problems[f"{part} restored"] = restored

    def _nothing_new(self) -> bool:
        plane = self._plane
        state = (
            self._version,
            [(s.name, s.state, s.pid, s.starts, s.ready, s.reason) for s in plane.workloads.values()],
            [_essence(report) for report in plane.reports.values()],
        )
        same = state == self._last and time.monotonic() - self._looked_s < _AGAIN_S
        self._last = state
        return same and not self._jobs.due()

    async def _carry_out(self, action: Action) -> None:
        plane = self._plane
        match action:
            case Ensure(workload, verb, reason):
                await plane.runtime.ensure(workload)
                self.note(verb, workload.name, reason)
            case Remove(name, reason):
                if name not in self._leaving:
                    self.note("stop", name, reason)
                    # Beside: one that drains for ten seconds keeps nobody else waiting.
                    self._leaving[name] = asyncio.create_task(self._removed(name))
            case Hold((kind, name), uid, finalizers, reason):
                await plane.store.set_finalizers(kind, name, uid, finalizers)
                if not finalizers:
                    self.note("release", f"{kind}/{name}", reason)

    async def _removed(self, name: str) -> None:
        try:
            await self._looked(name, partial(self._plane.runtime.remove, name))
        finally:
            del self._leaving[name]
            self.wake()

    def note(self, action: str, subject: str, reason: str) -> None:
        """Write down what was done and why."""
        self._actions[action] += 1
        self._plane.decisions.append(Decision(utc_now(), action, subject, reason))
        structlog.get_logger().info(f"control.{action}", subject=subject, reason=reason)

    async def _looked(self, part: str, call: Callable[[], Awaitable[Any]]) -> bool:
        """Do something that may fail; return whether it did not. What is wrong is said once."""
        try:
            await call()
        except ArgusError as error:
            self._say(part, str(error))
            return False
        except Exception as error:  # noqa: BLE001 - the loop goes on whatever one part does
            if self._said.get(part) != repr(error):
                structlog.get_logger().exception("control.defect", part=part)
            self._say(part, repr(error))
            return False
        if self._said.pop(part, None) is not None:
            structlog.get_logger().info("control.recovered", part=part)
            self._plane.problems.pop(part, None)
        return True

    def _say(self, part: str, problem: str) -> None:
        self._failures += 1
        if self._said.get(part) != problem:
            structlog.get_logger().warning("control.trouble", part=part, reason=problem)
        self._said[part] = self._plane.problems[part] = problem

    def _say_samples(self, samples: Samples) -> None:
        samples.histogram("argus_reconcile_seconds", self._seconds.snapshot())
        for action, count in self._actions.items():
            samples.set("argus_reconcile_actions_total", count, {"action": action})
        samples.set("argus_reconcile_failures_total", self._failures)

    async def _watch_store(self) -> None:
        while True:
            try:
                async for _ in self._plane.store.watch(await self._plane.store.version()):
                    self.wake()
            except VersionGone:
                self.wake()
            except ArgusError:
                await asyncio.sleep(_ROUND_S)

    async def _watch_runtime(self) -> None:
        while True:
            try:
                await self._plane.runtime.changed()
                self.wake()
            except ArgusError:
                await asyncio.sleep(_ROUND_S)


def _subject(action: Action) -> str:
    match action:
        case Ensure(workload, _, _):
            return workload.name
        case Remove(name, _):
            return name
        case Hold((kind, name), _, _, _):
            return f"{kind}/{name}"


def _essence(report: WorkerReport) -> object:
    """Return what of a report may change a status: not the figures, which change all the time."""
    pipelines = [
        (p.name, p.generation, p.reason, p.message, p.rung, p.refused_generation) for p in report.pipelines
    ]
    cameras = [(c.name, c.state, c.reason, c.over, c.width) for c in report.cameras]
    return report.worker, report.ready, report.config, cameras, pipelines
