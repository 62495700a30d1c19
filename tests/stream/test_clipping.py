"""When a clip is cut, of how much, and what becomes of it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.core.errors import UnknownName
from argus.core.frame import Frame
from argus.core.resources.pipeline import ClipSpec
from argus.storage.records import Attachment
from argus.stream.clipping import Clips
from argus.stream.journal import Journal
from argus.stream.late_blobs import LateBlobs
from argus.stream.scribe import Scribe
from argus.vision.clips import Clip, ClipUnavailable
from tests.stream.parts import RememberingWriter, frame, until

SPEC = ClipSpec.read({"before": "3s", "after": "5s"}, "test")


class Camera:
    """One that has come as far as it is told."""

    latest: Frame | None = None


class Cutter:
    """Writes what it was asked for into the file."""

    def __init__(self) -> None:
        self.cameras = {"gate": Camera()}
        self.asked: list[tuple[float, float]] = []
        self.early = False

    def now(self, time_s: float) -> None:
        self.cameras["gate"].latest = frame(round(time_s * 10))

    def cut_clip(self, camera: str, start_s: float, end_s: float, path: Path) -> Clip:
        if camera not in self.cameras:
            raise UnknownName("camera", camera, self.cameras)
        latest = self.cameras[camera].latest
        if latest is None or end_s > latest.time_s:
            raise ClipUnavailable("not yet", early=True)
        self.asked.append((start_s, end_s))
        path.write_text(f"{start_s} {end_s}")
        return Clip(path, start_s, end_s, "h264", 1, path.stat().st_size)


class Desk:
    """Clips on their way into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "blobs"
        self.writer = RememberingWriter()
        self.scribe = Scribe(self.writer, Journal(folder / "open"))
        self.cutter = Cutter()
        self.now_s = 1000.0
        self.clips = Clips(self.cutter, LateBlobs(str(self.folder)), self.scribe, clock=lambda: self.now_s)

    def begin(self, event: str, start_s: float, end_s: float | None = None) -> None:
        self.clips.begin(event, f"clips/p/{event}.mp4", "gate", SPEC, start_s=start_s, end_s=end_s)


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


def test_a_camera_that_has_gone_silent_is_not_waited_for_for_ever(desk: Desk) -> None:
    desk.cutter.now(10)
    desk.begin("one", 10.0, 10.0)
    desk.cutter.now(12)
    desk.now_s += 9.0
    until(lambda: desk.clips.lost or desk.cutter.asked or desk.clips._jobs["one"].tries)
    for _ in range(10):
        desk.now_s += 1.0
        until(lambda: desk.clips.lost or desk.clips._jobs["one"].not_before_s > desk.now_s, within_s=2.0)
        if desk.clips.lost:
            break
    assert desk.clips.waiting == 0


def test_what_waits_at_the_end_is_cut_with_what_is_there(desk: Desk) -> None:
    desk.cutter.now(10)
    desk.begin("one", 10.0)
    desk.begin("two", 9.0, 10.0)
    desk.clips.close()
    assert sorted(desk.cutter.asked) == [(6.0, 9.95), (7.0, 9.95)]
    desk.scribe.close()
    assert {record.event for record in desk.writer.of(Attachment)} == {"one", "two"}


def test_a_camera_that_was_removed_costs_its_clips_alone(desk: Desk) -> None:
    desk.begin("one", 10.0, 10.0)
    desk.cutter.cameras.clear()
    desk.now_s += 20
    until(lambda: desk.clips.lost == 1)
    assert desk.clips.waiting == 0


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
