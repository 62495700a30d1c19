"""Makes an engine into what a worker's config asks for, and keeps at what could not be done.

In a thread of its own, for models take seconds to open. Which steps lead there is `converge`; when what was
refused is tried again is `refusals`.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import structlog

from argus.core.errors import ArgusError
from argus.core.resources.pipeline import PipelineSpec
from argus.stream.clipping import Clips
from argus.stream.config import PipelinePlan, WorkerConfig
from argus.stream.converge import Running, Step, engine_spec, is_recording, steps
from argus.stream.keeping import Keeping
from argus.stream.recorder import Recorder
from argus.stream.refusals import AGAIN_S, Refusal, refused
from argus.vision.engine.engine import Engine
from argus.vision.engine.swapping import in_place_of, looks_of

_LOOK_S: Final = 0.5
"""How often it is looked whether something is to be tried again."""


class Converger:
    """See the module. Safe from any thread."""

    def __init__(
        self,
        engine: Engine,
        make_recorder: Callable[[str, PipelinePlan], Recorder],
        clips: Clips,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with an empty engine, and without the thread: see `start`.

        Args:
            engine: Is changed here and nowhere else.
            make_recorder: Makes the listener of a new pipeline.
            clips: Hears when a camera's packets are about to go.
            clock: Monotonic seconds.
        """
        self.running = Running()
        """What has been applied; replaced as a whole."""
        self.refusals: dict[str, Refusal] = {}
        """By pipeline; what is refused goes on as it was, if it was."""
        self.camera_problems: dict[str, str] = {}
        self.recorders: dict[str, Recorder] = {}
        """By pipeline."""
        self.digest = ""
        """Of the config that is applied."""
        self._engine = engine
        self._make_recorder = make_recorder
        self._clips = clips
        self._clock = clock
        self._wanted: tuple[WorkerConfig, str] | None = None
        self._beginnings = 0
        self._begun: dict[str, int] = {}
        self._owed: set[str] = set()
        """Pipelines that are to begin anew, and could not yet."""
        self._changed = threading.Condition()
        self._ending = False
        self._tried_s = 0.0
        self._thread = threading.Thread(target=self._run, name="argus-converge", daemon=True)
        self._log = structlog.get_logger()

    @property
    def wanted(self) -> WorkerConfig | None:
        """What shall run."""
        return None if self._wanted is None else self._wanted[0]

    @property
    def settled(self) -> bool:
        """True when what is wanted runs, or has been refused."""
        with self._changed:
            return self._wanted is not None and self._wanted[1] == self.digest

    def start(self) -> None:
        """Begin to work."""
        self._thread.start()

    def want(self, config: WorkerConfig, digest: str) -> None:
        """Let a config be what shall run; the last one wins. Returns at once."""
        with self._changed:
            self._wanted = config, digest
            self._changed.notify_all()

    def close(self, timeout_s: float) -> bool:
        """Take no further step; return whether the one under way has come to its end in time."""
        with self._changed:
            self._ending = True
            self._changed.notify_all()
        if self._thread.ident is not None:
            self._thread.join(timeout_s)
        return not self._thread.is_alive()

    def _run(self) -> None:
        while (wanted := self._next()) is not None:
            config, digest = wanted
            try:
                finished = self._converge(config, digest)
            except Exception:  # noqa: BLE001 - a defect of ours; what runs goes on, and the next config may work
                self._log.exception("config.not_applied")
                finished = True
            with self._changed:
                # What was begun and not finished is neither the one nor the other, also where the other is
                # wanted again.
                self.digest = digest if finished else ""

    def _next(self) -> tuple[WorkerConfig, str] | None:
        """Wait for something to do; None: it is over."""
        with self._changed:
            while not self._ending:
                if self._wanted is not None and (
                    self._wanted[1] != self.digest or self._clock() - self._tried_s >= AGAIN_S
                ):
                    self._tried_s = self._clock()
                    return self._wanted
                self._changed.wait(_LOOK_S)
            return None

    def _superseded(self, digest: str) -> bool:
        with self._changed:
            return self._ending or self._wanted is None or self._wanted[1] != digest

    def _converge(self, config: WorkerConfig, digest: str) -> bool:
        """Take the steps to a config; return False where another one came meanwhile."""
        now_s = self._clock()
        self._forget(config)
        for step in steps(self.running, config):
            if self._superseded(digest):
                return False
            before = self.refusals.get(step.name)
            plan = config.pipelines.get(step.name)
            of_pipeline = step.do not in {"add camera", "change camera", "release camera", "remove camera"}
            if of_pipeline and plan is not None and before is not None and not before.is_due(plan, now_s):
                continue
            self._take(step, config, plan if of_pipeline else None)
        # Who failed did so at a frame: another one may do.
        failed = {name for name, member in list(self._engine.members.items()) if member.error is not None}
        for name in sorted((self._owed | failed) & self.running.pipelines.keys()):
            refusal, plan = self.refusals.get(name), self.running.pipelines[name]
            if not self._superseded(digest) and (refusal is None or refusal.is_due(plan, now_s)):
                self._take(Step("begin anew", name), config, plan)
        self._keep_packets(config)
        return True

    def _forget(self, config: WorkerConfig) -> None:
        """Forget refusals of what is wanted no longer."""
        self._owed &= config.pipelines.keys()
        self.refusals = {
            name: refusal
            for name, refusal in self.refusals.items()
            if name in config.pipelines
            and (name in self._owed or self.running.pipelines.get(name) != config.pipelines[name])
        }

    def _take(self, step: Step, config: WorkerConfig, plan: PipelinePlan | None) -> None:
        try:
            if plan is not None and step.do != "remove pipeline":
                self._pipeline(step, plan)
            elif step.do == "remove pipeline":
                self._remove_pipeline(step.name)
            else:
                self._camera(step, config)
        except Exception as error:  # noqa: BLE001 - one that is refused leaves the others as they are
            if not isinstance(error, ArgusError):
                self._log.exception("step.failed", step=step.do, name=step.name)
            if plan is None:
                self.camera_problems[step.name] = str(error)
            else:
                self._refuse(step, plan, error)
        else:
            if plan is None:
                self.camera_problems.pop(step.name, None)
            else:
                self.refusals.pop(step.name, None)

    def _refuse(self, step: Step, plan: PipelinePlan, error: Exception) -> None:
        if step.do == "begin anew":
            self._owed.add(step.name)
        before = self.refusals.get(step.name)
        refusal = refused(plan, error, self._clock())
        self.refusals = {**self.refusals, step.name: refusal}
        if before is not None and (before.plan, before.message) == (plan, refusal.message):
            return  # it was said
        self._log.warning(
            "pipeline.refused", pipeline=step.name, generation=plan.generation, reason=refusal.reason,
            message=refusal.message, goes_on_as_it_was=step.name in self._engine.members,
        )  # fmt: skip
        if step.name in self._engine.members and step.do == "swap model":
            self._say("model.failed", step.name, refusal.message)

    def _pipeline(self, step: Step, plan: PipelinePlan) -> None:
        engine, name = self._engine, step.name
        if step.do == "add pipeline":
            recorder = self._make_recorder(name, plan)
            engine.add_pipeline(name, self._spec(name, plan), camera=plan.camera, listener=recorder)
            self.recorders = {**self.recorders, name: recorder}
            engine.trace(name, recorder.trace)
        else:
            if step.do == "begin anew":
                self._beginnings += 1
                self._begun[name] = self._beginnings
            if step.do != "keep otherwise":
                before = looks_of(engine, name)
                engine.change_pipeline(name, self._spec(name, plan))
                if step.do == "swap model":
                    self._say("model.swapped", name, in_place_of(before, looks_of(engine, name)))
            self.recorders[name].respec(plan.spec, plan.camera)
            self._owed.discard(name)
        self.running = replace(self.running, pipelines={**self.running.pipelines, name: plan})
        self._log.info("pipeline.applied", pipeline=name, step=step.do, generation=plan.generation)

    def _spec(self, name: str, plan: PipelinePlan) -> PipelineSpec:
        return engine_spec(plan, self._begun.get(name, 0))

    def _remove_pipeline(self, name: str) -> None:
        pipelines = {other: plan for other, plan in self.running.pipelines.items() if other != name}
        self.running = replace(self.running, pipelines=pipelines)
        self._engine.remove_pipeline(name)
        self.recorders = {other: r for other, r in self.recorders.items() if other != name}
        self._begun.pop(name, None)
        self._log.info("pipeline.removed", pipeline=name)

    def _camera(self, step: Step, config: WorkerConfig) -> None:
        engine, name = self._engine, step.name
        cameras = {other: spec for other, spec in self.running.cameras.items() if other != name}
        if step.do == "add camera":
            held = is_recording(config.cameras[name].url)
            if held:
                self._open_model(name, config)
            engine.add_camera(name, config.cameras[name], held=held, keep_s=_packets_s(name, config))
        elif step.do == "change camera":
            self._clips.flush(name, "its camera was changed")
            engine.change_camera(name, config.cameras[name])
        elif step.do == "release camera":
            engine.release(name)
            return
        else:
            self._clips.flush(name, "its camera was removed")
            for pipeline in [p for p, plan in self.running.pipelines.items() if plan.camera == name]:
                self._remove_pipeline(pipeline)
            engine.remove_camera(name)
        if name in config.cameras:
            cameras[name] = config.cameras[name]
        self.running = replace(self.running, cameras=cameras)
        self._log.info("camera.applied", camera=name, step=step.do)

    def _open_model(self, camera: str, config: WorkerConfig) -> None:
        """Open the first model that will look at a recording before time begins to pass for it."""
        plan = next((plan for plan in config.pipelines.values() if plan.camera == camera), None)
        if plan is not None:
            with contextlib.suppress(ArgusError):  # said when the pipeline is added
                self._engine.lanes.open(self._engine.look_of(engine_spec(plan)))

    def _keep_packets(self, config: WorkerConfig) -> None:
        for name in self.running.cameras:
            try:
                self._engine.footage.keep(name, _packets_s(name, config))
            except ArgusError as error:
                self._log.warning("packets.not_kept", camera=name, error=str(error))

    def _say(self, type_: str, name: str, message: str) -> None:
        engine = self._engine
        camera = engine.members[name].camera
        engine.tell(engine.facts.instant(type_, camera, name, message))  # type: ignore[arg-type]  # an EventType


def _packets_s(camera: str, config: WorkerConfig) -> float:
    plans = [plan for plan in config.pipelines.values() if plan.camera == camera]
    return max((Keeping.of(plan.spec).packets_s for plan in plans), default=0.0)
