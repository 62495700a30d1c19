"""What a run writes: JSON lines, annotated video and pictures, snapshots."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import threading
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import av
import cv2
import numpy as np
import pytest

from argus.core.detections import Detections
from argus.core.errors import OutputError, SpecError
from argus.core.frame import Frame, Image
from argus.vision.pictures import ArrayPicture
from argus.vision.results import Event, FrameResult
from argus.vision.sinks.jsonl import DetectionLines, EventLines
from argus.vision.sinks.pictures import AnnotatedPictures, Snapshots, crop_around
from argus.vision.sinks.video import AnnotatedVideo

NOW = datetime(2026, 1, 1, tzinfo=UTC)
PERSON = Detections(
    np.array([[10, 20, 30, 60]], np.float32), np.array([0.91], np.float32), np.zeros(1, np.int32), ("person",)
)


def result(
    index: int = 0,
    *,
    time_s: float | None = None,
    size: tuple[int, int] = (64, 48),
    detections: Detections = PERSON,
    events: Sequence[Event] = (),
    file: str | None = None,
) -> FrameResult:
    pixels = np.full((size[1], size[0], 3), 10 * (index % 20), np.uint8)
    at = index / 10 if time_s is None else time_s
    return FrameResult(Frame(ArrayPicture(pixels), "test", index, at, NOW, file), detections, tuple(events))


def event(
    phase: str, end_s: float | None = None, snapshot_frame: int | None = None, name: str = "e1"
) -> Event:
    return Event(
        name,
        "zone.entered",
        "gate",
        phase,  # type: ignore[arg-type]
        1.0,
        NOW,
        end_s,
        object_id=3,
        class_name="person",
        region="yard",
        region_kind="zone",
        severity="high",
        xyxy=(10, 20, 30, 60),
        snapshot_frame=snapshot_frame,
    )


def bgr(item: FrameResult) -> Image:
    return item.frame.bgr


def lines(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_line_of_detections_holds_frame_time_and_all_that_was_found(tmp_path: Path) -> None:
    sink = DetectionLines(tmp_path / "d.jsonl")
    sink.write(result(0))
    sink.write(result(1, detections=PERSON.with_track_id(np.array([7]))))
    sink.write(result(2, detections=Detections.empty()))
    sink.close()
    found = {"class": "person", "confidence": 0.91, "xyxy": [10.0, 20.0, 30.0, 60.0]}
    assert lines(tmp_path / "d.jsonl") == [
        {"frame": 0, "time_s": 0.0, "detections": [found]},
        {"frame": 1, "time_s": 0.1, "detections": [found | {"track_id": 7}]},
        {"frame": 2, "time_s": 0.2, "detections": []},
    ]


def test_a_detection_without_a_confirmed_track_has_no_track_id(tmp_path: Path) -> None:
    sink = DetectionLines(tmp_path / "d.jsonl")
    sink.write(result(detections=PERSON.with_track_id(np.array([0]))))
    sink.close()
    assert lines(tmp_path / "d.jsonl")[0]["detections"][0]["track_id"] is None  # type: ignore[index]


def test_pictures_carry_their_file_name(tmp_path: Path) -> None:
    sink = DetectionLines(tmp_path / "d.jsonl")
    sink.write(result(file="bus.jpg"))
    sink.close()
    assert lines(tmp_path / "d.jsonl")[0]["file"] == "bus.jpg"


def test_an_event_is_one_line_when_it_ends_and_open_ones_come_last(tmp_path: Path) -> None:
    sink = EventLines(tmp_path / "e.jsonl")
    sink.write(result(0, events=[event("start"), event("start", name="e2")]))
    sink.write(result(1, events=[event("update")]))
    sink.write(result(2, events=[event("end", end_s=2.5)]))
    sink.finish([event("end", name="e2")])
    sink.close()
    rows = lines(tmp_path / "e.jsonl")
    assert [(row["id"], row["end"]) for row in rows] == [("e1", 2.5), ("e2", None)]
    wanted = {
        "type": "zone.entered",
        "camera": "gate",
        "object": 3,
        "zone": "yard",
        "start": 1.0,
        "severity": "high",
    }
    assert wanted.items() <= rows[0].items()


def test_an_event_can_be_read_as_soon_as_it_is_over(tmp_path: Path) -> None:
    sink = EventLines(tmp_path / "e.jsonl")
    sink.write(result(events=[event("end", end_s=2.0)]))
    assert len(lines(tmp_path / "e.jsonl")) == 1
    sink.close()


@pytest.mark.parametrize("suffix", [".mp4", ".mkv", ".avi", ".webm"])
def test_an_annotated_video_has_every_frame_at_its_own_time(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a{suffix}"
    times = [0.0, 0.1, 0.2, 0.7, 0.8] if suffix != ".avi" else [0.0, 0.1, 0.2, 0.3, 0.4]
    video = AnnotatedVideo(path, bgr, fps=10)
    for index, time_s in enumerate(times):
        video.write(result(index, time_s=time_s))
    video.finish(())
    video.close()
    with av.open(str(path)) as container:
        read = [float(frame.pts * frame.time_base) for frame in container.decode(video=0)]  # type: ignore[operator]
    # AVI counts its first H.264 frame as 1.
    assert [at - read[0] for at in read] == pytest.approx(times, abs=0.011)
    assert read[0] == pytest.approx(0.0, abs=0.101 if suffix == ".avi" else 0.001)


def test_a_video_that_cannot_be_finished_is_an_error_and_holds_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sink = AnnotatedVideo(tmp_path / "v.mp4", bgr, fps=10)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(sink, "_encode", lambda *_: setattr(sink, "_stream", SimpleNamespace(encode=full)))
    sink.write(result())
    ending = threading.Thread(target=sink._end, daemon=True)
    ending.start()
    ending.join(5.0)
    assert not ending.is_alive()
    with pytest.raises(OutputError, match="No space left"):
        sink.finish(())
    sink.close()


@pytest.mark.parametrize("suffix", ["AVI", "MP4", "WEBM"])
def test_a_suffix_in_capitals_is_the_same_container(tmp_path: Path, suffix: str) -> None:
    for name in (f"v.{suffix}", f"v.{suffix.lower()}"):
        sink = AnnotatedVideo(tmp_path / name, bgr, fps=10)
        for index in range(5):
            sink.write(result(index))
        sink.close()
    told = []
    for name in (f"v.{suffix}", f"v.{suffix.lower()}"):
        with av.open(str(tmp_path / name)) as video:
            stream = video.streams.video[0]
            told.append((stream.codec_context.name, stream.average_rate, stream.time_base))
    assert told[0] == told[1]


def test_a_picture_an_hour_makes_a_video_too(tmp_path: Path) -> None:
    sink = AnnotatedVideo(tmp_path / "v.avi", bgr, fps=1 / 3600)
    for index in range(3):
        sink.write(result(index, time_s=3600.0 * index))
    sink.close()
    with av.open(str(tmp_path / "v.avi")) as video:
        times = [frame.time for frame in video.decode(video=0)]
    assert [time - times[0] for time in times] == [0.0, 3600.0, 7200.0]


def test_odd_and_changing_sizes_are_fitted_to_the_first_one_made_even(tmp_path: Path) -> None:
    video = AnnotatedVideo(tmp_path / "a.mp4", bgr, fps=10)
    for index, size in enumerate([(63, 47), (63, 47), (128, 96), (1, 1)]):
        video.write(result(index, size=size))
    video.finish(())
    video.close()
    with av.open(str(tmp_path / "a.mp4")) as container:
        assert [(f.width, f.height) for f in container.decode(video=0)] == [(64, 48)] * 4


def test_a_video_without_a_frame_leaves_no_broken_state(tmp_path: Path) -> None:
    video = AnnotatedVideo(tmp_path / "a.mp4", bgr)
    video.finish(())
    video.close()
    video.close()


def test_a_suffix_that_is_no_video_is_refused_with_the_remedy(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"a\.xyz: \.xyz is no video format; use \.mp4"):
        AnnotatedVideo(tmp_path / "a.xyz", bgr)


@pytest.mark.parametrize("suffix", [".gif", ".ogv", ".y4m", ".wav"])
def test_a_container_that_takes_no_such_video_is_an_error_that_names_the_file(
    tmp_path: Path, suffix: str
) -> None:
    sink = AnnotatedVideo(tmp_path / f"a{suffix}", bgr)
    sink.write(result())
    with pytest.raises((SpecError, OutputError), match=rf"cannot write .*a\{suffix}"):
        sink.finish(())
    with contextlib.suppress(OutputError):
        sink.close()


def test_a_drawing_that_fails_is_heard_of_in_the_run(tmp_path: Path) -> None:
    def fail(item: FrameResult) -> Image:
        raise ZeroDivisionError("no ink")

    video = AnnotatedVideo(tmp_path / "a.mp4", fail)
    video.write(result(0))
    with pytest.raises(ZeroDivisionError, match="no ink"):
        video.finish(())
    video.close()


@pytest.mark.parametrize(
    "make", [DetectionLines, EventLines, lambda path: AnnotatedVideo(path.with_suffix(".mp4"), bgr)]
)
def test_a_path_that_cannot_be_written_is_named(tmp_path: Path, make: Callable[[Path], object]) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match=r"cannot write .*file"):
        make(tmp_path / "file" / "x.jsonl")


@pytest.mark.parametrize("make", [DetectionLines, EventLines])
def test_a_full_disk_is_an_error_that_names_the_file(
    make: Callable[[Path], DetectionLines | EventLines],
) -> None:
    sink = make(Path("/dev/full"))
    with pytest.raises(OutputError, match="cannot write /dev/full: No space left on device"):
        for _ in range(1000):
            sink.write(result(events=[event("end", end_s=2.0)]))
    with contextlib.suppress(OutputError):  # what is still buffered may fail once more
        sink.close()


def test_annotated_pictures_are_named_like_their_originals(tmp_path: Path) -> None:
    sink = AnnotatedPictures(tmp_path / "out", bgr)
    sink.write(result(0, file="bus.png"))
    sink.write(result(1, file="dog.jpeg"))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["bus.jpg", "dog.jpg"]
    picture = cv2.imread(str(tmp_path / "out" / "bus.jpg"))
    assert picture is not None
    assert picture.shape == (48, 64, 3)


def test_originals_that_differ_in_their_suffix_have_a_picture_each(tmp_path: Path) -> None:
    sink = AnnotatedPictures(tmp_path / "out", bgr)
    for index, name in enumerate(["bus.jpg", "bus.png", "dog.png"]):
        sink.write(result(index, file=name))
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["bus.jpg", "bus.png.jpg", "dog.jpg"]


def test_one_picture_goes_to_the_file_that_was_named(tmp_path: Path) -> None:
    AnnotatedPictures(tmp_path / "a.png", bgr).write(result(0, file="bus.jpg"))
    picture = cv2.imread(str(tmp_path / "a.png"))
    assert picture is not None
    assert picture.shape == (48, 64, 3)


def test_the_snapshot_of_an_event_is_from_the_frame_that_shows_it_best(tmp_path: Path) -> None:
    sink = Snapshots(tmp_path)
    sink.write(result(2, events=[event("start", snapshot_frame=2)]))
    sink.write(result(9, events=[event("update", snapshot_frame=9)]))
    sink.write(result(12, events=[event("end", end_s=1.2, snapshot_frame=9)]))
    picture = cv2.imdecode(np.frombuffer((tmp_path / "e1.jpg").read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    assert int(np.median(picture)) == pytest.approx(90, abs=3)


def test_snapshots_in_memory_are_bounded() -> None:
    sink = Snapshots(limit=3)
    for index in range(10):
        sink.write(result(index, events=[event("start", snapshot_frame=index, name=f"e{index}")]))
    assert list(sink.jpeg) == ["e7", "e8", "e9"]


def test_an_event_that_outlasts_the_memory_has_its_picture_in_the_folder(tmp_path: Path) -> None:
    """A car is parked while hundreds of people pass: the folder has a picture of it all the same."""
    sink = Snapshots(tmp_path, limit=3)
    sink.write(result(0, events=[event("start", snapshot_frame=0, name="parked")]))
    for index in range(1, 10):
        sink.write(result(index, events=[event("start", snapshot_frame=index, name=f"e{index}")]))
    sink.write(result(10, events=[event("end", end_s=1.0, snapshot_frame=0, name="parked")]))
    sink.finish([event("end", snapshot_frame=index, name=f"e{index}") for index in range(1, 10)])
    assert sorted(path.stem for path in tmp_path.iterdir()) == [*(f"e{i}" for i in range(1, 10)), "parked"]


@pytest.mark.parametrize(
    "xyxy", [(0, 0, 5, 5), (60, 40, 64, 48), (-10, -10, 100, 100), (200, 200, 210, 210), None]
)
def test_the_surroundings_of_any_box_are_a_picture(xyxy: tuple[float, float, float, float] | None) -> None:
    cut = crop_around(np.zeros((48, 64, 3), np.uint8), xyxy)
    assert min(cut.shape[:2]) >= 1
    assert cut.shape[2] == 3
