"""How a pipeline and a camera are doing at a glance: one word, and why. Pure.

Made of what the runtime knows of their worker and what that says itself. Where several things are wrong, the
one is said that has to be mended first. The words are those of `argus.core.resources.phases`.
"""

from __future__ import annotations

from typing import Final, NamedTuple, cast

from argus.control.runtime.protocol import WorkloadStatus
from argus.core.resources.phases import CameraPhase, PipelinePhase
from argus.core.resources.resource import Resource, Truth
from argus.stream.report import CameraReport, PipelineReport, WorkerReport

_BLIND: Final = frozenset({"frozen", "lost"})
"""States in which a camera gives nothing new to look at."""
_UNCLEAR: Final = frozenset({"dark", "covered", "blurred", "moved"})


class Glance(NamedTuple):
    """How a pipeline is doing."""

    phase: PipelinePhase
    ready: Truth
    """True where what is declared now is done with frames that come."""
    reason: str
    """In one CamelCase word."""
    message: str


class CameraGlance(NamedTuple):
    """How a camera is doing."""

    phase: CameraPhase
    online: Truth
    reason: str
    message: str


def pipeline_glance(
    resource: Resource, worker: str, workload: WorkloadStatus | None, report: WorkerReport | None
) -> Glance:
    """Return how a pipeline that has a worker is doing."""
    ill = _worker_ill(worker, workload, report)
    if ill is not None or report is None or workload is None:
        return ill or Glance("Starting", "False", "WorkerStarting", f"{worker} is being started")
    mine = next((p for p in report.pipelines if p.name == resource.name), None)
    if mine is None:
        return Glance(
            "Starting", "False", "WorkerStarting",
            f"{worker} runs and has not taken it up yet{_before(workload)}",
        )  # fmt: skip
    camera = next((c for c in report.cameras if c.name == mine.camera), None)
    return (
        _not_as_declared(resource.metadata.generation, worker, report, mine)
        or _failing(report, mine)
        or _camera_ill(mine.camera, camera, worker)
        or _less_than_full(worker, report, mine)
        or Glance("Running", "True", "Running", f"{worker} looks at {mine.camera}")
    )


def camera_glance(name: str, workload: WorkloadStatus | None, report: WorkerReport | None) -> CameraGlance:
    """Return how a camera is doing that pipelines look at."""
    mine = next((c for c in report.cameras if c.name == name), None) if report is not None else None
    if mine is None:
        return _unread(workload, report)
    phase = phase_of(mine)
    if phase == "ended":
        return CameraGlance(phase, "False", "Ended", mine.reason or "the recording was played to its end")
    if phase == "failed":
        worker = report.worker if report is not None else ""
        return CameraGlance(phase, "False", "GivenUp", f"it was {_given_up(mine, worker)}")
    if phase == "connecting":
        return CameraGlance(phase, "Unknown", "Connecting", mine.reason)
    if phase in _BLIND | _UNCLEAR:
        return CameraGlance(phase, "False", phase.capitalize(), mine.reason)
    return CameraGlance("online", "True", "Online", "")


def phase_of(camera: CameraReport) -> CameraPhase:
    """Return the word for what a worker says of a camera."""
    if camera.over:
        return "failed" if camera.given_up else "ended"
    return cast("CameraPhase", camera.state)


def why_it_ended(workload: WorkloadStatus) -> str:
    """Return why a workload does not run, or ended last, with its last lines; empty: nobody knows."""
    told = (line.strip().removeprefix("error: ") for line in workload.last_lines[-3:])
    lines = " | ".join(line for line in told if line)
    said = workload.reason or workload.last_exit
    text = f"{said}; it said last: {lines}" if lines and lines not in said else said
    return text[:1000]


def _worker_ill(worker: str, workload: WorkloadStatus | None, report: WorkerReport | None) -> Glance | None:
    if workload is None or workload.state == "pending":
        return Glance("Starting", "False", "WorkerStarting", f"{worker} is being started")
    if workload.state == "failed":
        return Glance("Failed", "False", "WorkerFailed", f"{worker} was given up: {why_it_ended(workload)}")
    if workload.state == "backing-off" or (workload.pid is None and workload.restarts):
        message = f"{worker} died and is started again: {why_it_ended(workload)}"
        return Glance("Restarting", "False", "WorkerDied", message)
    if report is not None:
        return None
    if workload.state == "running":
        return Glance("Unknown", "Unknown", "WorkerSilent", f"{worker} runs and does not answer")
    message = f"{worker} begins{_before(workload)}"
    return Glance("Starting", "False", "WorkerStarting", message)


