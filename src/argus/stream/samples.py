"""A worker's figures, as the metric registry declares them."""

from __future__ import annotations

import time
from collections import defaultdict
from typing import get_args

from argus.core.metric_registry import Samples
from argus.core.resources.camera import CameraState
from argus.stream.bulletin import Bulletin
from argus.stream.clipping import Clips
from argus.stream.converger import Converger
from argus.stream.report import WorkerReport
from argus.stream.scribe import Scribe
from argus.vision.engine.engine import Engine
from argus.vision.engine.status import ModelStatus


def samples_of(
    engine: Engine,
    converger: Converger,
    bulletin: Bulletin,
    scribe: Scribe,
    clips: Clips,
    report: WorkerReport,
) -> Samples:
    """Return all that a worker has to say now."""
    samples = Samples()
    _cameras(samples, report)
    _pipelines(samples, engine, report)
    _events(samples, converger, bulletin)
    _models(samples, engine)
    samples.set("argus_storage_backlog_records", scribe.backlog)
    samples.set("argus_storage_dropped_records_total", scribe.dropped)
    samples.set("argus_storage_failing", bool(scribe.problem))
    samples.set("argus_clips_kept_total", clips.kept)
    samples.set("argus_clips_lost_total", clips.lost)
    samples.set("argus_uptime_seconds", max(0.0, time.time() - report.started_at.timestamp()))
    return samples


def _cameras(samples: Samples, report: WorkerReport) -> None:
    for camera in report.cameras:
        of_camera = {"camera": camera.name}
        for state in get_args(CameraState):
            samples.set("argus_camera_state", state == camera.state, of_camera | {"state": state})
        samples.set("argus_camera_state_seconds", camera.for_s, of_camera)
        samples.set("argus_camera_frames_decoded_total", camera.decoded, of_camera)
        samples.set("argus_camera_frames_corrupt_total", camera.corrupt, of_camera)
        samples.set("argus_camera_reconnects_total", max(0, camera.connections - 1), of_camera)


def _pipelines(samples: Samples, engine: Engine, report: WorkerReport) -> None:
    for pipeline in report.pipelines:
        labels = {"camera": pipeline.camera, "pipeline": pipeline.name}
        for outcome, count in pipeline.frames.items():
            if outcome not in {"decoded", "on_the_way"}:
                samples.set("argus_frames_total", count, labels | {"outcome": outcome})
        samples.set("argus_frames_waiting", pipeline.frames.get("on_the_way", 0), labels)
        samples.set("argus_pipeline_degraded", pipeline.rung != "full service", labels)
        samples.set("argus_pipeline_failed", pipeline.reason not in {"", "Starting"}, labels)
        member = engine.members.get(pipeline.name)
        if member is not None:
            meters = member.meters
            stages = {"wait": meters.wait, "infer": meters.infer, "steps": meters.steps}
            for stage, histogram in stages.items():
                samples.histogram("argus_stage_seconds", histogram.snapshot(), labels | {"stage": stage})
            samples.histogram("argus_frame_age_seconds", meters.age.snapshot(), labels)
            samples.histogram("argus_glass_to_event_seconds", meters.event.snapshot(), labels)


def _events(samples: Samples, converger: Converger, bulletin: Bulletin) -> None:
    events, alerts = bulletin.events.copy(), bulletin.alerts.copy()
    for name, recorder in converger.recorders.items():
        for type_, count in recorder.events.copy().items():
            events[recorder.camera, name, type_] += count
        for severity, count in recorder.alerts.copy().items():
            alerts[recorder.camera, name, severity] += count
    for (camera, pipeline, type_), count in events.items():
        labels = {"camera": camera, "pipeline": pipeline, "type": type_}
        samples.set("argus_events_total", count, labels)
    for (camera, pipeline, severity), count in alerts.items():
        labels = {"camera": camera, "pipeline": pipeline, "severity": severity}
        samples.set("argus_alerts_total", count, labels)


def _models(samples: Samples, engine: Engine) -> None:
    """Say what models do; those of one name, such as one that failed and what came in its place, together."""
    by_name: dict[str, list[ModelStatus]] = defaultdict(list)
    status = engine.status()
    for model in status.models:
        by_name[model.name].append(model)
    for name, models in by_name.items():
        labels = {"model": name}
        count = sum(model.inferences for model in models)
        seconds = sum(model.inferences * model.inference_ms / 1000 for model in models)
        frames = sum(model.inferences * model.occupancy for model in models)
        samples.set("argus_inferences_total", count, labels)
        samples.set("argus_inference_seconds", seconds / count if count else 0.0, labels)
        samples.set("argus_batch_frames", frames / count if count else 0.0, labels)
        samples.set("argus_batch_limit_frames", max(model.batch for model in models), labels)
        failed = any(model.failure is not None and model.pipelines for model in models)
        samples.set("argus_model_failed", failed, labels)
    samples.set("argus_threads_abandoned", status.threads_left)
