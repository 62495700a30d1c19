"""Who is measured: the engines alone, Argus, and a plain loop as people write it.

Each is a function that does its work for some frames and says what that took. Run as a module
(`python -m argus.vision.bench.contenders NAME …`) one contender has a process of its own, so
that no thread pool of another stands in its way. Nothing here judges.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image

WARM_UP = 10
"""Frames before the clock starts."""


@dataclass(frozen=True, slots=True)
class Took:
    """What a contender needed after its warm-up."""

    frames: int
    wall_s: float
    cpu_s: float
    """User and system seconds of the whole process."""
    note: str = ""

    @property
    def fps(self) -> float:
        """Frames per second of wall time."""
        return self.frames / self.wall_s


@dataclass(frozen=True, slots=True)
class Work:
    """What all contenders are given."""

    model: str
    video: str
    frames: int
    engine: str = "auto"
    precision: str = "auto"
    cameras: int = 1
    batch: int = 1
    gate: bool = False


class Stopwatch:
    """Starts after the warm-up, stops when asked."""

    def __init__(self, frames: int) -> None:
        self._left = WARM_UP
        self._goal = frames
        self._begin = (0.0, 0.0)
        self.took: Took | None = None
        self._count = 0

    def tick(self) -> bool:
        """Count one frame; return whether the goal is reached."""
        if self._left:
            self._left -= 1
            if not self._left:
                self._begin = (time.perf_counter(), time.process_time())
            return False
        self._count += 1
        return self._count >= self._goal

    def stop(self, note: str = "") -> Took:
        """Return what the frames since the warm-up took."""
        wall, cpu = self._begin
        return Took(self._count, time.perf_counter() - wall, time.process_time() - cpu, note)


def raw_onnxruntime(work: Work) -> Took:
    """One blob through ONNX Runtime at its defaults, again and again: the limit of that engine."""
    from argus.vision.models.engines.onnxruntime import import_onnxruntime

    ort = import_onnxruntime()
    session = ort.InferenceSession(work.model, providers=["CPUExecutionProvider"])
    entry = session.get_inputs()[0]
    blob = {entry.name: _blob(entry.shape)}
    watch = Stopwatch(work.frames)
    while True:
        session.run(None, blob)
        if watch.tick():
            return watch.stop()


def raw_openvino(work: Work) -> Took:
    """One blob through OpenVINO's asynchronous queue at its throughput defaults: the limit of that engine."""
    from argus.vision.models.engines.openvino import import_openvino

    ov = import_openvino()
    core = ov.Core()
    model = core.read_model(work.model)
    shape = [d.get_length() if d.is_static else None for d in model.inputs[0].partial_shape]
    blob = {0: np.repeat(_blob([1, *shape[1:]]), work.batch, axis=0)}
    model.reshape(ov.PartialShape(list(blob[0].shape)))
    compiled = core.compile_model(
        model, "CPU", {"PERFORMANCE_HINT": "THROUGHPUT", "INFERENCE_PRECISION_HINT": work.precision}
    )
    jobs = ov.AsyncInferQueue(compiled)
    watch = Stopwatch(work.frames)
    while True:
        jobs.start_async(blob, share_inputs=True)
        ticks = [watch.tick() for _ in range(work.batch)]
        if any(ticks):
            jobs.wait_all()
            return watch.stop(f"{len(jobs)} requests")


def argus_run(work: Work) -> Took:
    """`argus run` with tracking, ten zones, a line and JSON lines of detections and events."""
    import tempfile

    from argus.core.resources.pipeline import PipelineSpec
    from argus.vision.models import load_detector
    from argus.vision.runner.job import Job, leave_cores_to_the_engine, run_job
    from argus.vision.runner.summary import RunSummary

    leave_cores_to_the_engine()
    watch = Stopwatch(work.frames)
    detector = load_detector(work.model, engine=work.engine, precision=work.precision)
    with tempfile.TemporaryDirectory() as folder:

        def on_frame(_: RunSummary) -> None:
            watch.tick()

        job = Job(
            source=work.video,
            pipeline=PipelineSpec.read(ZONES, "bench"),
            limit=work.frames + WARM_UP,
            detections=Path(folder) / "d.jsonl",
            events=Path(folder) / "e.jsonl",
        )
        run_job(job, detector=detector, on_frame=on_frame)
        return watch.stop(str(getattr(detector, "description", "")))


