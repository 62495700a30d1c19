"""A recording as a camera: at its own speed, once or again and again, and nobody trips over the seam."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import cv2
import pytest

from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.engine.notices import Notice
from argus.vision.results import Event, FrameResult
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.sharing import StreamSpec
from tests.engine.parts import Listener, Models
from tests.sources.settling import comes_true
from tests.sources.videos import grey_steps, make_video

FPS = 25
SPEC = PipelineSpec.model_validate({"detect": "finder"})


class Yard:
    """An engine with one camera that plays a recording, and all that was told of it."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.listener = Listener()
        self.engine = Engine(tell=self.notices.append, open_model=Models().open)

    def play(self, url: Path, *, loop: bool = False, live: bool = True, fps: float | None = None) -> None:
        spec = CameraSpec(url=str(url), loop=loop, fps=fps, lost_after=0.5)
        self.engine.add_camera("film", spec, live=live, held=True)
        self.engine.add_pipeline("p", SPEC, camera="film", listener=self.listener)
        self.engine.release("film")

    @property
    def frames(self) -> list[Frame]:
        return [result.frame for result in self.listener.results]

    @property
    def told(self) -> list[str]:
        return [event.type for notice in self.notices for event in notice.events]

    @property
    def connections(self) -> int:
        return self.engine.stream_of("film").counts.connections

    def over(self) -> bool:
        return self.engine.cameras["film"].over.is_set()


@pytest.fixture
def yard() -> Iterator[Yard]:
    yard = Yard()
    yield yard
    yard.engine.close()


def film(path: Path, *, seconds: float = 1.0, container_format: str | None = None) -> Path:
    codec = "mjpeg" if container_format == "mjpeg" else "mpeg4"
    return make_video(
        path,
        frames=int(seconds * FPS),
        fps=FPS,
        codec=codec,
        pixel_format="yuvj420p" if codec == "mjpeg" else "yuv420p",
        container_format=container_format,
    )


@pytest.mark.parametrize("name", ["a.mp4", "a.avi", "a.mkv", "a.ts"])
def test_a_recording_begins_again_and_time_and_index_go_on(yard: Yard, tmp_path: Path, name: str) -> None:
    yard.play(film(tmp_path / name, seconds=0.4), loop=True)
    assert comes_true(lambda: len(yard.frames) >= 32)
    frames = yard.frames
    assert all(b.time_s > a.time_s for a, b in pairwise(frames))
    assert all(b.index > a.index for a, b in pairwise(frames))
    # At the seam too one frame follows the other after one interval, or after some where any were left out.
    gaps = [(b.time_s - a.time_s) / (b.index - a.index) for a, b in pairwise(frames)]
    assert gaps == pytest.approx([1 / FPS] * len(gaps), abs=0.005)
    assert yard.connections == 1
    assert "camera.lost" not in yard.told
    assert not yard.over()


def test_a_recording_plays_at_its_own_speed(yard: Yard, tmp_path: Path) -> None:
    yard.play(film(tmp_path / "a.mp4", seconds=0.5), loop=True)
    assert comes_true(lambda: bool(yard.frames))
    began_s, first = time.monotonic(), yard.engine.cameras["film"].latest
    assert first is not None
    assert comes_true(lambda: yard.frames[-1].time_s >= first.time_s + 2.0)
    assert time.monotonic() - began_s == pytest.approx(2.0, abs=0.4)


def test_a_motion_jpeg_file_loops(yard: Yard, tmp_path: Path) -> None:
    yard.play(film(tmp_path / "a.mjpeg", seconds=0.4, container_format="mjpeg"), loop=True)
    assert comes_true(lambda: len(yard.frames) >= 25)
    assert all(b.time_s > a.time_s for a, b in pairwise(yard.frames))


def test_a_folder_of_pictures_plays_at_the_rate_of_its_camera_and_loops(yard: Yard, tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), grey_steps(number, 32, 24))
    yard.play(tmp_path, loop=True, fps=20)
    assert comes_true(lambda: len(yard.frames) >= 10)
    assert [f.file for f in yard.frames[:4]] == ["0.png", "1.png", "2.png", "0.png"]
    assert [f.time_s for f in yard.frames[:4]] == pytest.approx([0, 0.05, 0.1, 0.15])


