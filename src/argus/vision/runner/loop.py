"""The main job: frames of one source through one detector and one pipeline into sinks.

Decoding and preparing, inference, and everything after it run beside each other; results come
out in order. What each stage does lives elsewhere.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from argus.vision.models.protocols import Detector
from argus.vision.pipeline import Pipeline
from argus.vision.runner.ahead import Ahead
from argus.vision.runner.chosen import Chosen
from argus.vision.runner.feed import Feed
from argus.vision.runner.submission import Submissions
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.protocol import Sink
from argus.vision.sources.protocol import Source

Progress = Callable[[RunSummary], None]
ALWAYS_THERE: Final = frozenset({"file", "image", "folder", "synthetic"})
"""Kinds of source that never keep their reader waiting for anything but work."""


def run_pipeline(
    source: Source,
    detector: Detector,
    pipeline: Pipeline,
    sinks: Sequence[Sink] = (),
    *,
    limit: int | None = None,
    on_frame: Progress | None = None,
    stop: threading.Event | None = None,
) -> RunSummary:
    """Run a recording to its end and return the sums.

    The source is closed; the detector stays open. Every frame is processed, except those that the motion gate
    of the pipeline's spec holds back. Cameras are watched by `argus.vision.runner.cameras`.

    Args:
        source: Opened, not yet iterated.
        detector: Anything with `detect`; one with `submit` is used asynchronously.
        pipeline: Takes each frame's detections, in order.
        sinks: Take each frame's result, in order, in the calling thread. All are finished and
            closed, also when something fails.
        limit: Stop after so many frames.
        on_frame: Called after each frame with the sums so far; must be quick.
        stop: When set, no further frame is taken, what is in flight is finished, and the summary
            says `interrupted`.

    Raises:
        SourceError: the source broke; what came before it has been written.
        ModelUnavailable: the engine failed, likewise.
    """
    summary = RunSummary(source.info, _in_words(detector))
    waits = dict.fromkeys(("wait", "rules", "sinks"), 0.0)
    chosen = Chosen(source, pipeline.spec)
    submissions = Submissions(chosen, detector, limit=limit, stop=stop)
    bring = Ahead if source.info.kind in ALWAYS_THERE else Feed
    feed = bring(submissions, source.close)
    clock = time.perf_counter
    begin = clock()

    def add_up() -> None:
        counters = source.counters
        summary.decoded, summary.corrupt, summary.skipped = (
            counters.decoded,
            counters.corrupt,
            counters.skipped,
        )
        summary.problems = list(counters.problems)
        summary.gated = chosen.gated
        summary.wall_s = clock() - begin
        summary.stage_s = {"decode": submissions.decode_s, "submit": submissions.submit_s} | waits

    try:
        for item in feed:
            got = clock()
            detections = item.detections.result()[0]
            inferred = clock()
            result = pipeline.process(item.frame, detections)
            chosen.saw(pipeline, result)
            ruled = clock()
            summary.count(result)
            for sink in sinks:
                sink.write(result)
            done = clock()
            waits["wait"] += inferred - got
            waits["rules"] += ruled - inferred
            waits["sinks"] += done - ruled
            if on_frame is not None:
                add_up()
                on_frame(summary)
    finally:
        with contextlib.ExitStack() as ending:
            ending.callback(add_up)
            for sink in sinks:
                ending.callback(sink.close)
            still_open = pipeline.finish()
            # On a stack, so that a sink whose disk is full keeps no other from finishing its file.
            for sink in reversed(sinks):
                ending.callback(sink.finish, still_open)
            ending.callback(feed.close)
    summary.interrupted = stop is not None and stop.is_set()
    return summary


def _in_words(detector: Detector) -> str:
    description = getattr(detector, "description", None)
    return f"{detector.name} ({description})" if description else detector.name
