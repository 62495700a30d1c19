"""When a clip is cut, of how much, and what becomes of it."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.core.errors import UnknownName
from argus.core.frame import Frame
from argus.core.resources.pipeline import ClipSpec
from argus.storage.records import AlertRecord, Attachment, EventRecord
from argus.stream.clipping import Clips
from argus.stream.journal import Journal
from argus.stream.late_blobs import LateBlobs
from argus.stream.promises import Promises
from argus.stream.scribe import Scribe
from argus.vision.clips import Clip, ClipUnavailable
from tests.stream.parts import BEGAN, RememberingWriter, frame, until

SPEC = ClipSpec.read({"before": "3s", "after": "5s"}, "test")


class Camera:
    """One that has come as far as it is told."""

    latest: Frame | None = None


class Cutter:
    """Writes what it was asked for into the file."""

    def __init__(self) -> None:
        self.cameras = {"gate": Camera()}
        self.asked: list[tuple[float, float]] = []
        self.stuck = threading.Event()
        self.stuck.set()

    def now(self, time_s: float) -> None:
        self.cameras["gate"].latest = frame(round(time_s * 10))

    def cut(self, camera: str, start_s: float, end_s: float, path: Path) -> Clip:
        self.stuck.wait(20)
        if camera not in self.cameras:
            raise UnknownName("camera", camera, self.cameras)
        latest = self.cameras[camera].latest
        if latest is None or end_s > latest.time_s:
            raise ClipUnavailable("not yet", come_to_s=None if latest is None else latest.time_s)
        self.asked.append((start_s, end_s))
        path.write_text(f"{start_s} {end_s}")
        return Clip(path, start_s, end_s, "h264", 1, path.stat().st_size)


class Desk:
    """Clips on their way into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "blobs"
        self.writer = RememberingWriter()
        self.scribe = Scribe(self.writer, Journal(folder / "open"), Promises(folder / "clips"))
        self.cutter = Cutter()
        self.now_s = 1000.0
        self.clips = Clips(self.cutter, LateBlobs(str(self.folder)), self.scribe, clock=lambda: self.now_s)

    def begin(self, event: str, start_s: float, end_s: float | None = None) -> None:
        self.clips.begin(event, f"clips/p/{event}.mp4", "gate", SPEC, start_s=start_s, end_s=end_s)
        self.tell(event, goes_on=end_s is None)
        alert = AlertRecord(
            id=f"{event}-a",
            event=event,
            type="zone.entered",
            camera="gate",
            rule="z",
            severity="high",
            at=BEGAN,
        )
        self.scribe.take(lambda: [alert])

    def tell(self, event: str, *, goes_on: bool) -> None:
        record = EventRecord(id=event, type="zone.entered", camera="gate", open=goes_on, started_at=BEGAN)
        self.scribe.take(lambda: [record])

    def says(self, event: str) -> list[str]:
        """What was said of its clip."""
        self.scribe.close()
        told = [record for record in self.writer.of(Attachment) if record.event == event]
        return [record.clip_note for record in told if record.clip_note is not None]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.clips.close()
    desk.scribe.close(0.0)


def test_a_clip_reaches_from_before_its_event_to_after_its_end(desk: Desk) -> None:
    desk.cutter.now(10)
    desk.begin("one", 10.0)
    desk.cutter.now(20)
    desk.clips.end("one", 18.0)
    assert desk.clips.waiting == 1
    desk.cutter.now(23.1)
    until(lambda: desk.writer.of(Attachment))
    assert desk.cutter.asked == [(7.0, 23.0)]
    assert desk.writer.of(Attachment) == [Attachment(event="one", clip="clips/p/one.mp4")]
    assert (desk.folder / "clips/p/one.mp4").read_text() == "7.0 23.0"


def test_an_event_that_goes_on_is_cut_after_a_minute(desk: Desk) -> None:
    desk.cutter.now(10)
    desk.begin("one", 10.0)
    desk.cutter.now(68)
    until(lambda: desk.cutter.asked)
    assert desk.cutter.asked == [(7.0, 67.0)]


def test_no_clip_begins_before_its_stream(desk: Desk) -> None:
    desk.begin("one", 1.0, 1.0)
    desk.cutter.now(7)
    until(lambda: desk.cutter.asked)
    assert desk.cutter.asked == [(0.0, 6.0)]


def test_a_camera_that_has_gone_silent_gives_what_there_is_of_a_clip(desk: Desk) -> None:
    desk.cutter.now(10)
    desk.begin("one", 10.0, 10.0)
    desk.cutter.now(12)
    desk.now_s += 9.0

    def later() -> bool:
        desk.now_s += 1.0
        return not desk.clips.waiting

    until(later)
    assert desk.cutter.asked == [(7.0, 12.0)]
    assert desk.says("one") == ["not whole: ends 3.0 s early: the camera gave no more"]


