"""What a worker says of itself, read off its parts."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any

from argus.core.urls import mask_urls
from argus.stream.config import PipelinePlan, WorkerConfig
from argus.stream.converger import Converger
from argus.stream.health import ills_of_cameras, ills_of_models, ills_of_storage
from argus.stream.rates import Rates
from argus.stream.report import CameraReport, PipelineReport, WorkerReport
from argus.stream.scribe import Scribe
from argus.vision.engine.engine import Engine
from argus.vision.engine.status import CameraStatus, EngineStatus, PipelineStatus


class Reporting:
    """Looks at one worker's parts; for its event loop."""

    def __init__(self, name: str, engine: Engine, converger: Converger, scribe: Scribe, pid: int) -> None:
        """Begin to look."""
        self.config_problem = ""
        """Why the file as it is now cannot be applied."""
        self._name = name
        self._engine = engine
        self._converger = converger
        self._scribe = scribe
        self._pid = pid
        self._started_at = datetime.now(UTC)
        self._rates = Rates()

    def sample(self) -> None:
        """Take note of counters; once a second."""
        counts: dict[Any, int] = {
            ("camera", name): camera.decoded for name, camera in list(self._engine.cameras.items())
        }
        for name, member in list(self._engine.members.items()):
            counts["pipeline", name] = member.counts.processed
        self._rates.sample(time.monotonic(), counts)
        self._scribe.stuck_s(time.monotonic())

    def report(self) -> WorkerReport:
        """Return how the worker is."""
        status = self._engine.status()
        said = status.to_json()
        config = self._converger.wanted
        ills = self.ills(status)
        return WorkerReport(
            worker=self._name,
            pid=self._pid,
            started_at=self._started_at,
            ready=self._converger.settled,
            healthy=not ills,
            unhealthy=ills,
            config=self._converger.digest,
            config_problem=self.config_problem,
            cameras=self._cameras(status, config),
            pipelines=self._pipelines(status, config),
            models=tuple(said["models"]),
            branch_models=tuple(said["branch_models"]),
            backlog=self._scribe.backlog,
            storage_problem=self._scribe.problem,
        )

    def ills(self, status: EngineStatus) -> tuple[str, ...]:
        """Return why the worker is not well, a sentence each."""
        return (
            *ills_of_cameras(status.cameras, self._converger.running.cameras),
            *ills_of_models(status.models),
            *ills_of_storage(self._scribe.problem, self._scribe.stuck_s(time.monotonic())),
        )

    def _cameras(self, status: EngineStatus, config: WorkerConfig | None) -> tuple[CameraReport, ...]:
        here = tuple(self._camera(camera) for camera in status.cameras)
        names = {camera.name for camera in here}
        problems = self._converger.camera_problems
        coming = tuple(
            CameraReport(name=name, state="connecting", reason=problems.get(name, "about to be opened"))
            for name in (config.cameras if config is not None else ())
            if name not in names
        )
        return here + coming

    def _camera(self, status: CameraStatus) -> CameraReport:
        camera = self._engine.cameras.get(status.name)
        frame = None if camera is None else camera.latest
        return CameraReport(
            name=status.name,
            state=status.state,
            reason=mask_urls(status.reason),
            for_s=round(status.for_s, 2),
            decoded=status.decoded,
            corrupt=status.corrupt,
            connections=status.connections,
            fps=round(self._rates.of(("camera", status.name)), 2),
            width=0 if frame is None else frame.width,
            height=0 if frame is None else frame.height,
            over=status.given_up or (camera is not None and camera.over.is_set()),
            given_up=status.given_up,
            retries=status.retries,
        )

    def _pipelines(self, status: EngineStatus, config: WorkerConfig | None) -> tuple[PipelineReport, ...]:
        here = {pipeline.name: pipeline for pipeline in status.pipelines}
        plans = {**(config.pipelines if config is not None else {}), **self._converger.running.pipelines}
        return tuple(self._pipeline(name, plan, here.get(name)) for name, plan in plans.items())

    def _pipeline(self, name: str, plan: PipelinePlan, status: PipelineStatus | None) -> PipelineReport:
        applied = self._converger.running.pipelines.get(name)
        refusal = self._converger.refusals.get(name)
        recorder = self._converger.recorders.get(name)
        reason = message = ""
        if refusal is not None:
            reason, message = refusal.reason, refusal.message
        elif status is not None and status.error is not None:
            reason, message = "StepFailed", f"{status.error}: it is begun anew every half minute"
        elif applied is None:
            reason, message = "Starting", "its model is being opened"
        return PipelineReport(
            name=name,
            camera=plan.camera,
            generation=0 if applied is None else applied.generation,
            model="" if status is None else status.model,
            frames={} if status is None else status.frames.to_json(),
            fps=round(self._rates.of(("pipeline", name)), 2),
            latency={} if status is None else status.latency,
            rung="full service" if status is None else status.rung,
            events=0 if recorder is None else recorder.events.total(),
            alerts=0 if recorder is None else recorder.alerts.total(),
            refused_generation=None if refusal is None else refusal.plan.generation,
            reason=reason,
            message=mask_urls(message),
        )
