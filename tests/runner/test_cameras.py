"""Watching cameras to files: to the limit, to the end, or until stopped; through breaks and full disks."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from argus.core.errors import ModelUnreadable, OutputError, SourceNotFound, SourceUnreachable, SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.engine.notices import Notice
from argus.vision.lab import SyntheticCamera
from argus.vision.runner.cameras import Watch, Watched, watch_cameras
from argus.vision.runner.outputs import Paths
from argus.vision.runner.summary import RunSummary
from argus.vision.sources import open_source
from tests.engine.parts import AsyncFinder
from tests.sources.settling import comes_true, descriptors_and_threads

RECORDING = "synthetic:plaza?width=160&height=120&fps=20&people=2&vehicles=0"
MOTION = ModelSpec.read({"path": "builtin:motion"}, "model")


@pytest.fixture
def gate() -> Iterator[SyntheticCamera]:
    with SyntheticCamera("gate", width=160, height=120, fps=20, people=3) as camera:
        yield camera


def camera(url: str, **spec: Any) -> CameraSpec:
    return CameraSpec.read({"url": url, "lost_after": 0.5, **spec}, "camera")


def watch(paths: Paths | None = None, *, limit: int | None = None, **cameras: CameraSpec) -> Watch:
    return Watch(cameras, PipelineSpec.read({"track": {}}, "pipeline"), MOTION, paths or Paths(), limit=limit)


def recordings(paths: Paths | None = None, **urls: str) -> Watch:
    cameras = {name: camera(url) for name, url in urls.items()}
    return Watch(cameras, PipelineSpec(), MOTION, paths or Paths(), live=False, insists=False)


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pictures(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def at_frame(number: int, act: Callable[[], None]) -> Callable[[RunSummary], None]:
    def on_frame(summary: RunSummary) -> None:
        if summary.processed == number:
            act()

    return on_frame


def test_a_camera_is_watched_until_its_limit_exactly(gate: SyntheticCamera, tmp_path: Path) -> None:
    paths = Paths(out=tmp_path / "a.mp4", detections=tmp_path / "d.jsonl", report=tmp_path / "r.html")
    [summary] = watch_cameras(watch(paths, gate=camera(gate.url), limit=12)).summaries
    assert summary.processed == len(rows(tmp_path / "d.jsonl")) == pictures(tmp_path / "a.mp4") == 12
    assert not summary.interrupted
    assert "<html" in (tmp_path / "r.html").read_text()
    assert summary.outputs == [str(tmp_path / name) for name in ("a.mp4", "d.jsonl", "r.html")]


def test_a_detector_that_is_open_already_looks_instead_of_the_model(gate: SyntheticCamera) -> None:
    finder = AsyncFinder()
    [summary] = watch_cameras(watch(gate=camera(gate.url), limit=5), detector=finder).summaries
    assert summary.model == "finder"
    assert summary.detections["thing"] == 5
    assert finder.closed


def test_a_source_that_is_open_already_is_the_first_connection(gate: SyntheticCamera) -> None:
    source = open_source(gate.url)
    watched = watch_cameras(watch(gate=camera(gate.url), limit=5), opened={"gate": source})
    assert watched.status.cameras[0].connections == 1
    assert watched.summaries[0].processed == 5
    assert list(source) == []  # closed with the watch


def test_a_watch_that_is_stopped_has_complete_files(gate: SyntheticCamera, tmp_path: Path) -> None:
    stop = threading.Event()
    paths = Paths(out=tmp_path / "a.mp4", detections=tmp_path / "d.jsonl", events=tmp_path / "e.jsonl")
    asked = watch(paths, gate=camera(gate.url))
    [summary] = watch_cameras(asked, on_frame=at_frame(8, stop.set), stop=stop).summaries
    assert summary.interrupted
    assert 8 <= summary.processed < 100
    assert summary.processed == len(rows(tmp_path / "d.jsonl")) == pictures(tmp_path / "a.mp4")
    assert rows(tmp_path / "e.jsonl")[0]["type"] == "camera.online"


def test_every_frame_is_accounted_for(gate: SyntheticCamera) -> None:
    stop = threading.Event()
    asked = watch(gate=camera(gate.url))
    [summary] = watch_cameras(asked, on_frame=at_frame(8, stop.set), stop=stop).summaries
    fates = summary.processed + summary.gated + summary.dropped_stale + summary.dropped_full + summary.corrupt
    assert summary.decoded == fates


def test_a_camera_that_breaks_off_is_called_again_and_that_is_told(
    gate: SyntheticCamera, tmp_path: Path
) -> None:
    told: list[str] = []

    def on_notice(notice: Notice) -> None:
        told.extend(event.type for event in notice.events if event.phase in {"start", "end"})
        if told[-1] == "camera.lost":
            gate.heal()

    paths = Paths(detections=tmp_path / "d.jsonl", events=tmp_path / "e.jsonl")
    watched = watch_cameras(
        watch(paths, gate=camera(gate.url), limit=45),
        on_frame=at_frame(6, lambda: gate.begin("drop")),
        on_notice=on_notice,
    )
    [summary] = watched.summaries
    assert summary.processed == 45
    frames = [row["frame"] for row in rows(tmp_path / "d.jsonl")]
    assert len(frames) == 45
    assert all(a < b for a, b in pairwise(frames))
    assert watched.status.cameras[0].connections == 2
    cameras = [event["type"] for event in rows(tmp_path / "e.jsonl") if event["type"].startswith("camera.")]
    assert sorted(cameras) == ["camera.lost", "camera.online", "camera.online"]
    assert told.index("camera.online") < told.index("camera.lost")
    assert (summary.events["camera.lost"], summary.events["camera.online"]) == (1, 2)
    assert summary.alerts["high"] == 1


def test_a_camera_without_retries_ends_the_watch_with_its_files_complete(
    gate: SyntheticCamera, tmp_path: Path
) -> None:
    paths = Paths(out=tmp_path / "a.mp4", detections=tmp_path / "d.jsonl")
    once = camera(gate.url, reconnect={"max_retries": 0})
    with pytest.raises(SourceUnreachable, match="broke off"):
        watch_cameras(watch(paths, gate=once), on_frame=at_frame(6, lambda: gate.begin("drop")))
    assert len(rows(tmp_path / "d.jsonl")) == pictures(tmp_path / "a.mp4") >= 6


def test_a_camera_that_is_given_up_ends_no_other(gate: SyntheticCamera, tmp_path: Path) -> None:
    gate.begin("drop")
    paths = Paths(detections=tmp_path)
    once = camera(gate.url, reconnect={"max_retries": 0})
    watched = watch_cameras(watch(paths, gate=once, yard=camera(f"{RECORDING}&frames=25")))
    assert list(watched.given_up) == ["gate"]
    assert isinstance(watched.given_up["gate"], SourceUnreachable)
    assert watched.summaries[0].processed == 0
    assert len(rows(tmp_path / "yard.jsonl")) == watched.summaries[1].processed >= 20


def test_an_address_where_nothing_is_leaves_nothing_behind(tmp_path: Path) -> None:
    paths = Paths(out=tmp_path / "a.mp4", detections=tmp_path / "d.jsonl", events=tmp_path / "e.jsonl")
    before = descriptors_and_threads()
    asked = Watch({"gate": camera("lab:nobody")}, PipelineSpec(), MOTION, paths, insists=False)
    with pytest.raises(SourceNotFound, match="lab:nobody is not there"):
        watch_cameras(asked)
    assert comes_true(lambda: descriptors_and_threads() <= before)
    assert (tmp_path / "d.jsonl").read_text() == ""
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("argus-")]


def test_a_camera_that_is_insisted_on_may_come_later(tmp_path: Path) -> None:
    told = threading.Event()

    def on_notice(notice: Notice) -> None:
        if notice.events[-1].type == "camera.lost":
            told.set()

    def switch_on() -> None:
        assert told.wait(20)
        with SyntheticCamera("late", width=160, height=120, fps=20):
            done.wait(20)

    done = threading.Event()
    later = threading.Thread(target=switch_on)
    later.start()
    watched = watch_cameras(watch(late=camera("lab:late"), limit=5), on_notice=on_notice)
    done.set()
    later.join()
    assert watched.summaries[0].processed == 5


def test_a_model_that_cannot_be_opened_is_said_before_any_camera_is_called(gate: SyntheticCamera) -> None:
    asked = Watch(
        {"gate": camera(gate.url)}, PipelineSpec(), ModelSpec.read({"path": "missing.onnx"}, "model")
    )
    before = descriptors_and_threads()
    told: list[Notice] = []
    with pytest.raises(ModelUnreadable, match=r"missing\.onnx"):
        watch_cameras(asked, on_notice=told.append)
    assert told == []
    assert comes_true(lambda: descriptors_and_threads() <= before)


def test_several_cameras_write_to_folders_and_to_one_file_of_events(tmp_path: Path) -> None:
    paths = Paths(
        out=tmp_path / "out",
        detections=tmp_path / "detections",
        report=tmp_path / "reports",
        events=tmp_path / "e.jsonl",
    )
    one, two = (camera(f"{RECORDING}&frames=20&seed={seed}") for seed in (1, 2))
    watched = watch_cameras(watch(paths, one=one, two=two))
    for summary in watched.summaries:
        name = summary.source.name
        seen = rows(tmp_path / "detections" / f"{name}.jsonl")
        assert summary.processed == len(seen) == pictures(tmp_path / "out" / f"{name}.mp4") >= 15
        assert (tmp_path / "reports" / f"{name}.html").exists()
    assert [summary.source.name for summary in watched.summaries] == ["one", "two"]
    online = [event["camera"] for event in rows(tmp_path / "e.jsonl") if event["type"] == "camera.online"]
    assert sorted(online) == ["one", "two"]


def test_a_full_disk_under_one_camera_lets_the_other_finish_its_files(tmp_path: Path) -> None:
    for folder in ("out", "detections"):
        (tmp_path / folder).mkdir()
    (tmp_path / "detections" / "full.jsonl").symlink_to("/dev/full")
    paths = Paths(out=tmp_path / "out", detections=tmp_path / "detections", report=tmp_path / "reports")
    asked = recordings(paths, full=f"{RECORDING}&seed=1", good=f"{RECORDING}&seed=2")
    with pytest.raises(OutputError, match=r"full\.jsonl: No space left on device"):
        watch_cameras(asked)
    seen = rows(tmp_path / "detections" / "good.jsonl")
    assert len(seen) == pictures(tmp_path / "out" / "good.mp4") > 0
    assert pictures(tmp_path / "out" / "full.mp4") > 0
    assert (tmp_path / "reports" / "good.html").exists()


def test_recordings_are_looked_at_frame_by_frame(tmp_path: Path) -> None:
    url = f"{RECORDING}&frames=40"
    watched = watch_cameras(recordings(Paths(detections=tmp_path), one=url, two=f"{url}&seed=9", same=url))
    for summary in watched.summaries:
        assert (summary.decoded, summary.processed, summary.source.live) == (40, 40, False)
        assert [row["frame"] for row in rows(tmp_path / f"{summary.source.name}.jsonl")] == list(range(40))


def test_recordings_that_are_stopped_say_which_were_cut_short() -> None:
    stop = threading.Event()

    def on_frame(summary: RunSummary) -> None:
        if summary.source.name == "endless" and summary.processed > 40 and short_done.is_set():
            stop.set()
        if summary.source.name == "short" and summary.processed == 10:
            short_done.set()

    short_done = threading.Event()
    asked = recordings(short=f"{RECORDING}&frames=10", endless=RECORDING)
    short, endless = watch_cameras(asked, on_frame=on_frame, stop=stop).summaries
    assert (short.interrupted, endless.interrupted) == (False, True)


@pytest.mark.parametrize(
    ("paths", "message"),
    [
        (Paths(out=Path("all.mp4")), r"--out all\.mp4: with several cameras this is a folder"),
        (Paths(events=Path("d/one.jsonl"), detections=Path("d")), "two outputs name the same file"),
        (Paths(out=Path("videos")), r"videos/one\.mp4 is a source"),
    ],
)
def test_files_that_cannot_be_are_refused_before_anything_is_opened(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, paths: Paths, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SpecError, match=message):
        watch_cameras(recordings(paths, one="videos/one.mp4", two=RECORDING))
    assert list(tmp_path.iterdir()) == []


def test_who_looks_on_sees_a_running_engine_and_has_left_before_it_ends() -> None:
    seen: list[str] = []

    class Onlooker:
        def __init__(self, engine: Engine) -> None:
            self._engine = engine

        def __enter__(self) -> None:
            seen.extend(camera.name for camera in self._engine.status().cameras)

        def __exit__(self, *ended: object) -> None:
            seen.extend(f"{camera.name} still" for camera in self._engine.status().cameras)

    watched: Watched = watch_cameras(
        watch(one=camera(f"{RECORDING}&frames=5"), two=camera(f"{RECORDING}&frames=5&seed=4")),
        onlooker=Onlooker,
    )
    assert seen == ["one", "two", "one still", "two still"]
    assert len(watched.status.cameras) == 2


def test_what_a_camera_showed_before_and_after_it_fell_ill_is_kept_beside_the_snapshots(
    gate: SyntheticCamera, tmp_path: Path
) -> None:
    stop = threading.Event()

    def on_notice(notice: Notice) -> None:
        if any(event.type == "camera.dark" for event in notice.events):
            stop.set()

    health = {"ill_for": 0.5, "check_every": 0.1}
    asked = watch(Paths(snapshots=tmp_path / "kept"), gate=camera(gate.url, health=health))
    begin = at_frame(40, lambda: gate.begin("black"))
    watch_cameras(asked, on_frame=begin, on_notice=on_notice, stop=stop)
    kept = {}
    for path in (tmp_path / "kept").glob("camera.dark-*"):
        picture = cv2.imread(str(path))
        assert picture is not None
        kept[path.stem.rpartition("-")[2]] = picture.mean()
    assert set(kept) == {"before", "after"}
    assert kept["after"] < 20 < kept["before"]
