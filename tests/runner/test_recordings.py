"""One recording: every frame once, in order; nothing hangs and nothing is lost when it is cut short."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import av
import pytest

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable, OutputError, SourceUnreachable, SpecError
from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.testing.detectors import TruthDetector
from argus.vision.models.protocols import Detector
from argus.vision.runner.cameras import Watch, watch_cameras
from argus.vision.runner.job import Job, run_job
from argus.vision.runner.outputs import Paths
from argus.vision.runner.summary import RunSummary
from argus.vision.sources import open_source
from argus.vision.sources.protocol import Source, SourceInfo
from tests.engine.parts import AsyncFinder, Finder

SCENE = "synthetic:plaza?width=320&height=180&fps=10&people=4&vehicles=1&seed=6"
SMALL = "synthetic:plaza?width=160&height=120&fps=10&vehicles=0&seed=6&frames=40"


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


def run(source: Source, detector: Detector, paths: Paths | None = None, **options: Any) -> RunSummary:
    spec = PipelineSpec.read(options.pop("spec", {"track": {}}), "pipeline")
    model = ModelSpec.read({"path": "builtin:motion"}, "model")
    camera = CameraSpec.read({"url": "recording"}, "camera")
    watch = Watch(
        {"plaza": camera}, spec, model, paths or Paths(), live=False, limit=options.pop("limit", None)
    )
    opened = {"plaza": source}
    return watch_cameras(watch, detector=detector, opened=opened, **options).summaries[0]


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def indices(path: Path) -> list[int]:
    return [row["frame"] for row in rows(path)]


def test_every_frame_of_a_file_is_looked_at_once_and_in_order(tmp_path: Path) -> None:
    found = tmp_path / "d.jsonl"
    summary = run(open_source(f"{SCENE}&frames=25"), TruthDetector(SCENE), Paths(detections=found))
    assert indices(found) == list(range(25))
    assert (summary.decoded, summary.processed, summary.dropped_stale) == (25, 25, 0)


def test_a_folder_of_snapshots_is_named_where_one_was_taken(tmp_path: Path) -> None:
    paths = Paths(snapshots=tmp_path / "shots", detections=tmp_path / "d.jsonl")
    nobody = f"{SMALL}&people=0"
    empty = run(open_source(nobody), TruthDetector(nobody), paths)
    assert empty.outputs == [str(paths.detections)]
    seen = run(open_source(f"{SCENE}&frames=20"), TruthDetector(SCENE), paths)
    assert seen.outputs == [str(paths.detections), str(paths.snapshots)]


@pytest.mark.parametrize("batch", [1, 3, 8])
def test_a_model_that_takes_several_frames_at_once_is_given_full_batches(batch: int) -> None:
    finder = AsyncFinder(batch=batch)
    summary = run(open_source(f"{SMALL}&people=2"), finder)
    assert summary.processed == 40
    assert [frame.index for frames in finder.submitted for frame in frames] == list(range(40))
    assert {len(frames) for frames in finder.submitted[:-1]} == {batch}


def test_one_thread_does_it_all_where_the_model_works_beside_it() -> None:
    threads: set[str] = set()

    class Watched(AsyncFinder):
        def submit(self, frames: Sequence[Frame]) -> Any:
            threads.add(f"submit {threading.current_thread().name}")
            return super().submit(frames)

    run(
        open_source(f"{SMALL}&people=2"),
        Watched(),
        on_frame=lambda _: threads.add(f"write {threading.current_thread().name}"),
    )
    assert len({thread.partition(" ")[2] for thread in threads}) == 1


def test_a_model_that_only_works_while_its_caller_waits_is_given_a_thread() -> None:
    names: set[str] = set()

    class Slow(Finder):
        def detect(self, frames: Sequence[Frame]) -> list[Detections]:
            names.add(threading.current_thread().name)
            return super().detect(frames)

    assert run(open_source(f"{SMALL}&people=2"), Slow()).processed == 40
    assert [name.startswith("argus-detect") for name in names] == [True]


def test_objects_are_counted_once_however_many_frames_they_are_in() -> None:
    summary = run(open_source(f"{SCENE}&frames=30"), TruthDetector(SCENE))
    assert summary.detections["person"] > 30
    assert 1 <= len(summary.tracks["person"]) <= 6
    assert summary.events["object.appeared"] == sum(len(ids) for ids in summary.tracks.values())


def test_the_sums_say_where_the_time_went() -> None:
    summary = run(open_source(f"{SCENE}&frames=20"), TruthDetector(SCENE))
    assert list(summary.stage_s) == ["decode", "submit", "wait", "rules", "sinks"]
    assert all(seconds >= 0 for seconds in summary.stage_s.values())
    assert summary.stage_s["decode"] > 0 < summary.stage_s["rules"]
    assert sum(summary.stage_s.values()) <= summary.wall_s


def test_a_limit_ends_the_run_after_so_many_frames_and_decodes_no_more(tmp_path: Path) -> None:
    found = tmp_path / "d.jsonl"
    summary = run(open_source(SCENE), TruthDetector(SCENE), Paths(detections=found), limit=7)
    assert indices(found) == list(range(7))
    assert summary.decoded == 7
    assert not summary.interrupted


def test_a_run_that_is_stopped_finishes_what_is_in_flight_and_its_files(tmp_path: Path) -> None:
    stop = threading.Event()
    paths = Paths(out=tmp_path / "a.mp4", detections=tmp_path / "d.jsonl")

    def on_frame(summary: RunSummary) -> None:
        if summary.processed == 5:
            stop.set()

    summary = run(open_source(SCENE), TruthDetector(SCENE), paths, on_frame=on_frame, stop=stop)
    assert summary.interrupted
    assert indices(tmp_path / "d.jsonl") == list(range(summary.processed))
    assert summary.processed == summary.decoded < 10
    with av.open(str(tmp_path / "a.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == summary.processed


@pytest.mark.parametrize("waits", [False, True])
def test_a_source_that_breaks_off_leaves_complete_results_of_what_came_before(
    tmp_path: Path, waits: bool
) -> None:
    found = tmp_path / "d.jsonl"
    with pytest.raises(SourceUnreachable, match="broke off"):
        run(Breaking(open_source(SCENE), 4, waits=waits), TruthDetector(SCENE), Paths(detections=found))
    assert indices(found) == [0, 1, 2, 3]


def test_an_engine_that_dies_ends_the_run_with_its_own_words(tmp_path: Path) -> None:
    found = tmp_path / "d.jsonl"
    with pytest.raises(ModelUnavailable, match="the engine is gone"):
        run(open_source(SCENE), Failing(), Paths(detections=found))
    assert indices(found) == [0, 1, 2]


def test_a_full_disk_under_one_file_lets_the_others_be_finished(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "full.jsonl").symlink_to("/dev/full")
    paths = Paths(out=tmp_path / "a.mp4", detections=tmp_path / "full.jsonl")
    with pytest.raises(OutputError, match=r"cannot write .*full\.jsonl: No space left on device"):
        run(open_source(SCENE), TruthDetector(SCENE), paths)
    with av.open(str(tmp_path / "a.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) > 0
    assert "pipeline.failed" not in capsys.readouterr().out  # whoever runs it says so, once


def test_a_zone_that_does_not_lie_in_the_picture_ends_the_run_and_says_so() -> None:
    far = {"track": {}, "zones": {"far": {"polygon": [[0, 0], [4000, 0], [4000, 90]]}}}
    with pytest.raises(SpecError, match="far"):
        run(open_source(SCENE), TruthDetector(SCENE), spec=far)


def test_no_thread_is_left_behind() -> None:
    before = set(threading.enumerate())
    run(open_source(f"{SCENE}&frames=3"), TruthDetector(SCENE))
    with pytest.raises(SourceUnreachable):
        run(Breaking(open_source(SCENE), after=2, waits=True), TruthDetector(SCENE))
    assert set(threading.enumerate()) <= before


def look(people: int, tmp_path: Path, **spec: Any) -> tuple[RunSummary, list[dict[str, Any]]]:
    found = tmp_path / f"{people}.jsonl"
    summary = run(open_source(f"{SMALL}&people={people}"), Finder(), Paths(detections=found), spec=spec)
    return summary, rows(found)


def test_a_still_scene_costs_few_inferences_and_every_frame_is_accounted_for(tmp_path: Path) -> None:
    summary, results = look(0, tmp_path, motion_gate={"look_every": 60})
    assert summary.gated >= 20
    assert summary.processed == len(results) < 20
    assert summary.processed + summary.gated == summary.decoded == 40


class Blind(Finder):
    """Finds nothing, so that the gate has nobody to look after."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return [Detections.empty(self.labels) for _ in super().detect(frames)]


