"""The thin loop around the reconciler: looks, asks it, does what it says, writes down what became of it.

Woken by changes of resources and workloads, and once a second by the clock; more often for as long as things
change. Nothing that goes wrong ends it: an action that fails is said, and asked for again in the next round.
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
from argus.control.mirror import Mirror
from argus.control.outlook import outlook
from argus.control.plan import Action, Ensure, Hold, Place, Remove, Seen
from argus.control.plane import Decision, Plane
from argus.control.polling import Poller
from argus.control.reconciler import Reconciler
from argus.control.store.protocol import VersionGone
from argus.core.errors import ArgusError
from argus.core.metric_registry import Samples
from argus.core.metrics import Histogram
from argus.core.resources.resource import Resource, utc_now

_ROUND_S: Final = 1.0
_SOON_S: Final = 0.2
"""How often it is looked while things change: people wait for what they have asked for."""
_LIVELY_S: Final = 3.0
"""How long things count as changing after the last change."""
_AGAIN_S: Final = 10.0
"""How often all is looked at, whether or not anything has changed."""


class Loop:
    """Reconciles one plane until it is cancelled."""

    def __init__(self, plane: Plane, place: Place) -> None:
        """Begin; `run` does the work."""
        self._plane = plane
        self._poller = Poller()
        self._jobs = Jobs(plane, place, self.note)
        self._wake = asyncio.Event()
        self._mirror = Mirror(plane.store)
        self._reconciler = Reconciler(place, plane.secrets)
        self._last: object = None
        self._looked_s = 0.0
        self._changed_s = float("-inf")
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
            tasks.create_task(self._watch(self._follow_store))
            tasks.create_task(self._watch(self._follow_runtime))
            try:
                while True:
                    began_s = time.monotonic()
                    await self._looked("loop", self.round)
                    now_s = time.monotonic()
                    lively = now_s < self._changed_s + _LIVELY_S
                    # Where there are thousands, a look takes long: most of the time is left to others.
                    pause_s = min(_ROUND_S, max(_SOON_S, 4 * (now_s - began_s))) if lively else _ROUND_S
                    # Not `wait_for`: Python 3.11's forgets a cancellation that comes with the waking.
                    with contextlib.suppress(TimeoutError):
                        async with asyncio.timeout(pause_s):
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
        if not await self._looked("store", self._mirror.look):
            return
        self._see_what_to_remark()
        if self._nothing_new():
            return
        resources = self._mirror.resources
        planned = await self._looked("plan", partial(self._follow_plan, resources, began_s))
        await self._looked("jobs", lambda: self._jobs.round(resources))
        if planned:
            self._looked_s = time.monotonic()
            self._seconds.observe(self._looked_s - began_s)

    async def _follow_plan(self, resources: Sequence[Resource], began_s: float) -> None:
        plane = self._plane
        plan = self._reconciler.plan(Seen(resources, plane.workloads, plane.reports, utc_now()))
        if plan.actions or plan.statuses:
            self._changed_s = began_s
        for action in plan.actions:
            await self._looked(_subject(action), partial(self._carry_out, action))
        for (kind, name), status in plan.statuses.items():
            told = self._mirror.get(kind, name)
            assert told is not None
            uid = told.metadata.uid
            await self._looked("store", partial(plane.store.set_status, kind, name, uid, status))

    async def _see_workloads(self) -> None:
        self._plane.workloads = dict(await self._plane.runtime.statuses())

    def _see_what_to_remark(self) -> None:
        """See what goes on and yet has to be known: a database that was restored, a keeper that is old."""
        for part, kept in (("resources", self._plane.store), ("results", self._plane.results)):
            restored = getattr(kept, "restored", None)
            if restored:
                self._plane.problems[f"{part} restored"] = restored
        remark = getattr(self._plane.runtime, "remark", "")
        if remark:
            self._plane.problems["keeper"] = remark
        else:
            self._plane.problems.pop("keeper", None)

    def _nothing_new(self) -> bool:
        plane = self._plane
        state = (
            self._mirror.version,
            [(name, outlook(one, plane.reports.get(name))) for name, one in plane.workloads.items()],
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

    async def _watch(self, follow: Callable[[], Awaitable[None]]) -> None:
        """Follow changes for ever; whoever cannot tell of them is asked again."""
        while True:
            try:
                await follow()
            except VersionGone:
                self.wake()
            except ArgusError:
                await asyncio.sleep(_ROUND_S)
            except Exception:  # noqa: BLE001 - the rounds go on without it
                structlog.get_logger().exception("control.defect", part="changes")
                await asyncio.sleep(_AGAIN_S)

    async def _follow_store(self) -> None:
        since = await self._plane.store.version()
        if since != self._mirror.version:
            self.wake()  # what was changed before anybody watched
        async for _ in self._plane.store.watch(since):
            self.wake()

    async def _follow_runtime(self) -> None:
        await self._plane.runtime.changed()
        self.wake()


def _subject(action: Action) -> str:
    match action:
        case Ensure(workload, _, _):
            return workload.name
        case Remove(name, _):
            return name
        case Hold((kind, name), _, _, _):
            return f"{kind}/{name}"
