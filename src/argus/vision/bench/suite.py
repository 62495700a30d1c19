"""What is measured against what, and the promises that the ratios are held against."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from importlib.resources import files
from pathlib import Path

from argus.core.errors import SpecError
from argus.core.urls import mask_url
from argus.vision.bench.contenders import Work
from argus.vision.bench.rounds import Entry, Score, measure, ratio
from argus.vision.bench.tables import Row

Say = Callable[[str], None]
"""Hears of progress."""


def measure_run(
    model: str, video: str | None, frames: int, rounds: int, peers: Path | None, say: Say
) -> list[Row]:
    """Return the main job beside the engines alone, a plain loop and, where there is one, the peer.

    Args:
        model: A detector of the YOLOv8 layout; the plain loop and the peer read no other.
        video: A file; None renders the plaza to one.
        frames: Per contender and round, after a warm-up.
        rounds: Each contender runs so often, in turn.
        peers: A Python that has `ultralytics`; None leaves it out.
        say: Hears of each run that ended.
    """
    from argus.vision.models import load_detector

    weights = weights_of(model)
    detector = load_detector(model)
    chosen = precision_of(str(getattr(detector, "description", "")))
    detector.close()
    with tempfile.TemporaryDirectory() as folder:
        clip = clip_of(video, Path(folder), frames)
        entries = _entries(weights, clip, frames, chosen, peers)
        total, done = len(entries) * rounds, 0

        def on_done(title: str) -> None:
            nonlocal done
            done += 1
            say(f"{done}/{total} {title}")

        scores = measure(entries, rounds, on_done)
    return [row for entry in entries for row in _rows(entry, scores)]


def measure_stages(model: str, video: str | None, frames: int, say: Say) -> list[Row]:
    """Return CPU milliseconds per frame of every stage but inference, and of all together."""
    from argus.vision.bench.stages import stage_costs

    weights = weights_of(model)
    with tempfile.TemporaryDirectory() as folder:
        clip = clip_of(video, Path(folder), frames)
        say("stages, the network answering from memory")
        costs = stage_costs(weights, clip, frames)
    goals = {"preprocess": 1.1, "candidates": 0.5, "total": 3.0}
    titles = {
        "decode": "decode",
        "preprocess": "preprocess, from the decoder's planes",
        "postprocess": "post-process: from outputs to detections",
        "candidates": "of which candidates and NMS",
        "rules": "tracker, ten zones, a line and events",
        "total": "everything but inference, whole run",
    }
    return [
        Row(title, costs[name], "ms CPU per frame", goal=goals.get(name), better="lower")
        for name, title in titles.items()
    ]


def measure_tracker_rows(say: Say) -> list[Row]:
    """Return the tracker beside its floor, and with ten zones and events."""
    from argus.vision.measure_rules import measure_rules
    from argus.vision.tracking.measure import measure_tracker

    rows = []
    for objects in (10, 50, 200):
        say(f"tracker, {objects} objects")
        cost = measure_tracker(objects)
        goal = 1.5 if objects >= 50 else None
        rows.append(
            Row(
                f"tracker, {objects} objects",
                cost.update_us,
                "µs CPU per frame",
                cost.ratio,
                "one IoU matrix and one assignment",
                goal,
                "lower",
            )
        )
        if objects == 50:
            tracker_ms = cost.update_us / 1000
    say("rules, 50 objects and ten zones")
    rules = measure_rules(50, 10)
    together = tracker_ms + rules.mean_ms
    return [
        *rows,
        Row(
            "tracker, ten zones and events, 50 objects",
            together,
            "ms CPU per frame",
            goal=1.0,
            better="lower",
        ),
    ]


def _entries(weights: str, clip: str, frames: int, chosen: str, peers: Path | None) -> list[Entry]:
    def work(engine: str = "auto", precision: str = "auto") -> Work:
        return Work(weights, clip, frames, engine, precision)

    ort, ov, ov_low = "ONNX Runtime alone", "OpenVINO alone, f32", f"OpenVINO alone, {chosen}"
    entries = [
        Entry(ort, "raw_onnxruntime", work()),
        Entry("argus run, ONNX Runtime", "argus_run", work("onnxruntime", "f32"), ort, 0.95),
        Entry(ov, "raw_openvino", work("openvino", "f32")),
        Entry("argus run, OpenVINO f32", "argus_run", work("openvino", "f32"), ov, 0.85),
    ]
    if chosen != "f32":
        entries += [
            Entry(ov_low, "raw_openvino", work("openvino", chosen)),
            Entry("argus run, defaults", "argus_run", work(), ov_low, 0.85),
        ]
    plain = "plain loop, ONNX Runtime"
    entries += [
        Entry(plain, "plain_loop", work("onnxruntime", "f32")),
        Entry("argus run, defaults, beside the loop", "argus_run", work(), plain, 3.5),
        Entry(f"plain loop, OpenVINO {chosen}", "plain_loop", work("openvino", chosen)),
    ]
    if peers is not None:
        peer = "ultralytics predict"
        entries += [
            Entry(peer, "ultralytics", work(), python=str(peers)),
            Entry("argus run, defaults, beside ultralytics", "argus_run", work(), peer, 3.5),
        ]
    return entries


def _rows(entry: Entry, scores: dict[str, Score]) -> list[Row]:
    score = scores[entry.title]
    against = None if entry.limit is None else ratio(scores, entry.title, entry.limit)
    note = f"{score.cpu_ms:.1f} ms CPU per frame"
    return [Row(entry.title, score.fps, "frames/s", against, entry.limit or "", entry.goal, note=note)]


def precision_of(description: str) -> str:
    """Return the precision that a model's description names."""
    return next((name for name in ("bf16", "f16") if name in description), "f32")


def weights_of(model: str) -> str:
    """Return the file behind a model, for contenders that know no names.

    Raises:
        SpecError: it is built in and has no network.
        ModelError: there is no such model.
    """
    from argus.core.resources.model import ModelSpec
    from argus.vision.models.load import find_weights

    if model == "builtin:plaza":
        return str(files("argus.vision.models") / "weights" / "plaza.onnx")
    if model.startswith("builtin:"):
        raise SpecError(f"--model {model} has no network to measure: give an ONNX file, or builtin:plaza")
    return str(find_weights(ModelSpec(path=model))[0])


def clip_of(video: str | None, folder: Path, frames: int) -> str:
    """Return the file to measure with: a video that can be read, or the plaza, rendered into the folder.

    Asked for first, not after the contenders that need none have run for minutes.

    Raises:
        SpecError: it is no video.
        SourceError: it cannot be opened.
    """
    if video is None:
        return str(plaza_video(folder / "plaza.mp4", frames + 20))
    from argus.vision.sources import open_source

    with open_source(video) as source:
        kind = source.info.kind
    if kind != "file":
        raise SpecError(
            f"--video {mask_url(video)} is no video but a source of kind {kind!r}: give a video file"
        )
    return video


def plaza_video(path: Path, frames: int) -> Path:
    """Render the plaza to a file, so that decoding is part of what is measured."""
    from argus.core.detections import Detections
    from argus.vision.results import FrameResult
    from argus.vision.sinks.video import AnnotatedVideo
    from argus.vision.sources import open_source

    video = AnnotatedVideo(path, lambda result: result.frame.bgr, fps=25)
    with open_source(f"synthetic:plaza?width=640&height=360&fps=25&frames={frames}") as source:
        for frame in source:
            video.write(FrameResult(frame, Detections.empty()))
    video.finish(())
    video.close()
    return path
