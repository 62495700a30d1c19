"""Clips of cameras that an engine reads while they run: over RTSP with its faults, and without packets."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import cv2
import numpy as np
import pytest

from argus.core.errors import UnknownName
from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec, ReconnectSpec
from argus.testing.web_camera import WebCamera
from argus.vision.clips.clip import Clip, ClipUnavailable
from argus.vision.engine.engine import Engine
from argus.vision.lab import RtspCamera, rtsp_camera_problem
from argus.vision.sources.sharing import StreamSpec
from tests.clips.reading import Film, faststart
from tests.conftest import need
from tests.sources.settling import comes_true
from tests.sources.videos import make_video

FPS = 25.0
SOON = ReconnectSpec(first=0.05, longest=0.1)


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    need(rtsp_camera_problem() is None, rtsp_camera_problem() or "")
    with RtspCamera(width=160, height=128, fps=FPS) as camera:
        yield camera


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine() as engine:
        yield engine


def latest(engine: Engine, name: str = "gate") -> Frame | None:
    return engine.cameras[name].latest


def now_s(engine: Engine, name: str = "gate") -> float:
    frame = latest(engine, name)
    return 0.0 if frame is None else frame.time_s


def watch(
    engine: Engine, url: str, *, keep_s: float = 30.0, fps: float | None = None, seconds: float = 1.6
) -> None:
    spec = CameraSpec(url=url, fps=fps, lost_after=1.0, reconnect=SOON)
    engine.add_camera("gate", spec, keep_s=keep_s)
    assert comes_true(lambda: now_s(engine) >= seconds, 20)


def cut(engine: Engine, start_s: float, end_s: float, path: Path) -> Clip:
    """Cut a clip as soon as the stream has come so far."""
    clips: list[Clip] = []

    def there() -> bool:
        try:
            clips.append(engine.footage.cut("gate", start_s, end_s, path))
        except ClipUnavailable as error:
            if error.come_to_s is None:
                raise
        return bool(clips)

    assert comes_true(there, 5)
    return clips[0]


def test_a_clip_of_an_rtsp_camera_shows_what_its_frames_showed(
    engine: Engine, camera: RtspCamera, tmp_path: Path
) -> None:
    watch(engine, camera.url)
    frame = latest(engine)
    assert frame is not None
    clip = cut(engine, frame.time_s - 1.0, frame.time_s + 0.5, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert (clip.codec, clip.encoded, clip.missing) == ("h264", False, None)
    assert clip.start_s <= frame.time_s - 1.0
    assert clip.end_s >= frame.time_s + 0.5
    assert len(film.times) == clip.packets
    assert film.keys[0]
    assert not film.damaged
    assert faststart(clip.path)
    # The picture at that time is that very frame: no other one is as like it.
    number = int(np.argmin([abs(clip.start_s + at - frame.time_s) for at in film.times]))
    shown = frame.resized(160, 128, "gray").astype(int)
    unlike = [float(np.mean(np.abs(shown - grey))) for grey in film.grey]
    assert unlike[number] == min(unlike)


def test_every_packet_is_kept_though_few_are_decoded(
    engine: Engine, camera: RtspCamera, tmp_path: Path
) -> None:
    watch(engine, camera.url, fps=2, seconds=3.0)
    end_s = now_s(engine)
    clip = cut(engine, end_s - 1.5, end_s, tmp_path / "clip.mp4")
    assert clip.packets >= 1.4 * FPS
    assert engine.cameras["gate"].decoded < 15
    assert len(Film.of(clip.path).times) == clip.packets


def test_a_camera_that_broke_off_gives_what_belongs_to_one_connection(
    engine: Engine, camera: RtspCamera, tmp_path: Path
) -> None:
    watch(engine, camera.url)
    camera.begin("drop")
    broke_s = now_s(engine)
    time.sleep(0.3)
    camera.heal()
    assert comes_true(lambda: now_s(engine) >= broke_s + 2.0, 20)
    before = cut(engine, broke_s - 1.0, broke_s + 0.3, tmp_path / "before.mp4")
    after = cut(engine, broke_s + 0.3, now_s(engine), tmp_path / "after.mp4")
    assert before.end_s < after.start_s
    assert before.missing is not None
    assert "broke off" in before.missing
    assert after.missing is not None
    assert "connected again" in after.missing
    for clip in (before, after):
        assert len(Film.of(clip.path).times) == clip.packets


@pytest.mark.parametrize(
    "fault",
    [
        "corrupt",
        pytest.param("packet-loss", marks=pytest.mark.soak),
        pytest.param("clock-jump", marks=pytest.mark.soak),
    ],
)
def test_whatever_happens_on_the_way_a_clip_can_be_cut(
    engine: Engine, camera: RtspCamera, tmp_path: Path, fault: str
) -> None:
    watch(engine, camera.url, seconds=1.0)
    camera.begin(fault)
    try:
        begin_s = now_s(engine)
        assert comes_true(lambda: now_s(engine) >= begin_s + 1.0, 20)
    finally:
        camera.heal()
    assert comes_true(lambda: now_s(engine) >= begin_s + 2.5, 20)
    end_s = now_s(engine)
    clip = cut(engine, end_s - 2.5, end_s - 0.2, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert film.times
    assert all(b > a for a, b in pairwise(film.times))
    assert film.duration_s <= clip.end_s - clip.start_s + 0.5


def test_keeping_can_begin_and_end_while_a_camera_runs(
    engine: Engine, camera: RtspCamera, tmp_path: Path
) -> None:
    watch(engine, camera.url, keep_s=0.0, seconds=0.5)
    with pytest.raises(ClipUnavailable, match="nothing of its stream is kept"):
        engine.footage.cut("gate", 0.0, 0.2, tmp_path / "clip.mp4")
    engine.footage.keep("gate", 20.0)
    begin_s = now_s(engine)
    assert comes_true(lambda: now_s(engine) >= begin_s + 2.0, 20)
    end_s = now_s(engine)
    assert cut(engine, end_s - 0.5, end_s, tmp_path / "clip.mp4").packets > 5
    engine.footage.keep("gate", 0.0)
    with pytest.raises(ClipUnavailable):
        engine.footage.cut("gate", end_s - 0.5, end_s, tmp_path / "clip.mp4")


def test_a_scene_without_packets_gives_a_clip_of_its_pictures(engine: Engine, tmp_path: Path) -> None:
    engine.add_camera("gate", CameraSpec(url="synthetic:plaza?fps=10&width=320&height=240"), keep_s=10.0)
    engine.add_camera("other", CameraSpec(url="synthetic:plaza?fps=10&width=320&height=240", fps=10))
    assert comes_true(lambda: now_s(engine) >= 2.5, 20)
    clip = cut(engine, 0.5, 2.0, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert clip.encoded
    assert film.codec == "h264"
    assert len(film.times) == clip.packets
    assert film.times[-1] == pytest.approx(clip.end_s - clip.start_s, abs=0.02)
    assert np.std(film.grey[0]) > 10


def test_motion_jpeg_is_kept_as_it_was_sent_and_encoded_when_it_is_cut(
    engine: Engine, tmp_path: Path
) -> None:
    pictures = [
        bytes(cv2.imencode(".jpg", np.full((48, 64, 3), 40 + 30 * number, np.uint8))[1])
        for number in range(6)
    ]
    with WebCamera(pictures) as web:
        watch(engine, web.url("mjpeg"), seconds=1.0)
        clip = cut(engine, 0.1, 0.8, tmp_path / "clip.mp4")
    film = Film.of(clip.path)
    assert clip.encoded
    assert len(film.times) == clip.packets >= 3
    assert {round((float(np.median(grey)) - 40) / 30) for grey in film.grey} <= set(range(6))


def test_a_recording_played_live_gives_clips_to_its_very_end(engine: Engine, tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", frames=30, fps=25, codec="libx264", options={"g": "10"})
    engine.add_camera("gate", CameraSpec(url=str(film)), keep_s=30.0)
    assert engine.cameras["gate"].over.wait(10)
    clip = engine.footage.cut("gate", 0.5, 9.0, tmp_path / "clip.mp4")
    assert clip.missing == "ends at 1.16 s: the stream ended or broke off then"
    assert clip.packets == 20


def test_what_is_kept_goes_on_when_the_camera_is_changed(engine: Engine, tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", frames=25, fps=25, codec="libx264", options={"g": "5"})
    spec = CameraSpec(url=str(film), loop=True)
    engine.add_camera("gate", spec, keep_s=30.0)
    assert comes_true(lambda: now_s(engine) >= 1.5)
    changed_s = now_s(engine)
    engine.change_camera("gate", spec.model_copy(update={"fps": 10.0}))
    assert comes_true(lambda: now_s(engine) >= changed_s + 1.5)
    end_s = now_s(engine)
    clip = cut(engine, end_s - 1.0, end_s, tmp_path / "clip.mp4")
    assert clip.start_s <= end_s - 1.0
    assert clip.end_s >= end_s
    assert clip.missing is None


def test_two_cameras_of_one_stream_cut_each_its_own_clips(engine: Engine, tmp_path: Path) -> None:
    film = make_video(tmp_path / "a.mp4", frames=50, fps=25, codec="libx264", options={"g": "5"})
    spec = CameraSpec(url=str(film), loop=True)
    engine.add_camera("gate", spec, keep_s=10.0)
    engine.add_camera("yard", spec, keep_s=20.0)
    assert engine.stream_of("gate") is engine.stream_of("yard")
    assert comes_true(lambda: now_s(engine) >= 1.0)
    engine.remove_camera("yard")
    assert engine.stream_of("gate").ring.wanted_s == 10.0
    assert cut(engine, 0.2, 0.6, tmp_path / "clip.mp4").packets >= 10


def test_a_camera_that_is_not_there_is_said(engine: Engine, tmp_path: Path) -> None:
    with pytest.raises(UnknownName):
        engine.footage.keep("none", 5.0)
    with pytest.raises(UnknownName):
        engine.footage.cut("none", 0.0, 1.0, tmp_path / "clip.mp4")


def test_a_tap_does_not_keep_streams_apart() -> None:
    from argus.vision.clips.ring import PacketRing
    from argus.vision.sources.options import SourceOptions

    plain = SourceOptions()
    tapped = replace(plain, tap=PacketRing().connect())
    assert StreamSpec("a", plain).key == StreamSpec("a", tapped).key
