"""The best picture of each event, kept without keeping anybody waiting."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from argus.core.frame import Frame
from argus.storage.records import Attachment
from argus.stream.album import Album
from argus.stream.journal import Journal
from argus.stream.late_blobs import LateBlobs
from argus.stream.promises import Promises
from argus.stream.scribe import Scribe
from argus.stream.snapshots import Pictures, Shot
from argus.vision.results import Event
from tests.stream.parts import RememberingWriter, event, frame, until


class Desk:
    """Pictures on their way into a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "blobs"
        self.writer = RememberingWriter()
        self.scribe = Scribe(self.writer, Journal(folder / "open"), Promises(folder / "clips"))
        self.pictures = Pictures(LateBlobs(str(self.folder)), self.scribe)
        self.album = Album("p", self.pictures.keep)

    def see(self, change: Event, at: Frame, id_: str = "one", *, grave: bool = False) -> None:
        self.album.see(change, id_, at, wanted=True, grave=grave)

    def shade(self, key: str) -> int:
        """How bright the picture under a key is."""
        data = np.frombuffer((self.folder / key).read_bytes(), np.uint8)
        picture = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
        assert picture is not None
        return int(picture.mean())

    def attached(self) -> dict[str, str | None]:
        """Key of the picture by event, when all is done."""
        self.pictures.close(10.0)
        self.scribe.close()
        return {record.event: record.snapshot for record in self.writer.of(Attachment)}


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    desk = Desk(tmp_path)
    yield desk
    desk.pictures.close(0.0)
    desk.scribe.close(0.0)


KEY = "snapshots/p/2026/11/21/one.jpg"


def test_an_event_has_a_picture_when_it_has_begun(desk: Desk) -> None:
    desk.see(event("start", 5), frame(5, shade=50))
    until(lambda: desk.writer.of(Attachment))
    assert desk.shade(KEY) == 50
    assert desk.attached() == {"one": KEY}


def test_a_better_picture_takes_its_place_when_the_event_ends(desk: Desk) -> None:
    desk.see(event("start", 5), frame(5, shade=50))
    until(lambda: desk.writer.of(Attachment))
    desk.see(event("update", 5, snapshot_frame=9), frame(9, shade=90))
    assert desk.shade(KEY) == 50
    desk.see(event("end", 5, snapshot_frame=9, end_s=2.0), frame(20, shade=200))
    assert desk.attached() == {"one": KEY}
    assert desk.shade(KEY) == 90


def test_only_so_many_frames_are_held_for_the_ends_of_events(desk: Desk) -> None:
    for number in range(6):
        desk.see(event("start", 5), frame(5), f"e{number}")
        desk.see(event("update", 5, snapshot_frame=6 + number), frame(6 + number, shade=90), f"e{number}")
    early = [f"snapshots/p/2026/11/21/e{number}.jpg" for number in range(6)]
    until(lambda: (desk.folder / early[5]).exists() and desk.shade(early[1]) == 90)
    assert [desk.shade(key) for key in early] == [90, 90, 80, 80, 80, 80]


def test_who_leaves_is_shown_as_in_the_event_that_ends_with_it(desk: Desk) -> None:
    desk.see(event("start", 5), frame(5, shade=50))
    desk.see(event("update", 5, snapshot_frame=9), frame(9, shade=90))
    desk.see(event("end", 5, snapshot_frame=9, end_s=2.0), frame(20))
    left = event("end", 20, id="engine-2", type="zone.exited", snapshot_frame=9, end_s=2.0)
    desk.see(left, frame(20, shade=200), "two")
    assert desk.attached() == {"one": KEY, "two": KEY}
    assert desk.shade(KEY) == 90


def test_a_picture_that_another_event_may_still_better_is_copied(desk: Desk) -> None:
    desk.see(event("start", 5), frame(5, shade=50))
    crossed = event("end", 12, id="engine-2", type="line.crossed", snapshot_frame=5, end_s=1.2)
    desk.see(crossed, frame(12, shade=120), "two")
    desk.see(event("update", 5, snapshot_frame=30), frame(30, shade=200))
    desk.see(event("end", 5, snapshot_frame=30, end_s=4.0), frame(40))
    keys = desk.attached()
    assert desk.shade(str(keys["one"])) == 200
    assert desk.shade(str(keys["two"])) == 50


def test_events_that_nobody_wants_pictures_of_get_none(desk: Desk) -> None:
    desk.album.see(event("start", 5), "one", frame(5), wanted=False, grave=False)
    desk.album.see(event("end", 5, end_s=1.0), "one", frame(9), wanted=False, grave=False)
    assert desk.attached() == {}


def test_what_is_open_when_its_pipeline_ends_gets_its_best_picture(desk: Desk) -> None:
    desk.see(event("start", 5), frame(5, shade=50))
    desk.see(event("update", 5, snapshot_frame=9), frame(9, shade=90))
    desk.album.end()
    desk.attached()
    assert desk.shade(KEY) == 90


def test_a_store_that_is_away_for_a_moment_costs_no_picture(desk: Desk) -> None:
    desk.folder.rename(desk.folder.with_name("away"))
    desk.folder.touch()  # a file where the folder was
    desk.see(event("start", 5), frame(5, shade=50))
    until(lambda: desk.pictures._said, what="it is said")
    desk.folder.unlink()
    desk.folder.with_name("away").rename(desk.folder)
    until(lambda: desk.writer.of(Attachment))
    assert desk.shade(KEY) == 50


def test_a_store_that_stays_away_keeps_nobody_waiting(tmp_path: Path) -> None:
    (tmp_path / "blobs").touch()
    desk = Desk(tmp_path)
    for number in range(300):
        desk.see(event("start", 5), frame(5), f"e{number}", grave=number % 2 == 0)
    assert len(desk.pictures._queue) <= 64 + 2  # and those that two threads had in hand
    assert desk.attached() == {}
    assert desk.pictures.lost == 300


def test_the_grave_ones_stay_where_too_many_wait(tmp_path: Path) -> None:
    (tmp_path / "blobs").touch()
    desk = Desk(tmp_path)
    for number in range(200):
        desk.pictures.keep(Shot(f"snapshots/p/{number}.jpg", frame(1), (str(number),), number % 4 == 0))
    waiting = [shot.grave for shot in desk.pictures._queue]
    assert sum(waiting) >= 45
    desk.attached()
