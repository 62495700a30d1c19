"""A run as somebody asks for it: names and files in, files and a summary out.

Opens everything first and complains before the first frame; the work itself is `cameras`.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cv2

from argus.core.errors import SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.files import read_pipeline
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import DetectSpec, PipelineSpec
from argus.core.resources.track import TrackSpec
from argus.core.urls import mask_url
from argus.vision.engine.assembly import followed_at, lower
from argus.vision.engine.notices import Notice
from argus.vision.models.protocols import Detector
from argus.vision.runner.cameras import Watch, watch_cameras
from argus.vision.runner.outputs import STILL, Paths
from argus.vision.runner.summary import RunSummary
from argus.vision.sources import open_source
from argus.vision.sources.protocol import Source, SourceInfo


@dataclass(frozen=True, slots=True)
class Job:
    """What to run and what to write. None means: not wanted, or as the spec says."""

    source: str
    name: str | None = None
    """What people call the source, and the camera in every event; None: its address or file name."""
    model: str | None = None
    pipeline: Path | PipelineSpec | None = None
    engine: str | None = None
    precision: str | None = None
    device: str | None = None
    labels: Path | None = None
    layout: str | None = None
    trusted: bool = False
    classes: tuple[str, ...] | None = None
    confidence: float | None = None
    iou: float | None = None
    fps: float | None = None
    track: bool | None = None
    """None tracks videos and cameras, and leaves pictures alone."""
    limit: int | None = None
    out: Path | None = None
    events: Path | None = None
    detections: Path | None = None
    report: Path | None = None
    snapshots: Path | None = None
    agreement: Path | None = None
    """Folder for the report on the candidate in the shadow of the model."""
    retries: int = -1
    """Attempts in a row to reach a camera that broke off; -1: for ever."""
    transport: Literal["tcp", "udp"] | None = None
    """How RTSP carries the picture; None: as the camera's file says, or `tcp`."""

    @property
    def paths(self) -> Paths:
        """What to write."""
        return Paths(self.out, self.events, self.detections, self.report, self.snapshots, self.agreement)


def leave_cores_to_the_engine() -> None:
    """Keep OpenCV in the calling thread, for the whole process.

    By its default it spreads a resize of 0.3 ms over all cores, which costs twice the CPU time, gains
    nothing, and takes the cores from the inference that runs beside it. For programs that own their
    process; a library's user may want it otherwise, so `run_job` does not call it.
    """
    cv2.setNumThreads(1)


def default_model(source: str) -> str:
    """Return the model used where nobody names one: what is built in and fits the source."""
    return "builtin:plaza" if source.startswith("synthetic:") else "builtin:people"


def run_job(
    job: Job,
    *,
    detector: Detector | None = None,
    on_open: Callable[[SourceInfo], None] | None = None,
    on_frame: Callable[[RunSummary], None] | None = None,
    on_notice: Callable[[Notice], None] | None = None,
    stop: threading.Event | None = None,
) -> RunSummary:
    """Do a job and return its sums; the files it names are complete when it returns.

    Args:
        job: What to do.
        detector: Use this one instead of loading the job's model; it stays open.
        on_open: Called with what is known of the source before the first frame.
        on_frame: Called after each frame with the sums so far.
        on_notice: Called with what is told of a camera besides results: online, lost, frozen …
        stop: When set, the run ends early, its files complete.

    Raises:
        SpecError: something asked for is impossible.
        SourceError: the source cannot be opened, or broke.
        ModelError: the model cannot be loaded, or failed.
        OutputError: a file cannot be written.
    """
    _refuse_one_file_for_two(job)
    spec, model = resolve(job)
    with open_source(
        job.source, fps=lower(job.fps, spec.fps), name=job.name, transport=job.transport or "tcp"
    ) as source:
        spec = _fit_to_source(spec, source, job)
        if on_open is not None:
            on_open(source.info)
        watch = Watch(
            {source.info.name: camera_of(job, job.source)},
            spec,
            model,
            job.paths,
            live=source.info.live,
            limit=job.limit,
            insists=False,
        )
        [summary] = watch_cameras(
            watch,
            detector=None if detector is None else _Borrowed(detector),
            opened={source.info.name: source},
            on_frame=on_frame,
            on_notice=on_notice,
            stop=stop,
        ).summaries
    summary.outputs = job.paths.written()
    return summary


