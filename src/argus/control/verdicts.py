"""What is said of a pipeline, a camera and a model: conditions made of what is known of their worker. Pure.

Conditions follow Kubernetes' conventions; a reason is for programs, a message for people and says what to do.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from argus.control.rendering import Obstacle
from argus.control.runtime.protocol import WorkloadStatus
from argus.core.resources.resource import Condition, Resource, Truth, with_conditions
from argus.stream.report import CameraReport, PipelineReport, WorkerReport

_ILL: Final = frozenset({"frozen", "lost", "dark", "covered", "blurred", "moved"})


class Teller:
    """Makes the conditions of one resource at one moment."""

    def __init__(self, resource: Resource, now: datetime) -> None:
        self._resource = resource
        self._now = now
        self._said: list[Condition] = []

    def say(self, type_: str, truth: Truth | bool, reason: str, message: str = "") -> None:
        """Say one condition."""
        status: Truth = truth if isinstance(truth, str) else "True" if truth else "False"
        self._said.append(
            Condition(
                type=type_,
                status=status,
                reason=reason,
                message=message,
                last_transition_time=self._now,
                observed_generation=self._resource.metadata.generation,
            )
        )

    def status(self, **facts: Any) -> dict[str, Any]:
        """Return a whole status; facts that are None are left out."""
        return {
            "observedGeneration": self._resource.metadata.generation,
            **{key: value for key, value in facts.items() if value is not None},
            "conditions": with_conditions(self._resource.conditions, self._said),
        }


def pipeline_waits(resource: Resource, obstacle: Obstacle, now: datetime) -> dict[str, Any]:
    """Return the status of a pipeline that cannot run yet."""
    teller = Teller(resource, now)
    teller.say("Accepted", False, obstacle.reason, obstacle.message)
    teller.say("Ready", False, obstacle.reason, obstacle.message)
    return teller.status(phase="Waiting", camera=resource.spec.get("camera"))


def pipeline_status(
    resource: Resource,
    worker: str,
    workload: WorkloadStatus | None,
    report: WorkerReport | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the status of a pipeline that has a worker."""
    teller = Teller(resource, now)
    teller.say("Accepted", True, "Resolved", "its camera, models and secrets are there")
    mine = next((p for p in report.pipelines if p.name == resource.name), None) if report else None
    camera = _camera_of(mine, report)
    phase, reason, message = _pipeline_phase(resource, worker, workload, report, mine)
    teller.say("Ready", phase == "Running", reason, message)
    if camera is not None:
        _say_camera(teller, camera, "CameraOnline")
    return teller.status(
        phase=phase,
        worker=worker,
        camera=resource.spec.get("camera"),
        model=mine.model or None if mine else None,
        rung=mine.rung if mine and mine.rung != "full service" else None,
    )


def _pipeline_phase(
    resource: Resource,
    worker: str,
    workload: WorkloadStatus | None,
    report: WorkerReport | None,
    mine: PipelineReport | None,
) -> tuple[str, str, str]:
    generation = resource.metadata.generation
    if workload is None or workload.state == "pending":
        return "Starting", "WorkerStarting", f"{worker} is being started"
    if workload.state == "failed":
        return "Failed", "WorkerFailed", f"{worker} was given up: {_why(workload)}"
    if workload.state == "backing-off" or (workload.pid is None and workload.restarts):
        return "Restarting", "WorkerDied", f"{worker} died and is started again: {_why(workload)}"
    if mine is None:
        last = f" (it ended before: {_why(workload)})" if workload.restarts and _why(workload) else ""
        return "Starting", "WorkerStarting", f"{worker} runs and has not taken it up yet{last}"
    if mine.refused_generation == generation:
        going_on = f"; generation {mine.generation} goes on" if mine.generation else ""
        phase = "Degraded" if mine.generation else "Failed"
        return phase, mine.reason or "SpecRefused", f"{mine.message or 'its worker refused it'}{going_on}"
    if mine.generation < generation and report is not None and report.config_problem:
        return "Degraded", "ConfigRefused", f"{worker} cannot take up its config: {report.config_problem}"
    if mine.generation < generation:
        return "Updating", "Updating", f"{worker} still runs generation {mine.generation}"
    if mine.reason:
        return ("Starting" if mine.reason == "Starting" else "Failed"), mine.reason, mine.message
    if mine.rung != "full service":
        return "Running", "ServiceReduced", f"it has too much to do, and is down to: {mine.rung}"
    return "Running", "Running", f"{worker} looks at {mine.camera}"


def _why(workload: WorkloadStatus) -> str:
    told = (line.strip().removeprefix("error: ") for line in workload.last_lines[-3:])
    lines = " | ".join(line for line in told if line)
    said = workload.reason or workload.last_exit
    text = f"{said}; it said last: {lines}" if lines and lines not in said else said
    return text[:1000]


def camera_status(
    resource: Resource,
    users: Sequence[str],
    workload: WorkloadStatus | None,
    report: WorkerReport | None,
    now: datetime,
) -> dict[str, Any]:
    """Return the status of a camera.

    Args:
        resource: The camera.
        users: Pipelines that look at it.
        workload: The worker that reads it, where there is one.
        report: What that says.
        now: The wall clock's time.
    """
    teller = Teller(resource, now)
    mine = next((c for c in report.cameras if c.name == resource.name), None) if report else None
    if not users:
        teller.say("Online", "Unknown", "NotWatched", "no pipeline looks at it, so nobody opens it")
        return teller.status(state="unused")
    if mine is None:
        message = "its worker has not opened it yet"
        if workload is not None and _why(workload):
            message = f"its worker does not run: {_why(workload)}"
        teller.say("Online", "Unknown", "WorkerStarting", message)
        return teller.status(state="connecting", pipelines=sorted(users))
    _say_camera(teller, mine, "Online")
    return teller.status(
        state="ended" if mine.over else mine.state,
        pipelines=sorted(users),
        resolution=f"{mine.width}x{mine.height}" if mine.width else None,
    )


def _say_camera(teller: Teller, camera: CameraReport, type_: str) -> None:
    if camera.over:
        teller.say(type_, False, "Ended", camera.reason or "the recording was played to its end")
    elif camera.state == "connecting":
        teller.say(type_, "Unknown", "Connecting", camera.reason)
    else:
        ill = camera.state in _ILL
        teller.say(type_, not ill, camera.state.capitalize(), camera.reason if ill else "")


def _camera_of(mine: PipelineReport | None, report: WorkerReport | None) -> CameraReport | None:
    if mine is None or report is None:
        return None
    return next((c for c in report.cameras if c.name == mine.camera), None)


def model_status(
    resource: Resource, users: Sequence[str], loaded: str | None, failure: str | None, now: datetime
) -> dict[str, Any]:
    """Return the status of a model.

    Args:
        resource: The model.
        users: Pipelines that name it.
        loaded: How the engine describes it, where some worker has it open.
        failure: Why some worker could not open it.
        now: The wall clock's time.
    """
    teller = Teller(resource, now)
    if failure:
        teller.say("Loaded", False, "ModelRefused", failure)
    elif loaded:
        teller.say("Loaded", True, "Loaded", loaded)
    elif users:
        teller.say("Loaded", "Unknown", "Waiting", "no worker has opened it yet")
    else:
        teller.say("Loaded", "Unknown", "NotUsed", "no pipeline names it")
    return teller.status(usedBy=sorted(users) or None, description=loaded)
