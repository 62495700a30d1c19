"""The main job: every frame once, in order; nothing hangs and nothing is lost when it is cut short."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from typing import Self

import pytest

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable, OutputError, SourceUnreachable
from argus.core.frame import Frame
from argus.core.resources.pipeline import PipelineSpec
from argus.testing.detectors import TruthDetector
from argus.vision.models.protocols import Detector
from argus.vision.pipeline import Pipeline
from argus.vision.results import Event, FrameResult
from argus.vision.runner.loop import run_pipeline
from argus.vision.runner.summary import RunSummary
from argus.vision.sources import open_source
from argus.vision.sources.protocol import Source, SourceInfo

SCENE = "synthetic:plaza?width=320&height=180&fps=10&people=4&vehicles=1&seed=6"


class Recorder:
    """A sink that remembers."""

    def __init__(self) -> None:
        self.indices: list[int] = []
        self.finished = 0
        self.closed = 0

    def write(self, result: FrameResult) -> None:
        self.indices.append(result.frame.index)

    def finish(self, still_open: Sequence[Event]) -> None:
        self.finished += 1

    def close(self) -> None:
        self.closed += 1


class FullDisk(Recorder):
    """A sink whose disk is full from the third frame on."""

    def write(self, result: FrameResult) -> None:
        super().write(result)
        if len(self.indices) >= 3:
            raise OutputError("a.jsonl", "No space left on device")


class Breaking:
    """A source that breaks off after some frames of another."""

    def __init__(self, source: Source, after: int, *, waits: bool = False) -> None:
        self._source = source
        self._after = after
        # A kind that may keep its reader waiting is read in a thread of its own.
        self.info: SourceInfo = replace(source.info, kind="http") if waits else source.info
        self.counters = source.counters

    def __iter__(self) -> Iterator[Frame]:
        for frame in self._source:
            yield frame
            if frame.index + 1 == self._after:
                raise SourceUnreachable("camera 'gate' broke off")

    def set_fps(self, fps: float | None) -> None:
        self._source.set_fps(fps)

    def close(self) -> None:
        self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self.close()


class Failing:
    """An asynchronous detector whose engine dies at the fourth frame."""

    name = "failing"
    labels = ("thing",)
    depth = 2

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [Detections.empty(self.labels) for _ in frames]

    def submit(self, frames: Sequence[Frame]) -> Future[list[Detections]]:
        future: Future[list[Detections]] = Future()
        if frames[0].index == 3:
            future.set_exception(ModelUnavailable("the engine is gone"))
        else:
            future.set_result(self.detect(frames))
        return future

    def close(self) -> None:
        pass


def run(source: Source, detector: Detector, sinks: Sequence[Recorder], **options: object) -> RunSummary:
    return run_pipeline(source, detector, Pipeline(PipelineSpec(), "plaza"), sinks, **options)  # type: ignore[arg-type]


def test_every_frame_of_a_file_is_processed_once_and_in_order() -> None:
    sink = Recorder()
    summary = run(open_source(f"{SCENE}&frames=25"), TruthDetector(SCENE), [sink])
    assert sink.indices == list(range(25))
    assert (summary.decoded, summary.processed, summary.dropped_stale) == (25, 25, 0)
    assert (sink.finished, sink.closed) == (1, 1)


def test_objects_are_counted_once_however_many_frames_they_are_in() -> None:
    summary = run(open_source(f"{SCENE}&frames=30"), TruthDetector(SCENE), [])
    assert summary.detections["person"] > 30
    assert 1 <= len(summary.tracks["person"]) <= 6
    assert summary.events["object.appeared"] == sum(len(ids) for ids in summary.tracks.values())


def test_a_limit_ends_the_run_after_so_many_frames() -> None:
    sink = Recorder()
    summary = run(open_source(SCENE), TruthDetector(SCENE), [sink], limit=7)
    assert sink.indices == list(range(7))
    assert not summary.interrupted


def test_a_run_that_is_stopped_finishes_what_is_in_flight_and_its_sinks() -> None:
    stop = threading.Event()
    sink = Recorder()

    def on_frame(summary: RunSummary) -> None:
        if summary.processed == 5:
            stop.set()

    summary = run(open_source(SCENE), TruthDetector(SCENE), [sink], on_frame=on_frame, stop=stop)
    assert summary.interrupted
    assert sink.indices == list(range(summary.processed))
    assert summary.processed < 20
    assert (sink.finished, sink.closed) == (1, 1)


@pytest.mark.parametrize("waits", [False, True])
def test_a_source_that_breaks_off_leaves_complete_results_of_what_came_before(waits: bool) -> None:
    sink = Recorder()
    with pytest.raises(SourceUnreachable, match="broke off"):
        run(Breaking(open_source(SCENE), after=4, waits=waits), TruthDetector(SCENE), [sink])
    assert sink.indices == [0, 1, 2, 3]
    assert (sink.finished, sink.closed) == (1, 1)


def test_an_engine_that_dies_ends_the_run_with_its_own_words() -> None:
    sink = Recorder()
    with pytest.raises(ModelUnavailable, match="the engine is gone"):
        run(open_source(SCENE), Failing(), [sink])
    assert sink.indices == [0, 1, 2]
    assert sink.closed == 1


def test_a_full_disk_under_one_sink_lets_the_others_finish_their_files() -> None:
    full, other = FullDisk(), Recorder()
    with pytest.raises(OutputError, match=r"cannot write a\.jsonl: No space left on device"):
        run(open_source(SCENE), TruthDetector(SCENE), [full, other])
    assert (other.finished, other.closed) == (1, 1)
    assert full.closed == 1


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    run(open_source(f"{SCENE}&frames=3"), TruthDetector(SCENE), [])
    with pytest.raises(SourceUnreachable):
        run(Breaking(open_source(SCENE), after=2, waits=True), TruthDetector(SCENE), [])
    assert set(threading.enumerate()) <= before