def test_what_waits_at_the_end_is_cut_with_what_is_there_and_says_so(desk: Desk) -> None:
    desk.cutter.now(10)
    desk.begin("one", 10.0)
    desk.begin("two", 9.0, 10.0)
    desk.clips.close()
    assert sorted(desk.cutter.asked) == [(6.0, 10.0), (7.0, 10.0)]
    assert desk.says("one") == ["not whole: ends while the event goes on: the worker was asked to end"]
    assert desk.says("two") == ["not whole: ends 5.0 s early: the worker was asked to end"]
    assert {record.event for record in desk.writer.of(Attachment)} == {"one", "two"}


def test_what_the_clips_of_a_camera_that_is_changed_lack_is_said(desk: Desk) -> None:
    desk.cutter.now(10)
    desk.begin("one", 9.0, 10.0)
    desk.clips.flush("gate", "its camera was changed")
    desk.cutter.now(0)
    until(lambda: desk.clips.kept)
    assert desk.says("one") == ["not whole: ends 5.0 s early: its camera was changed"]


def test_of_a_clip_that_cannot_be_made_it_is_said_why(desk: Desk) -> None:
    desk.begin("one", 10.0, 10.0)
    desk.cutter.cameras.clear()
    desk.now_s += 20
    until(lambda: desk.clips.lost == 1)
    assert desk.clips.waiting == 0
    assert desk.says("one") == ["missing: its camera was removed"]


def test_a_clip_for_which_there_is_no_time_at_the_end_is_lost_and_counted(desk: Desk) -> None:
    desk.cutter.now(10)
    desk.begin("one", 10.0, 10.0)
    desk.cutter.stuck.clear()
    try:
        desk.clips.close(0.2)
        assert desk.clips.lost == 1
        assert desk.says("one") == ["missing: the worker was asked to end, and there was no time left"]
    finally:
        desk.cutter.stuck.set()


def test_an_event_that_is_raised_when_all_is_over_says_that_it_has_no_clip(desk: Desk) -> None:
    desk.clips.close()
    desk.begin("one", 10.0, 10.0)
    assert desk.clips.lost == 1
    assert desk.says("one") == ["missing: the worker was asked to end"]


def test_what_was_promised_before_a_kill_is_said_to_be_missing_by_the_next_worker(
    desk: Desk, tmp_path: Path
) -> None:
    desk.cutter.now(10)
    desk.begin("one", 10.0)
    desk.begin("two", 10.0)
    desk.cutter.now(80)
    until(lambda: desk.clips.kept == 2)
    desk.begin("three", 79.0)
    until(lambda: "three" in {record.id for record in desk.writer.of(EventRecord)})
    left = tmp_path / "left"
    shutil.copytree(tmp_path / "clips", left)  # as it lies there at this moment
    (left / "half.mp4").write_text("half a clip")
    (left / "old.promise").write_text('{"event": null, "alerts": {}}')  # of an older Argus
    writer = RememberingWriter()
    scribe = Scribe(writer, Journal(tmp_path / "next"), Promises(left))
    clips = Clips(Cutter(), LateBlobs(str(desk.folder)), scribe)
    until(lambda: writer.of(Attachment))
    why = "missing: the worker was killed before it was made"
    assert writer.of(Attachment) == [Attachment(event=id_, clip_note=why) for id_ in ("old", "three")]
    assert clips.lost == 2
    clips.close()
    scribe.close()
    assert list(left.iterdir()) == []


def test_a_promise_that_cannot_be_written_down_costs_no_clip(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "clips" / "one.promise").symlink_to(tmp_path / "no" / "such")
    desk.cutter.now(10)
    desk.begin("one", 9.0, 10.0)
    desk.cutter.now(16)
    until(lambda: desk.clips.kept)
    assert desk.says("one") == []
    assert [record.event for record in desk.writer.of(Attachment)] == ["one"]


def test_a_full_store_is_tried_again_and_nothing_is_cut_twice(desk: Desk) -> None:
    desk.folder.rename(desk.folder.with_name("away"))
    desk.folder.touch()  # a file where the folder was
    desk.cutter.now(10)
    desk.begin("one", 10.0, 10.0)
    desk.cutter.now(16)
    until(lambda: desk.clips._jobs["one"].tries)
    desk.folder.unlink()
    desk.folder.with_name("away").rename(desk.folder)
    desk.now_s += 10
    until(lambda: desk.writer.of(Attachment))
    assert len(desk.cutter.asked) == 1
