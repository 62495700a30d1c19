"""A run as somebody asks for it: names and files in, files and a summary out.

Opens everything first and complains before the first frame; the work itself is `loop`.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import cv2

from argus.core.errors import SpecError
from argus.core.resources.files import read_pipeline
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import DetectSpec, PipelineSpec
from argus.core.resources.track import TrackSpec
from argus.vision.draw import Annotator
from argus.vision.models import load_detector, load_embedder
from argus.vision.models.appearance import DetectorWithAppearance
from argus.vision.models.protocols import Detector
from argus.vision.pipeline import Pipeline
from argus.vision.runner.loop import run_pipeline
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.history import History
from argus.vision.sinks.jsonl import DetectionLines, EventLines
from argus.vision.sinks.pictures import PICTURE_SUFFIXES, AnnotatedPictures, Snapshots
from argus.vision.sinks.protocol import Sink
from argus.vision.sinks.report import write_report
from argus.vision.sinks.video import AnnotatedVideo
from argus.vision.sources import open_source
from argus.vision.sources.protocol import Source, SourceInfo

STILL: Final = frozenset({"image", "folder"})
"""Kinds of source whose pictures stand each by itself."""


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
    stop: threading.Event | None = None,
) -> RunSummary:
    """Do a job and return its sums; the files it names are complete when it returns.

    Args:
        job: What to do.
        detector: Use this one instead of loading the job's model; it stays open.
        on_open: Called with what is known of the source before the first frame.
        on_frame: Called after each frame with the sums so far.
        stop: When set, the run ends early, its files complete.

    Raises:
        SpecError: something asked for is impossible.
        SourceError: the source cannot be opened, or broke.
        ModelError: the model cannot be loaded, or failed.
        OutputError: a file cannot be written.
    """
    _refuse_one_file_for_two(job)
    spec, model = _resolve(job)
    with contextlib.ExitStack() as held:
        source = held.enter_context(open_source(job.source, fps=job.fps, name=job.name))
        spec = _fit_to_source(spec, source, job)
        if on_open is not None:
            on_open(source.info)
        if detector is None:
            detector = load_detector(model)
            held.callback(detector.close)
        if spec.track is not None and spec.track.appearance_model is not None:
            embedder = load_embedder(spec.track.appearance_model)
            held.callback(embedder.close)
            detector = DetectorWithAppearance(detector, embedder)
        history, snapshots = History(), Snapshots(job.snapshots)
        sinks = _sinks(job, spec, source, history, snapshots)
        summary = run_pipeline(
            source,
            detector,
            Pipeline(spec, camera=source.info.name, stream=_stream_id(source.info)),
            sinks,
            limit=job.limit,
            on_frame=on_frame,
            stop=stop,
        )
    summary.outputs = [
        str(path) for path in (job.out, job.events, job.detections, job.snapshots, job.report) if path
    ]
    if job.report is not None:
        write_report(job.report, summary, history, snapshots.jpeg, spec, title=f"Argus: {source.info.name}")
    return summary


def _resolve(job: Job) -> tuple[PipelineSpec, ModelSpec]:
    """Return the pipeline and the model that the job means; options win over the file."""
    if isinstance(job.pipeline, PipelineSpec):
        spec = job.pipeline
    elif job.pipeline is not None:
        spec, _ = read_pipeline(job.pipeline)
    else:
        spec = PipelineSpec()
    detect = spec.detect or DetectSpec(model=default_model(job.source))
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
    return spec.model_copy(update={"detect": None}), model


def _fit_to_source(spec: PipelineSpec, source: Source, job: Job) -> PipelineSpec:
    """Return the pipeline as it can run on this kind of source, or say why it cannot."""
    still = source.info.kind in STILL
    track = job.track if job.track is not None else (spec.track is not None and not still)
    if track:
        wanted = spec.track or TrackSpec()
        # An object must be missed in several frames before it is lost, also where frames are far apart.
        lost_after = max(wanted.lost_after, 3 / source.info.fps if source.info.fps else 0.0)
        return spec.model_copy(update={"track": wanted.model_copy(update={"lost_after": lost_after})})
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


def _stream_id(info: SourceInfo) -> str:
    """Return what tells this connection to a live source from others; nothing for what can be run again."""
    return datetime.now(UTC).isoformat(timespec="milliseconds") if info.live else ""


def _sinks(
    job: Job, spec: PipelineSpec, source: Source, history: History, snapshots: Snapshots
) -> Sequence[Sink]:
    sinks: list[Sink] = []
    with contextlib.ExitStack() as opened:
        if job.detections is not None:
            sinks.append(DetectionLines(job.detections))
            opened.callback(sinks[-1].close)
        if job.events is not None:
            sinks.append(EventLines(job.events))
            opened.callback(sinks[-1].close)
        if job.report is not None or job.snapshots is not None:
            sinks.append(snapshots)
        if job.report is not None:
            sinks.append(history)
        if job.out is not None:
            annotator = Annotator(spec)
            if job.out.suffix.lower() in PICTURE_SUFFIXES or (
                source.info.kind in STILL and not job.out.suffix
            ):
                sinks.append(AnnotatedPictures(job.out, annotator.draw))
            else:
                sinks.append(AnnotatedVideo(job.out, annotator.draw, fps=job.fps or source.info.fps))
        opened.pop_all()
    return sinks


def _refuse_one_file_for_two(job: Job) -> None:
    paths = [
        path.absolute() for path in (job.out, job.events, job.detections, job.report) if path is not None
    ]
    if len(set(paths)) < len(paths):
        raise SpecError("two outputs name the same file: give each its own")
    source = Path(job.source).absolute()
    if source in paths:
        raise SpecError(f"{job.source} is the source: writing over it would destroy it; choose another name")
