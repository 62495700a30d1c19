"""CPU time per frame of each stage but inference, and of all of them together."""

from __future__ import annotations

import statistics
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from argus.core.resources.pipeline import PipelineSpec
from argus.vision.bench.contenders import ZONES
from argus.vision.bench.replay import Stand
from argus.vision.models.engines.protocol import Arrays
from argus.vision.models.nms import non_maximum_suppression
from argus.vision.pipeline import Pipeline
from argus.vision.runner.job import Job, leave_cores_to_the_engine, run_job
from argus.vision.sources import open_source

RECORDED = 100
"""Frames whose outputs are kept in memory and replayed."""


def stage_costs(weights: str, video: str, frames: int) -> dict[str, float]:
    """Return CPU milliseconds per frame by stage (medians), and `total` for a whole replayed run (mean).

    The stages are measured one after the other in one thread; `total` is the CPU time of the process
    over a run as `argus run` does it, with tracking, ten zones, a line and JSON lines, its network
    answering from memory.
    """
    leave_cores_to_the_engine()
    stand = Stand(weights)
    detector, recording = stand.recording()
    with open_source(video) as source:
        for frame in source:
            detector.detect([frame])
            if len(recording.outputs) == RECORDED:
                break
    detector.close()
    spent = _by_stage(stand, recording.outputs, video)
    costs = {name: 1000 * statistics.median(times) for name, times in spent.items()}
    costs["candidates"] = 1000 * statistics.median(_candidates(stand, recording.outputs))
    return costs | {"total": _whole_run(stand, recording.outputs, video, frames)}


def _by_stage(stand: Stand, outputs: list[Arrays], video: str) -> dict[str, list[float]]:
    detector = stand.replaying(outputs)
    pipeline = Pipeline(PipelineSpec.read(ZONES, "bench"), "bench")
    spent: dict[str, list[float]] = defaultdict(list)
    clock = time.thread_time
    with open_source(video) as source:
        begin = clock()
        for frame in source:
            decoded = clock()
            pending = detector.submit([frame])
            prepared = clock()
            detections = pending.result()[0]
            read = clock()
            pipeline.process(frame, detections)
            ruled = clock()
            for name, took in (
                ("decode", decoded - begin),
                ("preprocess", prepared - decoded),
                ("postprocess", read - prepared),
                ("rules", ruled - read),
            ):
                spent[name].append(took)
            if len(spent["decode"]) == RECORDED:
                break
            begin = clock()
    return spent


def _candidates(stand: Stand, outputs: list[Arrays]) -> list[float]:
    """Return seconds for the candidates and their suppression alone, a part of `postprocess`.

    Measured by itself: timing it within would leave the outputs in the cache for the rest.
    """
    layout, canvas_wh, thresholds = stand.reading
    spent = []
    for batch in outputs:
        mine = [output[0] for output in batch]
        begin = time.thread_time()
        found = layout.decode(mine, canvas_wh, thresholds.confidence)
        if layout.has_doubles:
            non_maximum_suppression(
                found.xyxy, found.confidence, found.class_id, thresholds.iou, thresholds.limit
            )
        spent.append(time.thread_time() - begin)
    return spent


def _whole_run(stand: Stand, outputs: list[Arrays], video: str, frames: int) -> float:
    detector = stand.replaying(outputs)
    with tempfile.TemporaryDirectory() as folder:
        job = Job(
            source=video,
            pipeline=PipelineSpec.read(ZONES, "bench"),
            limit=frames,
            detections=Path(folder) / "d.jsonl",
            events=Path(folder) / "e.jsonl",
        )
        begin = time.process_time()
        summary = run_job(job, detector=detector)
        return 1000 * (time.process_time() - begin) / summary.processed