def _before(workload: WorkloadStatus) -> str:
    why = why_it_ended(workload) if workload.restarts else ""
    return f" (it ended before: {why})" if why else ""


def _not_as_declared(
    generation: int, worker: str, report: WorkerReport, mine: PipelineReport
) -> Glance | None:
    if mine.refused_generation == generation:
        going_on = f"; generation {mine.generation} goes on" if mine.generation else ""
        message = f"{mine.message or 'its worker refused it'}{going_on}"
        phase: PipelinePhase = "Degraded" if mine.generation else "Failed"
        return Glance(phase, "False", mine.reason or "SpecRefused", message)
    if mine.generation < generation and report.config_problem:
        message = f"{worker} cannot take up its config: {report.config_problem}"
        return Glance("Degraded", "False", "ConfigRefused", message)
    if mine.reason == "Starting":
        return Glance("Starting", "False", "Starting", mine.message)
    if mine.generation < generation:
        return Glance("Updating", "False", "Updating", f"{worker} still runs generation {mine.generation}")
    return None


def _failing(report: WorkerReport, mine: PipelineReport) -> Glance | None:
    if mine.reason:
        return Glance("Failed", "False", mine.reason, mine.message)
    for model in report.models:
        if model.get("failure") and mine.name in model.get("pipelines", ()):
            message = f"model {model.get('name')} is gone: {model['failure']}"
            return Glance("Failed", "False", "ModelFailed", message)
    return None


def _given_up(camera: CameraReport, worker: str) -> str:
    """Return why a camera was given up, and what to do."""
    return (
        f"{camera.reason or 'given up'}; `argus restart {worker}`, or a change of the camera, calls it again"
    )


def _camera_ill(name: str, camera: CameraReport | None, worker: str) -> Glance | None:
    if camera is None:
        return Glance("Starting", "False", "CameraConnecting", f"camera {name} is about to be opened")
    why = f": {camera.reason}" if camera.reason else ""
    if camera.given_up:
        return Glance("Failed", "False", "CameraGivenUp", f"camera {name} was {_given_up(camera, worker)}")
    if camera.over:
        return Glance("Ended", "False", "Ended", f"camera {name} has come to its end{why}")
    if camera.state == "connecting":
        return Glance("Starting", "False", "CameraConnecting", f"camera {name} is being opened{why}")
    if camera.state in _BLIND | _UNCLEAR:
        looked: Truth = "True" if camera.state in _UNCLEAR else "False"
        message = f"camera {name} is {camera.state}{why}"
        return Glance("Degraded", looked, f"Camera{camera.state.capitalize()}", message)
    return None


def _less_than_full(worker: str, report: WorkerReport, mine: PipelineReport) -> Glance | None:
    if not has_looked(mine):
        return Glance("Starting", "False", "NoFrameYet", f"{worker} has not looked at a frame of it yet")
    if report.storage_problem:
        message = f"its results wait on the disk of {worker}: {report.storage_problem}"
        return Glance("Degraded", "True", "StorageFailing", message)
    if mine.rung != "full service":
        message = f"it has too much to do, and is down to: {mine.rung}"
        return Glance("Degraded", "True", "ServiceReduced", message)
    return None


def has_looked(report: PipelineReport) -> bool:
    """Return whether a pipeline has looked at a frame, or seen that nothing moved in it."""
    return bool(report.frames.get("processed") or report.frames.get("gated"))


def _unread(workload: WorkloadStatus | None, report: WorkerReport | None) -> CameraGlance:
    """Return how a camera is that no worker speaks of."""
    ill = _worker_ill("its worker", workload, report)
    if ill is None or ill.phase == "Starting":
        return CameraGlance("connecting", "Unknown", "WorkerStarting", "its worker has not opened it yet")
    return CameraGlance("unknown", "Unknown", ill.reason, ill.message)