ZONES: dict[str, Any] = {
    "zones": {
        f"z{i}": {
            "polygon": [[0.09 * i, 0.2], [0.09 * i + 0.15, 0.2], [0.09 * i + 0.1, 0.9], [0.09 * i, 0.8]],
            "dwell": "2s",
        }
        for i in range(10)
    },
    "lines": {"middle": {"from": [0.5, 0.0], "to": [0.5, 1.0]}},
}
"""Ten zones and a line across the whole picture."""


def plain_loop(work: Work) -> Took:
    """The loop of a tutorial: decode to BGR, letterbox, infer, non-maximum suppression, next frame."""
    import cv2

    infer, (rows_in, columns_in) = _plain_engine(work)
    watch = Stopwatch(work.frames)
    for picture in _bgr_frames(work.video):
        height, width = picture.shape[:2]
        ratio = min(rows_in / height, columns_in / width)
        inner = cv2.resize(
            picture, (round(width * ratio), round(height * ratio)), interpolation=cv2.INTER_LINEAR
        )
        canvas = np.full((rows_in, columns_in, 3), 114, np.uint8)
        top, left = (rows_in - inner.shape[0]) // 2, (columns_in - inner.shape[1]) // 2
        canvas[top : top + inner.shape[0], left : left + inner.shape[1]] = inner
        blob = np.ascontiguousarray(canvas[:, :, ::-1].transpose(2, 0, 1)[None], np.float32) / np.float32(255)
        rows = infer(blob)[0].T
        scores = rows[:, 4:].max(axis=1)
        rows, scores = rows[scores > 0.25], scores[scores > 0.25]
        classes = rows[:, 4:].argmax(axis=1)
        boxes = np.concatenate([rows[:, :2] - rows[:, 2:4] / 2, rows[:, 2:4]], axis=1)
        kept = cv2.dnn.NMSBoxesBatched(boxes.tolist(), scores.tolist(), classes.tolist(), 0.25, 0.7)
        for i in kept:
            x, y, w, h = boxes[int(i)]
            corner = (int((x - left) / ratio), int((y - top) / ratio))
            cv2.rectangle(
                picture, corner, (corner[0] + int(w / ratio), corner[1] + int(h / ratio)), (0, 255, 0), 2
            )
        if watch.tick():
            break
    return watch.stop()


def _plain_engine(work: Work) -> tuple[Callable[[NDArray[np.float32]], NDArray[np.float32]], tuple[int, int]]:
    """Return what infers one blob, and the rows and columns of it."""
    if work.engine == "onnxruntime":
        from argus.vision.models.engines.onnxruntime import import_onnxruntime

        ort = import_onnxruntime()
        session = ort.InferenceSession(work.model, providers=["CPUExecutionProvider"])
        entry = session.get_inputs()[0]
        return lambda blob: session.run(None, {entry.name: blob})[0], _blob_size(entry.shape)
    from argus.vision.models.engines.openvino import import_openvino

    compiled = (
        import_openvino()
        .Core()
        .compile_model(work.model, "CPU", {"INFERENCE_PRECISION_HINT": work.precision})
    )
    shape = [d.get_length() if d.is_static else None for d in compiled.inputs[0].partial_shape]
    return lambda blob: compiled(blob)[0], _blob_size(shape)


def _bgr_frames(video: str) -> Iterator[Image]:
    import av

    while True:
        with av.open(video) as container:
            for frame in container.decode(video=0):
                yield cast("Image", frame.to_ndarray(format="bgr24"))


def _blob(shape: list[Any]) -> NDArray[np.float32]:
    return np.random.default_rng(0).random(_sides(shape), dtype=np.float32)


def _blob_size(shape: list[Any]) -> tuple[int, int]:
    """Return the rows and columns that a network's input has."""
    _, _, rows, columns = _sides(shape)
    return rows, columns


def _sides(shape: list[Any]) -> list[int]:
    """Return the sides of one blob; what a network leaves open is as of most networks."""
    return [
        side if isinstance(side, int) else default
        for side, default in zip(shape, (1, 3, 640, 640), strict=True)
    ]


CONTENDERS: dict[str, Callable[[Work], Took]] = {
    "raw_onnxruntime": raw_onnxruntime,
    "raw_openvino": raw_openvino,
    "argus_run": argus_run,
    "plain_loop": plain_loop,
}


if __name__ == "__main__":
    if sys.argv[1].startswith("engine_"):
        from argus.vision.bench.engine_contenders import CONTENDERS
    print(json.dumps(asdict(CONTENDERS[sys.argv[1]](Work(**json.loads(sys.argv[2]))))))
