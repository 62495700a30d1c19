"""The engine as it is measured: many cameras and one model, bursts, a still fleet, and what it costs itself.

Each is a contender (`contenders`): it runs in a process of its own and says what its frames took.
"""

from __future__ import annotations

import json
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.bench.capacity_measure import inference_fps
from argus.vision.bench.contenders import Stopwatch, Took, Work
from argus.vision.bench.memory_camera import BURST, MemoryCameras, decoded
from argus.vision.engine.engine import Engine
from argus.vision.engine.lanes import OpenModel
from argus.vision.engine.models import LaneSpec, open_detector
from argus.vision.models.protocols import Detector
from argus.vision.results import Event, FrameResult
from argus.vision.sources.hub import open_by_options
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source

_PICTURES: Final = 60
_FLEET_S: Final = 40.0
"""Seconds that the still fleet is watched."""


class _Counting:
    """A listener that ticks a stopwatch; several lanes never call it at once here."""

    def __init__(self, watch: Stopwatch) -> None:
        self._watch = watch
        self._lock = threading.Lock()
        self.took: Took | None = None
        self.done = threading.Event()

    def write(self, result: FrameResult) -> None:
        with self._lock:
            if not self.done.is_set() and self._watch.tick():
                self.took = self._watch.stop()
                self.done.set()

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Nothing is held."""


def engine_run(work: Work) -> Took:
    """So many cameras, decoded before, share one model."""
    return _run(work, MemoryCameras(decoded(work.video, _PICTURES)), live=False)


def engine_live(work: Work) -> Took:
    """Cameras that send, each, twice as many frames as the model can look at."""
    fps = 2 * _capacity(work)
    return _run(work, MemoryCameras(decoded(work.video, _PICTURES), live=True, fps=fps), live=True)


def engine_bursty(work: Work) -> Took:
    """Cameras that send ten frames at once, at irregular times and more often than the model can look."""
    bursts = 1.3 * _capacity(work) / work.cameras
    cameras = MemoryCameras(decoded(work.video, _PICTURES), live=True, fps=BURST * bursts, bursty=True)
    return _run(work, cameras, live=True)


def engine_overhead(work: Work) -> Took:
    """All that is not decoding and not inference: the network answers from memory."""
    from argus.vision.bench.replay import Stand

    pictures = decoded(work.video, _PICTURES)
    stand = Stand(work.model)
    detector, recording = stand.recording()
    _look_at(detector, pictures)
    outputs = list(recording.outputs)
    detector.close()
    replaying = stand.replaying(outputs)
    return _run(work, MemoryCameras(pictures), live=False, open_model=lambda _: replaying)


def engine_fleet(work: Work) -> Took:
    """Cameras at 5 fps, mostly still, with or without the gate, from encoded video."""

    def open_looped(url: str, options: SourceOptions) -> Source:
        from dataclasses import replace

        return open_by_options(url, replace(options, loop=True))

    folder = tempfile.mkdtemp()  # removed by whoever started the process (`rounds`)
    clip = still_clip(Path(folder) / "still.mp4")
    cpu_s, wall_s = 0.0, 0.0
    from argus.vision.runner.job import leave_cores_to_the_engine

    leave_cores_to_the_engine()
    gate: dict[str, Any] = {"motion_gate": True} if work.gate else {}
    with Engine(model=_model(work), open_source=open_looped) as engine:
        for n in range(work.cameras):
            # One file each, so that nothing is shared but the model.
            copy = Path(folder) / f"cam{n}.mp4"
            copy.write_bytes(clip.read_bytes())
            engine.add_camera(f"cam{n}", CameraSpec(url=str(copy), fps=5))
            engine.add_pipeline(f"cam{n}", PipelineSpec.read(gate, "bench"), camera=f"cam{n}")
        time.sleep(3.0)
        before = {name: m.counts for name, m in engine.members.items()}
        began, cpu = time.perf_counter(), time.process_time()
        time.sleep(_FLEET_S)
        wall_s, cpu_s = time.perf_counter() - began, time.process_time() - cpu
        counts = {name: m.counts.minus(before[name]) for name, m in engine.members.items()}
        ages = [m.meters.age.quantile(0.95) for m in engine.members.values()]
    looked = [c.processed + c.gated for c in counts.values()]
    note = {
        "looked_max_over_min": max(looked) / max(1, min(looked)),
        "processed_max_over_min": max(c.processed for c in counts.values())
        / max(1, min(c.processed for c in counts.values())),
        "rss_gb": _most_memory_gb(),
        "inferred": sum(c.processed for c in counts.values()),
        "dropped": sum(c.dropped_stale for c in counts.values()),
        "p95_age_ms": 1000 * max(ages),
        "cores": cpu_s / wall_s,
    }
    return Took(sum(looked), wall_s, cpu_s, json.dumps(note))


def still_clip(path: Path) -> Path:
    """Encode two minutes of a plaza in which somebody walks now and then; 640×480, 5 fps, sensor noise."""
    import av

    from argus.vision.synthetic import Plaza, parse_plaza_url

    noise = np.random.default_rng(1).normal(0, 2.0, (480, 640, 3))
    busy = Plaza.from_options(
        parse_plaza_url("synthetic:plaza?width=640&height=480&fps=5&people=2&vehicles=0&seed=4")
    )
    empty = Plaza.from_options(
        parse_plaza_url("synthetic:plaza?width=640&height=480&fps=5&people=0&vehicles=0&seed=4")
    )
    still = empty.render(0)[0]
    with av.open(str(path), "w") as container:
        stream = container.add_stream("libx264", rate=5)
        stream.width, stream.height, stream.pix_fmt = 640, 480, "yuv420p"
        stream.options = {"preset": "veryfast", "g": "25"}
        for index in range(300):
            picture = busy.render(index)[0] if index % 150 < 30 else still
            noisy = np.clip(picture + np.roll(noise, 37 * index, axis=1), 0, 255).astype(np.uint8)
            frame = av.VideoFrame.from_ndarray(noisy, format="bgr24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path


def _run(work: Work, cameras: MemoryCameras, *, live: bool, open_model: OpenModel = open_detector) -> Took:
    from argus.vision.runner.job import leave_cores_to_the_engine

    leave_cores_to_the_engine()
    listener = _Counting(Stopwatch(work.frames))
    with Engine(model=_model(work), open_source=cameras.open, open_model=open_model) as engine:
        for n in range(work.cameras):
            engine.add_camera(f"cam{n}", CameraSpec(url=f"mem:{n}"), live=live)
            engine.add_pipeline(f"cam{n}", PipelineSpec(), camera=f"cam{n}", listener=listener)
        lane, members = engine.lanes.all[0].lane, list(engine.members.values())
        # Counted from when all cameras are there: before, there was nobody to share a batch with.
        while not all(m.counts.processed for m in members):
            time.sleep(0.01)
        batches, frames = lane.counts.batches, lane.counts.frames
        before = [m.counts.processed for m in members]
        if not listener.done.wait(600):
            raise TimeoutError("the engine did not get through its frames")
        processed = [m.counts.processed - b for m, b in zip(members, before, strict=True)]
        note = {
            "occupancy": (lane.counts.frames - frames) / max(1, lane.counts.batches - batches),
            "fair": max(processed) / max(1, min(processed)),
        }
    assert listener.took is not None
    took = listener.took
    return Took(took.frames, took.wall_s, took.cpu_s, json.dumps(note))


def _most_memory_gb() -> float:
    """Return the most memory that this process has held.

    Not `getrusage`: its figure goes on from that of the process that started this one.
    """
    status = Path("/proc/self/status").read_text(encoding="ascii")
    kilobytes = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    return int(kilobytes) / 1e6


def _model(work: Work) -> ModelSpec:
    given: dict[str, Any] = {"path": work.model, "engine": work.engine, "precision": work.precision}
    if work.batch > 1:
        given["batch"] = work.batch
    return ModelSpec.read(given, "bench")


def _look_at(detector: Detector, pictures: list[Any]) -> None:
    from datetime import UTC, datetime

    from argus.core.frame import Frame

    for index, picture in enumerate(pictures):
        detector.detect([Frame(picture, "bench", index, index / 30, datetime.now(UTC))])


def _capacity(work: Work) -> float:
    """Return the frames per second that the model looks at, measured for a moment."""
    detector = open_detector(LaneSpec(_model(work)))
    try:
        return inference_fps(detector, decoded(work.video, work.batch))
    finally:
        detector.close()


CONTENDERS: dict[str, Callable[[Work], Took]] = {
    "engine_run": engine_run,
    "engine_live": engine_live,
    "engine_bursty": engine_bursty,
    "engine_overhead": engine_overhead,
    "engine_fleet": engine_fleet,
}
