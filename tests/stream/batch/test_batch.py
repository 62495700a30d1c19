from __future__ import annotations

import shutil
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import av
import pytest

from argus.storage.blobs import Blobs
from argus.storage.opening import open_blobs
from argus.storage.protocol import Query, ResultsUnavailable
from argus.storage.records import Run
from argus.stream import batch
from argus.stream.batch_files import Recording, fetch
from argus.stream.batch_runs import RunKeeper
from tests.sources.videos import cut
from tests.stream.batch.scenes import (
    RECORDED,
    asked,
    bytes_of,
    contents,
    do,
    job_config,
    picture,
    record,
    run_of,
)


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two recordings, in folders of two cameras."""
    folder = tmp_path_factory.mktemp("videos")
    record(folder / "cam1" / "a.mp4", seed=1)
    record(folder / "cam2" / "a.mp4", seed=2)
    return folder


def test_a_job_looks_at_all_of_its_recordings_and_keeps_what_it_found(tmp_path: Path, videos: Path) -> None:
    config = job_config(tmp_path, videos / "*" / "*.mp4", report=True)
    assert do(config) == (batch.DONE, "")
    run = run_of(config)
    assert (run.state, run.attempt, run.progress, run.left_s) == ("finished", 1, 1.0, None)
    assert run.files == run.done == ("cam1/a.mp4", "cam2/a.mp4")
    assert run.frames == run.frames_expected == 120
    kept = contents(config)
    assert run.events == len(kept["events"])
    assert run.alerts == len(kept["alerts"])
    assert {e["camera"] for e in kept["events"]} == {"cam1/a.mp4", "cam2/a.mp4"}
    assert {e["job"] for e in (*kept["events"], *kept["alerts"], *kept["tracks"])} == {"nightly"}
    assert {"object.appeared", "zone.entered"} <= {e["type"] for e in kept["events"]}
    assert not any(e["open"] for e in (*kept["events"], *kept["tracks"]))
    assert {t["id"] for t in kept["tracks"]} == {
        e["id"] for e in kept["events"] if e["type"] == "object.appeared"
    }
    assert {d["file"] for d in kept["detections"]} == {"cam1/a.mp4", "cam2/a.mp4"}
    assert len({(d["file"], d["frame"]) for d in kept["detections"]}) == len(kept["detections"])


def test_times_are_those_of_the_recording(tmp_path: Path, videos: Path) -> None:
    config = job_config(tmp_path, videos / "cam1")
    do(config)
    began = datetime.fromtimestamp(RECORDED - 6, UTC)
    for event in asked(config, lambda store: store.events(Query())).items:
        assert (event.started_at - began).total_seconds() == pytest.approx(event.start_s, abs=0.002)


def test_every_event_has_a_picture_and_every_alert_a_clip_that_plays(tmp_path: Path, videos: Path) -> None:
    config = job_config(tmp_path, videos / "cam1")
    do(config)
    events = asked(config, lambda store: store.events(Query())).items
    alerts = asked(config, lambda store: store.alerts(Query())).items
    blobs = open_blobs(config.storage.blobs)
    for event in events:
        assert event.snapshot is not None
        assert event.snapshot.startswith("jobs/nightly/u-1/snapshots/")
        assert bytes_of(blobs, event.snapshot).startswith(b"\xff\xd8")
    assert alerts
    for alert in alerts:
        assert alert.snapshot is not None
        assert alert.clip is not None
        path = blobs.local(alert.clip)
        assert path is not None
        with av.open(str(path)) as clip:
            assert sum(1 for _ in clip.decode(video=0)) >= 5


def test_each_recording_has_its_report(tmp_path: Path, videos: Path) -> None:
    config = job_config(tmp_path, videos / "*" / "*.mp4", report=True)
    do(config)
    blobs = open_blobs(config.storage.blobs)
    keys = [info.key for info in blobs.list("jobs/nightly/u-1/reports/")]
    assert keys == [f"jobs/nightly/u-1/reports/000{n}-a.mp4.html" for n in (1, 2)]
    assert b"cam2/a.mp4" in bytes_of(blobs, keys[1])


def test_two_runs_of_one_job_share_no_id(tmp_path: Path, videos: Path) -> None:
    first, second = (job_config(tmp_path, videos / "cam1", run=run) for run in ("u-1", "u-2"))
    do(first)
    alone = len(contents(first)["events"])
    do(second)
    assert len(contents(second)["events"]) == 2 * alone


def test_what_is_done_is_not_done_again(tmp_path: Path, videos: Path) -> None:
    config = job_config(tmp_path, videos / "cam1")
    do(config)
    before = contents(config)
    assert do(config.model_copy(update={"source": str(tmp_path / "gone")})) == (batch.DONE, "")
    assert contents(config) == before
    assert run_of(config).attempt == 2


def test_a_job_that_is_stopped_goes_on_from_its_last_finished_recording(tmp_path: Path, videos: Path) -> None:
    undisturbed = job_config(tmp_path / "one", videos / "*" / "*.mp4")
    do(undisturbed)

    class AfterSome(threading.Event):
        """Set when it was asked so often: in the middle of the second recording."""

        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 100

    config = job_config(tmp_path / "two", videos / "*" / "*.mp4")
    assert do(config, AfterSome())[0] == batch.STOPPED
    run = run_of(config)
    assert (run.state, run.done, run.frames) == ("running", ("cam1/a.mp4",), 60)
    assert run.progress == pytest.approx(0.5)
    assert do(config) == (batch.DONE, "")
    assert contents(config) == contents(undisturbed)


def test_an_attempt_that_cannot_begin_undoes_nothing(tmp_path: Path, videos: Path) -> None:
    config = job_config(tmp_path, videos / "cam1")
    do(config)
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    detect = {"model": str(tmp_path / "broken.onnx")}
    assert do(job_config(tmp_path, videos / "cam1", detect=detect))[0] == batch.IMPOSSIBLE
    run = run_of(config)
    assert (run.state, run.done, run.frames) == ("failed", ("a.mp4",), 60)
    assert do(config) == (batch.DONE, "")


def test_a_recording_that_cannot_be_read_fails_the_run_when_all_others_are_done(
    tmp_path: Path, videos: Path
) -> None:
    shutil.copytree(videos, tmp_path / "videos")
    cut(tmp_path / "videos" / "cam1" / "a.mp4", 0.2)
    (tmp_path / "videos" / "cam1" / "empty.mp4").touch()
    config = job_config(tmp_path, tmp_path / "videos" / "*" / "*.mp4")
    code, said = do(config)
    assert code == batch.FAILED
    run = run_of(config)
    assert (run.state, run.done, run.message) == ("failed", ("cam2/a.mp4",), said)
    assert "2 of 3 files" in said
    assert "no index" in said
    assert "empty (0 bytes)" in said
    shutil.copy2(videos / "cam1" / "a.mp4", tmp_path / "videos" / "cam1" / "a.mp4")
    shutil.copy2(videos / "cam1" / "a.mp4", tmp_path / "videos" / "cam1" / "empty.mp4")
    assert do(config) == (batch.DONE, "")
    assert run_of(config).done == ("cam1/a.mp4", "cam1/empty.mp4", "cam2/a.mp4")


def test_a_recording_that_vanished_between_two_attempts_is_named(tmp_path: Path, videos: Path) -> None:
    shutil.copytree(videos, tmp_path / "videos")
    config = job_config(tmp_path, tmp_path / "videos" / "*" / "*.mp4")

    class AfterSome(threading.Event):
        asked = 0

        def is_set(self) -> bool:
            self.asked += 1
            return self.asked > 100

    do(config, AfterSome())
    shutil.rmtree(tmp_path / "videos" / "cam2")
    record(tmp_path / "videos" / "cam0" / "new.mp4")
    code, said = do(config)
    assert code == batch.FAILED
    assert "cam2/a.mp4 was there when the run began" in said
    assert run_of(config).files == ("cam1/a.mp4", "cam2/a.mp4")


@pytest.mark.parametrize(
    ("source", "spec", "said"),
    [
        ("gone.mp4", {}, "does not exist"),
        ("rtsp://10.0.0.5/1", {}, "make a Camera"),
        ("videos", {"detect": {"model": "weights.onnx"}}, "weights.onnx"),
        ("videos", {"detect": {"model": "broken.onnx"}}, "broken.onnx"),
        ("walk", {}, "pictures stand each by itself"),
    ],
)
def test_what_can_never_work_ends_with_2_and_says_why(
    tmp_path: Path,
    videos: Path,
    source: str,
    spec: dict[str, Any],
    said: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("broken.onnx").write_bytes(b"no network")
    shutil.copytree(videos / "cam1", "videos")
    picture(Path("walk/1.jpg"))
    code, message = do(job_config(tmp_path, source, **spec))
    assert (code, said in message) == (batch.IMPOSSIBLE, True), message
    run = run_of(job_config(tmp_path, source))
    assert (run.state, run.message) == ("failed", message)


def test_a_store_of_pictures_that_cannot_be_written_is_worth_trying_again(
    tmp_path: Path, videos: Path
) -> None:
    config = job_config(tmp_path, videos / "cam1")
    (tmp_path / "blobs").touch()  # a file where the folder should be
    code, said = do(config)
    assert code == batch.FAILED
    assert (run_of(config).state, run_of(config).message) == ("failed", said)
    (tmp_path / "blobs").unlink()
    assert do(config) == (batch.DONE, "")


def test_pictures_are_looked_at_each_by_itself(tmp_path: Path) -> None:
    for name in ("1.jpg", "2.jpg"):
        picture(tmp_path / "walk" / name)
    config = job_config(tmp_path, tmp_path / "walk", zones={}, store={"detections": "all"})
    assert do(config) == (batch.DONE, "")
    kept = contents(config)["detections"]
    assert [d["file"] for d in kept] == ["walk/1.jpg", "walk/2.jpg"]


def test_recordings_in_a_bucket_are_looked_at_and_leave_nothing_behind(tmp_path: Path, videos: Path) -> None:
    bucket = f"memory://{tmp_path.name}"
    blobs = open_blobs(bucket)
    blobs.put_file("uploads/a.mp4", videos / "cam1" / "a.mp4")
    config = job_config(tmp_path, "blob:uploads/*.mp4")
    storage = config.storage.model_copy(update={"blobs": bucket})
    assert do(config.model_copy(update={"storage": storage})) == (batch.DONE, "")
    assert run_of(config).frames == 60
    assert not (tmp_path / "spool-files").exists()


def test_recordings_in_a_bucket_that_cannot_be_read_do_not_gather_on_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = f"memory://{tmp_path.name}"
    blobs = open_blobs(bucket)
    for name in "abc":
        blobs.put(f"uploads/{name}.mp4", b"no video")
    there: list[int] = []

    def fetched(recording: Recording, source: Blobs, folder: Path) -> Path:
        path = fetch(recording, source, folder)
        there.append(len(list(folder.iterdir())))
        return path

    monkeypatch.setattr("argus.stream.batch_work.fetch", fetched)
    config = job_config(tmp_path, "blob:uploads/*.mp4")
    storage = config.storage.model_copy(update={"blobs": bucket})
    assert do(config.model_copy(update={"storage": storage}))[0] != batch.DONE
    assert there == [1, 1, 1]


@pytest.mark.parametrize("stopped", [False, True])
def test_a_store_that_is_away_at_the_very_end_is_said_and_the_next_attempt_has_nothing_left_to_do(
    tmp_path: Path, videos: Path, monkeypatch: pytest.MonkeyPatch, stopped: bool
) -> None:
    config, stop, keep = job_config(tmp_path, videos / "cam1"), threading.Event(), RunKeeper.keep

    def away(keeper: RunKeeper, run: Run) -> None:
        if run.state == "finished":
            if stopped:
                stop.set()
            raise ResultsUnavailable("the database is gone")
        keep(keeper, run)

    with monkeypatch.context() as patch:
        patch.setattr(RunKeeper, "keep", away)
        code, said = batch.run_batch(config, stop=stop)
    assert (code, said) == ((batch.STOPPED, "") if stopped else (batch.FAILED, "the database is gone"))
    assert do(config) == (batch.DONE, "")
    assert (run_of(config).state, run_of(config).frames) == ("finished", 60)


def test_a_pipeline_that_keeps_no_events_keeps_alerts(tmp_path: Path, videos: Path) -> None:
    config = job_config(tmp_path, videos / "cam1", store={"events": "none"})
    do(config)
    kept = contents(config)
    assert kept["alerts"]
    assert kept["events"] == kept["detections"] == []
