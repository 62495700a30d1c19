"""What follows from the passing of time: silence noticed, ladders walked, failed models replaced.

Two threads for a whole engine: one looks a few times a second and never does anything long, the
other opens models. What is decided is decided in `health`, `ladder` and `hub`.
"""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Final
from weakref import WeakKeyDictionary

import structlog

from argus.core.errors import ArgusError
from argus.core.metrics import HistogramSnapshot
from argus.vision.branches.lane import Lane as BranchLane
from argus.vision.engine.accounting import FrameCounts
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.ladder import Load, Rung
from argus.vision.engine.member import Member
from argus.vision.engine.models import LaneSpec, model_at, on_cpu
from argus.vision.engine.shadow import Shadow
from argus.vision.engine.swapping import AnyLane, kinds_of, say_of
from argus.vision.tracking import load_solver

if TYPE_CHECKING:
    from argus.vision.engine.engine import Engine

TICK_S: Final = 0.25
_WINDOW_S: Final = 1.0
"""How often a ladder hears how things go."""
_LONGEST_RETRY_S: Final = 30.0

_Work = Callable[[], object]


class Overseer:
    """Watches one engine; started at once, ended by `close`."""

    def __init__(self, engine: Engine, clock: Callable[[], float]) -> None:
        self._engine = engine
        self._clock = clock
        self._ending = threading.Event()
        self._work: queue.SimpleQueue[_Work | None] = queue.SimpleQueue()
        self._windows: WeakKeyDictionary[Member, tuple[float, FrameCounts, HistogramSnapshot]] = (
            WeakKeyDictionary()
        )
        self._walking: set[str] = set()
        self._concluding: set[int] = set()
        self._retries: deque[tuple[float, AnyLane, int]] = deque()
        self._crowds_awaited = False
        self._log = structlog.get_logger()
        self._threads = [
            threading.Thread(target=self._watch, name="argus-watch", daemon=True),
            threading.Thread(target=self._labour, name="argus-models", daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End both threads; what opens a model at the moment is waited for."""
        self._ending.set()
        self._work.put(None)
        for thread in self._threads:
            thread.join()
        for opened in self._engine.branch_lanes.all:
            if opened.lane.failure is not None:
                opened.lane.give_up()

    def lane_failed(self, lane: AnyLane, error: ArgusError) -> None:
        """Tell that a model failed, and see to it that another looks soon."""
        say_of(self._engine, lane.members, "model.failed", str(error))
        for member in lane.members:
            if isinstance(member, Shadow) and member.patient:
                member.fail(error)
        if self._ending.is_set():
            self._not_replaced(lane)
        elif self._engine.replaces:
            self.replace(lane)

    def replace(self, lane: AnyLane, attempt: int = 0) -> None:
        """Open another model for those that a failed lane looked for, soon."""
        self._work.put(lambda: self._replace(lane, attempt))

    def _watch(self) -> None:
        while not self._ending.wait(TICK_S):
            try:
                self.tick()
            except Exception:  # noqa: BLE001 - whatever it is, the other cameras are to be watched on
                self._log.exception("engine.watch_failed")

    def tick(self) -> None:
        """Look at everything once."""
        engine, now_s = self._engine, self._clock()
        engine.hub.tick()
        for camera in list(engine.cameras.values()):
            camera.tick()
        for member in list(engine.members.values()):
            if member.ladder is not None:
                self._consider(member, now_s)
        engine.traces.tick()
        self._conclude()
        self._await_crowds()
        for _ in range(len(self._retries)):
            due_s, lane, attempt = self._retries.popleft()
            if due_s <= now_s:
                self.replace(lane, attempt)
            else:
                self._retries.append((due_s, lane, attempt))

    def _await_crowds(self) -> None:
        """Load what the tracks of a crowd need once a first frame was looked at, not when the crowd is there.

        A recording waits for it at no cost, and may hold no crowd.
        """
        members = list(self._engine.members.values())
        if not self._crowds_awaited and any(m.matches_live and m.last is not None for m in members):
            self._crowds_awaited = True
            self._work.put(load_solver)

    def _conclude(self) -> None:
        """Tell what is open of cameras, and recordings played as such, that are over.

        The pipelines of a recording are finished; a camera that was given up may be called again.
        """
        engine = self._engine
        for member in list(engine.members.values()):
            camera = engine.cameras.get(member.camera)
            if camera is None or camera.health is None or member.finished or id(member) in self._concluding:
                continue
            if not camera.over.is_set() or not member.feed.over or (camera.given_up and member.broken_off):
                continue
            self._concluding.add(id(member))
            self._work.put(partial(self._end, member, camera))

    def _end(self, member: Member, camera: EngineCamera) -> None:
        try:
            if camera.given_up:
                camera.while_given_up(member.break_off)
            else:
                self._engine.conclude(member, camera)
        finally:
            self._concluding.discard(id(member))

    def _consider(self, member: Member, now_s: float) -> None:
        """Tell a pipeline's ladder how the last second went, and follow it."""
        assert member.ladder is not None
        before = self._windows.get(member)
        if before is not None and now_s - before[0] < _WINDOW_S:
            return
        counts, ages = member.counts, member.meters.age.snapshot()
        self._windows[member] = (now_s, counts, ages)
        if before is None or member.name in self._walking:
            return
        window, age = counts.minus(before[1]), ages.minus(before[2])
        wanted = window.decoded - window.gated
        dropped = window.dropped_stale + window.dropped_full
        rung = member.ladder.observe(
            Load(
                now_s=now_s,
                p95_age_s=age.quantile(0.95) if age.count else 0.0,
                dropped_share=min(1.0, dropped / wanted) if wanted > 0 else 0.0,
                processed=window.processed,
            )
        )
        if rung is not None:
            self._walking.add(member.name)
            self._work.put(lambda: self.walk(member, rung))

    def walk(self, member: Member, rung: Rung) -> None:
        """Put a rung of a pipeline's ladder in force, and tell it."""
        engine = self._engine
        try:
            # Who changes a pipeline, or ends it, holds this too: its ladder may be another one by now.
            with engine.lanes.changing:
                ladder = member.ladder if engine.members.get(member.name) is member else None
                if ladder is None or not any(known is rung for known in ladder.rungs):
                    return
                full = member.look
                try:
                    engine.lanes.attach(member, LaneSpec(model_at(rung, full.model), full.appearance))
                except ArgusError:
                    ladder.refused()
                    raise
                down = rung.index > member.rung.index
                member.rung = rung
            engine.camera_lives.set_rate(member)
            reason = ladder.reason
            engine.tell(
                engine.facts.instant(
                    "pipeline.degraded" if down else "pipeline.restored",
                    member.camera,
                    member.name,
                    f"{rung.title}: {reason}" if reason else rung.title,
                )
            )
        except ArgusError as error:
            message = str(error)
            if rung.index > member.rung.index:
                message = f"{rung.title} is left out of what gives way: {message}"
            engine.tell(engine.facts.instant("model.failed", member.camera, member.name, message))
        finally:
            self._walking.discard(member.name)

    def _replace(self, lane: AnyLane, attempt: int) -> None:
        engine = self._engine
        found = [(lanes, o) for lanes in kinds_of(engine) for o in lanes.all if o.lane is lane]
        if not found or not lane.members or self._ending.is_set():
            return
        [(lanes, opened)] = found
        vanished = opened.spec.model.device not in {"auto", "cpu"}
        # First the same again, for what fails once may work; an accelerator that is gone has gone for good.
        model = on_cpu(opened.spec.model) if vanished else opened.spec.model
        with lanes.changing:
            members = lane.members
            try:
                other = lanes.open(replace(opened.spec, model=model))
            except ArgusError as error:
                wait_s = min(_LONGEST_RETRY_S, 2.0**attempt)
                self._log.warning("model.not_replaced", model=lane.name, error=str(error), retry_in_s=wait_s)
                self._not_replaced(lane)
                self._retries.append((self._clock() + wait_s, lane, attempt + 1))
                return
            lanes.move(members, other)
        message = f"{other.lane.description} in place of {lane.description}, which failed"
        say_of(engine, members, "model.swapped", message)

    @staticmethod
    def _not_replaced(lane: AnyLane) -> None:
        """Let nobody wait for what a model of a branch would say; frames wait with their feeds."""
        if isinstance(lane, BranchLane):
            lane.give_up()

    def _labour(self) -> None:
        while (work := self._work.get()) is not None:
            if self._ending.is_set():
                continue
            try:
                work()
            except Exception:  # noqa: BLE001 - a defect of ours; the next work is to be done all the same
                self._log.exception("engine.work_failed")