def camera_of(job: Job, url: str, declared: CameraSpec | None = None) -> CameraSpec:
    """Return the camera that a run means by an address or a file declares; options win over the file."""
    if declared is not None:
        reconnect = declared.reconnect
        if job.retries >= 0:
            reconnect = reconnect.model_copy(update={"max_retries": job.retries})
        return declared.model_copy(
            update={
                "reconnect": reconnect,
                "fps": declared.fps if job.fps is None else job.fps,
                "transport": job.transport or declared.transport,
            }
        )
    wanted: dict[str, Any] = {"url": url, "fps": job.fps, "reconnect": {"max_retries": job.retries}}
    if job.transport is not None:
        wanted["transport"] = job.transport
    return CameraSpec.read(wanted, f"camera {mask_url(url)}")


class _Borrowed:
    """Somebody else's detector, which stays open when the engine is done with it."""

    def __init__(self, detector: Detector) -> None:
        self.name, self.labels = detector.name, detector.labels
        self.detect = detector.detect
        for name in ("submit", "depth", "batch", "description"):
            if hasattr(detector, name):
                setattr(self, name, getattr(detector, name))

    def close(self) -> None:
        """Leave it open."""


def resolve(job: Job) -> tuple[PipelineSpec, ModelSpec]:
    """Return the pipeline and the model that the job means; options win over the file."""
    if isinstance(job.pipeline, PipelineSpec):
        spec = job.pipeline
    elif job.pipeline is not None:
        spec, _ = read_pipeline(job.pipeline)
    else:
        spec = PipelineSpec()
    detect = spec.detect or DetectSpec(model=default_model(job.source))
    if job.agreement is not None and detect.shadow is None:
        raise SpecError(
            "there is no candidate to compare the model with: name one as `shadow` of `detect` in the file "
            "of --pipeline, or leave --agreement out"
        )
    base: dict[str, Any]
    if job.model is not None:
        base = {"path": job.model}
    elif isinstance(detect.model, ModelSpec):
        base = detect.model.model_dump(exclude_unset=True)
    else:
        base = {"path": detect.model}
    options = {
        "classes": job.classes or detect.classes,
        "confidence": job.confidence if job.confidence is not None else detect.confidence,
        "iou": job.iou if job.iou is not None else detect.iou,
        "engine": job.engine,
        "precision": job.precision,
        "device": job.device,
        "labels": None if job.labels is None else str(job.labels),
        "layout": job.layout,
        "trusted": job.trusted or None,
    }
    model = ModelSpec.read(
        base | {name: value for name, value in options.items() if value is not None}, "model"
    )
    # The model has taken over what `detect` asks for; left there, it would win over the options.
    left = None
    if detect.shadow is not None:  # compared is what is wanted of both
        confidence = detect.confidence if job.confidence is None else job.confidence
        left = DetectSpec(
            model=model, classes=job.classes or detect.classes, confidence=confidence, shadow=detect.shadow
        )
    return spec.model_copy(update={"detect": left}), model


def _fit_to_source(spec: PipelineSpec, source: Source, job: Job) -> PipelineSpec:
    """Return the pipeline as it can run on this kind of source, or say why it cannot."""
    still = source.info.kind in STILL
    track = job.track if job.track is not None else (spec.track is not None and not still)
    if track:
        wanted = spec.track or TrackSpec()
        return spec.model_copy(update={"track": followed_at(wanted, source.info.fps)})
    if spec.zones or spec.lines:
        raise SpecError(
            "zones and lines follow objects over time, and "
            + (
                "pictures stand each by itself: add --track if these are one sequence"
                if still
                else "--no-track is set"
            )
        )
    return spec.model_copy(update={"track": None})


def spec_for_many(spec: PipelineSpec, job: Job) -> PipelineSpec:
    """Return the pipeline as it can run on several cameras at once, whatever each will turn out to be.

    Raises:
        SpecError: it needs what was switched off.
    """
    if job.track is False:
        if spec.zones or spec.lines:
            raise SpecError("zones and lines follow objects over time, and --no-track is set")
        return spec.model_copy(update={"track": None})
    return spec.model_copy(update={"track": spec.track or TrackSpec()})


def _refuse_one_file_for_two(job: Job) -> None:
    paths = [
        path.absolute() for path in (job.out, job.events, job.detections, job.report) if path is not None
    ]
    if len(set(paths)) < len(paths):
        raise SpecError("two outputs name the same file: give each its own")
    source = Path(job.source).absolute()
    if source in paths:
        raise SpecError(f"{job.source} is the source: writing over it would destroy it; choose another name")