def test_what_is_played_happens_now(yard: Yard, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "0.png"), grey_steps(0, 32, 24))
    yard.play(tmp_path, loop=True, fps=20)
    assert comes_true(lambda: len(yard.frames) >= 3)
    assert datetime.now(UTC) - yard.frames[-1].captured_at < timedelta(seconds=1)


def test_a_recording_played_once_ends_its_pipelines_and_tells_what_was_open(
    yard: Yard, tmp_path: Path
) -> None:
    yard.play(film(tmp_path / "a.mp4"))
    assert comes_true(lambda: bool(yard.listener.finished), 5)
    assert yard.over()
    assert [event.type for event in yard.listener.finished[0]] == ["object.appeared"]
    assert yard.engine.cameras["film"].decoded == FPS
    assert "camera.lost" not in yard.told
    [camera] = yard.engine.status().cameras
    assert (camera.state, camera.reason) == ("online", "a recording, played to its end")
    yard.engine.close()
    assert len(yard.listener.finished) == 1


def test_the_camera_of_a_recording_that_ended_is_not_lost_later(yard: Yard, tmp_path: Path) -> None:
    yard.play(film(tmp_path / "a.mp4", seconds=0.2))
    assert comes_true(yard.over)
    assert not comes_true(lambda: "camera.lost" in yard.told, 1.0)


def test_a_recording_that_is_read_frame_by_frame_does_not_loop(yard: Yard, tmp_path: Path) -> None:
    yard.play(film(tmp_path / "a.mp4", seconds=0.4), loop=True, live=False)
    assert yard.engine.wait(10)
    assert len(yard.frames) == 10


def test_a_loop_is_not_shared_with_one_who_watches_once() -> None:
    once = StreamSpec("a.mp4", SourceOptions(), paced=True)
    again = StreamSpec("a.mp4", SourceOptions(loop=True), paced=True)
    assert once.key != again.key


def test_a_recording_that_vanishes_ends_the_loop_with_its_reason(yard: Yard, tmp_path: Path) -> None:
    path = film(tmp_path / "a.mp4", seconds=0.4)
    yard.play(path, loop=True)
    assert comes_true(lambda: len(yard.frames) >= 12)
    path.unlink()
    assert comes_true(yard.over)
    assert "a.mp4" in str(yard.engine.cameras["film"].error)


def test_a_camera_that_takes_anothers_place_goes_on_in_time(yard: Yard, tmp_path: Path) -> None:
    yard.play(film(tmp_path / "a.mp4"), loop=True)
    assert comes_true(lambda: len(yard.frames) >= 40)
    yard.engine.change_camera("film", CameraSpec(url=str(film(tmp_path / "b.mp4")), loop=True))
    seen = len(yard.frames)
    assert comes_true(lambda: len(yard.frames) >= seen + 20)
    assert all(b.time_s > a.time_s for a, b in pairwise(yard.frames))
    assert all(b.index > a.index for a, b in pairwise(yard.frames))


def test_a_listener_that_is_slow_to_finish_holds_nobody_up(tmp_path: Path) -> None:
    held, told = threading.Event(), threading.Event()

    class Slow:
        def write(self, result: FrameResult) -> None:
            pass

        def finish(self, still_open: tuple[Event, ...]) -> None:
            told.set()
            held.wait(10)

    with Engine(open_model=Models().open) as engine:
        other = Listener()
        engine.add_camera("short", CameraSpec(url=str(film(tmp_path / "a.mp4", seconds=0.2))), held=True)
        engine.add_camera("long", CameraSpec(url=str(film(tmp_path / "b.mp4")), loop=True))
        engine.add_pipeline("p", SPEC, camera="short", listener=Slow())
        engine.add_pipeline("q", SPEC, camera="long", listener=other)
        engine.release("short")
        assert told.wait(5)
        assert other.waits_for(20)
        held.set()
