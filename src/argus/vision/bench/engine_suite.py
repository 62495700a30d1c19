"""What the engine promises, measured: batches across cameras, its own cost, a still fleet, skipping."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from argus.core.frame import Frame
from argus.core.resources.camera import HealthSpec
from argus.core.resources.pipeline import GateSpec
from argus.vision.bench.contenders import Work
from argus.vision.bench.rounds import Entry, Score, measure, ratio
from argus.vision.bench.skipping import measure_skipping
from argus.vision.bench.suite import Say, clip_of, precision_of, weights_of
from argus.vision.bench.tables import Row
from argus.vision.gate import MotionGate
from argus.vision.health import HealthMonitor
from argus.vision.sources import open_source

_FLEET: Final = 16
_BATCH: Final = 8
_CHEAPER: Final = 10
"""Without inference so many times the frames are measured: 300 are over before everything is warm."""


def measure_engine(model: str, video: str | None, frames: int, rounds: int, say: Say) -> list[Row]:
    """Return the engine beside inference alone, and what it costs by itself.

    Args:
        model: A detector that accepts batches; one that does not is measured with batches of one alone.
        video: A file; None renders the plaza to one.
        frames: Per contender and round, after a warm-up.
        rounds: Each contender runs so often, in turn.
        say: Hears of progress.
    """
    weights = weights_of(model)
    chosen, batch = _facts(weights)
    with tempfile.TemporaryDirectory() as folder:
        clip = clip_of(video, Path(folder), frames)
        entries = _entries(weights, clip, frames, chosen, batch)
        total, done = len(entries) * rounds, 0

        def on_done(title: str) -> None:
            nonlocal done
            done += 1
            say(f"{done}/{total} {title}")

        scores = measure(entries, rounds, on_done)
        rows = [_row(entry, scores) for entry in entries]
        say("the still fleet, with the gate and without")
        rows += _fleet(weights, clip, chosen)
    say("health and gate, 1080p")
    rows += _looks()
    say("a 1080p30 camera at 5 fps")
    rows += _skipping()
    return rows


def _facts(weights: str) -> tuple[str, int]:
    """Return the precision that is chosen for a model, and how many frames it takes at a time."""
    from argus.core.errors import ArgusError
    from argus.core.resources.model import ModelSpec
    from argus.vision.models import load_detector

    try:
        detector, batch = load_detector(ModelSpec(path=weights, batch=_BATCH)), _BATCH
    except ArgusError:
        detector, batch = load_detector(weights), 1
    chosen = precision_of(str(getattr(detector, "description", "")))
    detector.close()
    return chosen, batch


def _entries(weights: str, clip: str, frames: int, chosen: str, most: int) -> list[Entry]:
    def work(cameras: int, batch: int, precision: str = chosen) -> Work:
        return Work(weights, clip, frames, "openvino", precision, cameras=cameras, batch=min(batch, most))

    entries: list[Entry] = []
    kinds = [(1, 1, chosen), (4, 4, chosen), (16, 8, chosen)]
    if chosen != "f32":
        kinds.append((16, 8, "f32"))
    for cameras, batch, precision in kinds:
        size = min(batch, most)
        alone = f"OpenVINO alone, {precision}, batches of {size}"
        if alone not in {entry.title for entry in entries}:
            entries.append(Entry(alone, "raw_openvino", work(cameras, batch, precision)))
        title = f"engine, {cameras} camera{'s' if cameras > 1 else ''}, {precision}, batches of {size}"
        entries.append(Entry(title, "engine_run", work(cameras, batch, precision), alone, 0.95))
        if cameras == 1:
            # A recording's next frame is always there; a camera's comes while the model looks at another.
            live = f"engine, 1 live camera, {precision}, batches of {size}"
            entries.append(Entry(live, "engine_live", work(cameras, batch, precision), alone, 0.95))
    entries.append(Entry(f"engine, 8 bursty cameras, batches of {most}", "engine_bursty", work(8, 8)))
    many = replace(work(16, 1), frames=_CHEAPER * frames)
    entries.append(Entry("engine, everything but decode and inference", "engine_overhead", many))
    return entries


def _row(entry: Entry, scores: dict[str, Score]) -> Row:
    score = scores[entry.title]
    notes = [json.loads(took.note) for took in score.took if took.note.startswith("{")]
    if entry.contender == "engine_overhead":
        return Row(entry.title, score.cpu_ms, "ms CPU per frame", goal=1.0, better="lower")
    if entry.contender == "engine_bursty":
        occupancy = statistics.median(note["occupancy"] for note in notes)
        goal = 7.8 if entry.work.batch == _BATCH else None
        return Row(entry.title, occupancy, "frames per inference", goal=goal, note=f"{score.fps:.1f} fps")
    against = None if entry.limit is None else ratio(scores, entry.title, entry.limit)
    said = f"{score.cpu_ms:.1f} ms CPU per frame"
    if notes:
        fair = statistics.median(note["fair"] for note in notes)
        occupancy = statistics.median(note["occupancy"] for note in notes)
        said += f", occupancy {occupancy:.2f}, max/min {fair:.2f}"
    return Row(entry.title, score.fps, "frames/s", against, entry.limit or "", entry.goal, note=said)


def _fleet(weights: str, clip: str, chosen: str) -> list[Row]:
    rows = []
    for gate in (True, False):
        title = f"{_FLEET} cameras, 640×480, 5 fps, mostly still, {'with' if gate else 'without'} the gate"
        work = Work(weights, clip, 1, "openvino", chosen, cameras=_FLEET, gate=gate)
        entry = Entry(title, "engine_fleet", work)
        note: dict[str, Any] = json.loads(measure([entry], 1, lambda _: None)[title].took[0].note)
        said = (
            f"{note['inferred']} inferred, {note['dropped']} dropped, p95 age {note['p95_age_ms']:.0f} ms, "
            f"{note['cores']:.2f} cores"
        )
        rows.append(
            Row(
                f"{title}: processed, max/min",
                note["processed_max_over_min"],
                "",
                goal=1.1,
                better="lower",
                note=said,
            )
        )
        rows.append(Row(f"{title}: memory", note["rss_gb"], "GB", goal=1.5, better="lower"))
    return rows


def _looks() -> list[Row]:
    """Return what a look at a 1080p frame costs health and gate."""
    with tempfile.TemporaryDirectory() as folder:
        clip = _noisy_clip(Path(folder) / "1080p.mp4")
        with open_source(clip) as source:
            frames = list(source)
    health = HealthMonitor(HealthSpec(check_every=0.001), "bench", lost_after_s=5)
    gate = MotionGate(GateSpec())

    def checked(frame: Frame, now_s: float) -> None:
        health.frame(frame, now_s, datetime.now(UTC))

    def gated(frame: Frame, now_s: float) -> None:
        gate.passes(frame, now_s)

    return [
        Row(
            "health, a 1080p frame",
            _cost_ms(checked, frames),
            "ms CPU per frame checked",
            goal=0.3,
            better="lower",
        ),
        Row(
            "motion gate, a 1080p frame",
            _cost_ms(gated, frames),
            "ms CPU per frame",
            goal=0.5,
            better="lower",
        ),
    ]


def _cost_ms(look: Callable[[Frame, float], None], frames: list[Frame]) -> float:
    costs = []
    for turn in range(10):
        for frame in frames:
            begin = time.thread_time()
            look(frame, turn * len(frames) / 10 + frame.time_s)
            costs.append(time.thread_time() - begin)
    return 1000 * statistics.median(costs[len(frames) :])


def _noisy_clip(path: Path) -> Path:
    """Encode three seconds of a plaza at 1080p and 10 fps."""
    from argus.core.detections import Detections
    from argus.vision.results import FrameResult
    from argus.vision.sinks.video import AnnotatedVideo

    video = AnnotatedVideo(path, lambda result: result.frame.bgr, fps=10)
    with open_source("synthetic:plaza?width=1920&height=1080&fps=10&frames=30") as source:
        for frame in source:
            video.write(FrameResult(frame, Detections.empty()))
    video.finish(())
    video.close()
    return path


def _skipping() -> list[Row]:
    return [
        Row(
            f"1080p30 camera at {cost.wanted_fps:g} fps, {cost.stream}",
            1000 * cost.wanted_s,
            "ms CPU per second of it",
            cost.ratio,
            "decoding and converting all",
            0.5,
            "lower",
            f"{cost.decoded} of {cost.total} frames decoded",
        )
        for cost in measure_skipping()
    ]