def test_the_gate_of_a_recording_looks_by_the_recordings_own_time() -> None:
    looks = [
        run(open_source(f"{SMALL}&people=0"), Blind(), spec={"motion_gate": {"look_every": s}}).processed
        for s in (1, 60)
    ]
    assert looks[0] >= looks[1] + 3  # 4 s of film, however fast it is read


def test_a_scene_that_moves_is_looked_at(tmp_path: Path) -> None:
    still, _ = look(0, tmp_path, motion_gate={"look_every": 60})
    moving, _ = look(6, tmp_path, motion_gate={"look_every": 60})
    assert moving.processed > 2 * still.processed


def test_a_crop_is_all_that_the_model_sees() -> None:
    finder = Finder()
    run(open_source(f"{SMALL}&people=3"), finder, spec={"crop": [0.5, 0.25, 1, 1]})
    whole = list(open_source(f"{SMALL}&people=3"))
    seen = [frame for batch in finder.batches for frame in batch]
    assert {(frame.width, frame.height) for frame in seen} == {(80, 90)}
    assert (seen[7].bgr == whole[7].bgr[30:, 80:]).all()


def test_all_files_that_were_asked_for_are_named(tmp_path: Path) -> None:
    job = Job(f"{SMALL}&people=2", detections=tmp_path / "d.jsonl", events=tmp_path / "e.jsonl")
    summary = run_job(job, detector=Finder())
    assert summary.outputs == [str(tmp_path / "e.jsonl"), str(tmp_path / "d.jsonl")]


def test_somebody_elses_detector_stays_open() -> None:
    finder = Finder()
    run_job(Job(f"{SMALL}&people=2"), detector=finder)
    assert not finder.closed


def test_what_cannot_be_opened_leaves_the_files_alone(tmp_path: Path) -> None:
    kept = tmp_path / "e.jsonl"
    kept.write_text("kept")
    with pytest.raises(Exception, match=r"missing\.onnx"):
        run_job(Job(f"{SMALL}&people=2", model="missing.onnx", events=kept))
    assert kept.read_text() == "kept"
