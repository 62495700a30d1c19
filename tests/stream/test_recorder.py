"""What a pipeline finds, as it is kept."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argus.storage.records import (
    AlertRecord,
    DetectionsRecord,
    EventRecord,
    TrackRecord,
)
from argus.stream.clipping import Clips
from argus.stream.journal import Journal
from argus.stream.late_blobs import LateBlobs
from argus.stream.promises import Promises
from argus.stream.recorder import Desks, Recorder
from argus.stream.scribe import Scribe
from argus.stream.snapshots import Pictures
from argus.vision.results import Alert, Event
from tests.stream.parts import RememberingWriter, event, frame, plan, result
from tests.stream.test_clipping import Cutter


class Room:
    """Recorders and what became of what they were given."""

    def __init__(self, folder: Path) -> None:
        self.writer = RememberingWriter()
        self.scribe = Scribe(self.writer, Journal(folder / "open"), Promises(folder / "clips"))
        blobs = LateBlobs(str(folder / "blobs"))
        self.pictures = Pictures(blobs, self.scribe)
        self.clips = Clips(Cutter(), blobs, self.scribe)

    def recorder(self, name: str = "p", **spec: Any) -> Recorder:
        return Recorder(name, "gate", plan(**spec).spec, Desks(self.scribe, self.pictures, self.clips))

    def kept(self, type_: type[Any]) -> list[Any]:
        self.close()
        return self.writer.of(type_)

    def close(self) -> None:
        self.clips.close()
        self.pictures.close(5.0)
        self.scribe.close()


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Room]:
    room = Room(tmp_path)
    yield room
    room.close()


def _alert(of: Event) -> Alert:
    return Alert(of, "high", "zone z")


def test_an_event_is_kept_under_one_id_all_its_life(room: Room) -> None:
    recorder = room.recorder()
    recorder.write(result(frame(5), event("start", 5)))
    recorder.write(result(frame(9), event("update", 5, snapshot_frame=9)))
    recorder.write(result(frame(20), event("end", 5, snapshot_frame=9, end_s=2.0)))
    events = room.kept(EventRecord)
    assert len({record.id for record in events}) == 1
    assert [record.open for record in events] == [True, True, False]
    lasted = [record.ended_at and (record.ended_at - record.started_at).total_seconds() for record in events]
    assert lasted == [None, None, 1.5]


def test_two_pipelines_that_see_one_thing_give_it_two_ids(room: Room) -> None:
    for name in ("p", "q"):
        room.recorder(name).write(result(frame(5), event("start", 5)))
    first, second = room.kept(EventRecord)
    assert (first.pipeline, second.pipeline) == ("p", "q")
    assert first.id != second.id


def test_what_happens_again_after_a_new_beginning_has_another_id(room: Room) -> None:
    recorder = room.recorder()
    recorder.write(result(frame(0), event("start", 0)))
    recorder.finish((event("end", 0),))
    recorder.write(result(frame(0), event("start", 0)))
    first, ended, again = room.kept(EventRecord)
    assert first.id == ended.id != again.id
    assert (ended.open, ended.ended_at) == (False, None)


def test_an_alert_names_the_event_that_raised_it(room: Room) -> None:
    raised = event("start", 5, severity="high")
    recorder = room.recorder()
    recorder.write(result(frame(5), raised, alerts=[_alert(raised)]))
    [kept], [alert] = room.kept(EventRecord), room.writer.of(AlertRecord)
    assert (alert.event, alert.at) == (kept.id, frame(5).captured_at)
    assert (alert.severity, alert.rule) == ("high", "zone z")
    assert alert.id != kept.id
    assert recorder.alerts == {"high": 1}


def test_an_object_is_kept_as_a_track_under_the_id_of_its_event(room: Room) -> None:
    recorder = room.recorder()
    recorder.write(result(frame(5), event("start", 5, type="object.appeared")))
    ended = event("end", 5, type="object.appeared", end_s=0.8, path=((0.5, 0.1, 0.2),))
    recorder.write(result(frame(9), ended))
    tracks = room.kept(TrackRecord)
    assert {track.id for track in tracks} == {record.id for record in room.writer.of(EventRecord)}
    assert [track.open for track in tracks] == [True, False]
    assert (tracks[1].last_seen - tracks[1].first_seen).total_seconds() == pytest.approx(0.3)
    assert tracks[1].path == ((0.5, 0.1, 0.2),)


def test_no_events_are_kept_where_the_store_says_none_but_alerts_are(room: Room) -> None:
    raised = event("start", 5, type="object.appeared")
    room.recorder(store={"events": "none"}).write(result(frame(5), raised, alerts=[_alert(raised)]))
    assert room.kept(EventRecord) == []
    assert room.writer.of(TrackRecord) == []
    assert len(room.writer.of(AlertRecord)) == 1


@pytest.mark.parametrize(
    ("said", "frames"), [("none", []), ("all", list(range(30))), ("every 1s", [0, 10, 20])]
)
def test_detections_are_kept_as_often_as_asked(room: Room, said: str, frames: list[int]) -> None:
    recorder = room.recorder(store={"detections": said})
    for index in range(30):
        recorder.write(result(frame(index)))
    assert [record.frame for record in room.kept(DetectionsRecord)] == frames


def test_frames_of_another_connection_are_told_from_those_of_the_first(room: Room) -> None:
    recorder = room.recorder(store={"detections": "all"})
    for index in (0, 1, 0, 1):
        recorder.write(result(frame(index)))
    first, second, third, fourth = [record.run for record in room.kept(DetectionsRecord)]
    assert first == second != third == fourth


def test_what_is_kept_follows_the_spec(room: Room) -> None:
    recorder = room.recorder()
    recorder.write(result(frame(0)))
    recorder.respec(plan(store={"detections": "all"}).spec, "gate")
    recorder.write(result(frame(1)))
    assert [record.frame for record in room.kept(DetectionsRecord)] == [1]


def test_an_alert_gets_a_clip_where_the_store_asks_for_clips(room: Room) -> None:
    raised = event("start", 5, severity="high")
    recorder = room.recorder(store={"clips": {}}, alerts=[{"on": "zone.entered"}])
    recorder.write(result(frame(5), raised, event("start", 5, id="other"), alerts=[_alert(raised)]))
    assert room.clips.waiting == 1
