"""Real RTSP cameras, and every fault that they can do, as whoever opens them sees it."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
import pytest

from argus.core.errors import ArgusError, SourceRefused, SourceUnreachable, SourceUnreadable, SpecError
from argus.core.frame import Frame
from argus.vision.lab import RtspCamera, rtsp_camera_problem
from argus.vision.sources import Source, open_source
from tests.conftest import need
from tests.lab.watching import comes_to_show, glance
from tests.sources.settling import comes_true, descriptors_and_threads

_FPS = 50.0


@pytest.fixture(scope="module")
def camera() -> Iterator[RtspCamera]:
    need(rtsp_camera_problem() is None, rtsp_camera_problem() or "")
    with RtspCamera(width=160, height=128, fps=_FPS) as camera:
        yield camera


@contextmanager
def _watched(camera: RtspCamera, timeout_s: float = 10.0) -> Iterator[tuple[Source, Iterator[Frame]]]:
    try:
        with open_source(camera.url, timeout_s=timeout_s) as source:
            frames = iter(source)
            next(frames)
            yield source, frames
    finally:
        camera.heal()


def _opens_again(camera: RtspCamera) -> bool:
    """Return whether a newcomer has a picture that changes within 2 s."""
    began = time.monotonic()
    with open_source(camera.url) as source:
        return glance(iter(source)).change > 0 and time.monotonic() - began < 2


def test_a_camera_gives_its_film_at_its_rate(camera: RtspCamera) -> None:
    with _watched(camera) as (source, frames):
        glance(frames, 25)  # what came while the opening looked at the stream
        began = time.monotonic()
        seen = glance(frames, 20)
        took_s = time.monotonic() - began
    assert (source.info.live, source.info.codec, source.info.fps) == (True, "h264", _FPS)
    assert seen.size == (160, 128)
    assert seen.change > 0.1
    assert took_s == pytest.approx(20 / _FPS, rel=0.3)
    assert seen.frames[-1].time_s - seen.frames[0].time_s == pytest.approx(19 / _FPS, rel=0.3)


def test_a_frozen_camera_shows_one_picture(camera: RtspCamera) -> None:
    with _watched(camera) as (_, frames):
        camera.begin("freeze")
        assert comes_to_show(frames, lambda seen: seen.change < 0.05)
        assert glance(frames, 30).change < 0.05, "a key frame showed something new"
        camera.heal()
        assert comes_to_show(frames, lambda seen: seen.change > 0.1)


def test_faults_of_the_picture_show(camera: RtspCamera) -> None:
    with _watched(camera) as (source, frames):
        well = glance(frames)
        camera.begin("black")
        assert comes_to_show(frames, lambda seen: seen.brightness < 12)
        camera.begin("blur")
        assert comes_to_show(frames, lambda seen: seen.sharpness < 0.25 * well.sharpness)
        camera.begin("cover")
        assert comes_to_show(frames, lambda seen: seen.plain_columns >= 0.85 > well.plain_columns)
        camera.begin("move")
        assert comes_to_show(frames, lambda seen: np.abs(seen.small[-1] - well.small[-1]).mean() > 15)
        camera.begin("resolution")
        assert comes_to_show(frames, lambda seen: seen.size == (112, 96))
        camera.heal()
        assert comes_to_show(frames, lambda seen: seen.size == (160, 128))
        assert np.abs(glance(frames).small[-1] - well.small[-1]).mean() < 8
        assert source.counters.corrupt == 0


def test_a_dropped_camera_breaks_off_and_refuses_until_it_is_healed(camera: RtspCamera) -> None:
    with _watched(camera) as (_, frames):
        camera.begin("drop")
        with pytest.raises(SourceUnreachable):
            list(frames)
        with pytest.raises(SourceUnreachable, match="Connection refused"):
            open_source(camera.url)
    assert _opens_again(camera)


@pytest.mark.parametrize("fault", ["stall", "half-open"])
def test_a_silent_camera_is_given_up_in_time_by_old_and_new_readers(camera: RtspCamera, fault: str) -> None:
    with _watched(camera, timeout_s=1.5) as (_, frames):
        camera.begin(fault)
        began = time.monotonic()
        with pytest.raises(SourceUnreachable, match=r"has sent nothing for 1\.5 s"):
            list(frames)
        assert time.monotonic() - began > 1.4
        with pytest.raises(SourceUnreachable, match=r"does not answer within 0\.3 s"):
            open_source(camera.url, timeout_s=0.3)
    assert _opens_again(camera)


def test_after_a_short_stall_the_same_connection_goes_on(camera: RtspCamera) -> None:
    with _watched(camera) as (_, frames):
        camera.begin("stall")
        time.sleep(0.3)  # a stall has a length, and less than the reader's patience
        camera.heal()
        assert comes_to_show(frames, lambda seen: seen.change > 0.1)


def test_a_camera_of_an_unknown_codec_breaks_off_and_cannot_be_read(camera: RtspCamera) -> None:
    with _watched(camera) as (_, frames):
        camera.begin("wrong-codec")
        with pytest.raises(SourceUnreachable):
            list(frames)
        with pytest.raises(SourceUnreadable, match="which this build of FFmpeg cannot decode"):
            open_source(camera.url, timeout_s=10)
    assert _opens_again(camera)


def test_a_camera_with_another_password_breaks_off_and_refuses(camera: RtspCamera) -> None:
    with _watched(camera) as (_, frames):
        camera.begin("wrong-credentials")
        with pytest.raises(SourceUnreachable):
            list(frames)
        with pytest.raises(SourceRefused, match=r"refuses the credentials \(401\)"):
            open_source(camera.url)
    assert _opens_again(camera)


def test_with_slow_key_frames_pictures_go_on_and_a_healed_camera_gives_one_at_once(
    camera: RtspCamera,
) -> None:
    with _watched(camera) as (source, frames):
        camera.begin("slow-key-frames")
        assert glance(frames, 40).change < 10
        with pytest.raises(SourceUnreachable, match=r"no picture within|does not answer|sent nothing"):
            open_source(camera.url, timeout_s=0.5).close()
        camera.heal()
        assert _opens_again(camera)
        assert source.counters.corrupt == 0


def test_a_clock_that_jumps_breaks_nothing(camera: RtspCamera) -> None:
    with _watched(camera) as (source, frames):
        camera.begin("clock-jump")
        times = [frame.time_s for frame in glance(frames, 30).frames]
        camera.heal()
        times += [frame.time_s for frame in glance(frames, 30).frames]
        assert times == sorted(times)
        assert source.counters.decoded >= 61


@pytest.mark.parametrize("fault", ["packet-loss", "corrupt"])
def test_damage_on_the_way_is_seen_by_the_decoder_and_pictures_go_on(camera: RtspCamera, fault: str) -> None:
    with _watched(camera) as (source, frames):
        glance(frames, 20)
        assert source.counters.corrupt == 0
        camera.begin(fault)
        assert comes_to_show(
            frames, lambda seen: source.counters.corrupt > 0 or seen.longest_gap_s > 1.5 / _FPS, within=320
        )
        camera.heal()
        at_the_end = source.counters.corrupt
        glance(frames, 60)
        assert source.counters.corrupt <= at_the_end + 3, "damage goes on behind the next key frame"


def test_a_thin_line_makes_pictures_late_and_loses_no_connection(camera: RtspCamera) -> None:
    with _watched(camera) as (_, frames):
        glance(frames, 25)
        camera.begin("slow")
        glance(frames, 10)
        began = time.monotonic()
        glance(frames, 15)
        assert time.monotonic() - began > 1.2 * 15 / _FPS


def test_a_killed_camera_comes_back_on_its_address(camera: RtspCamera) -> None:
    with _watched(camera) as (_, frames):
        address, pid = camera.url, camera.pid
        camera.begin("kill")
        assert not Path(f"/proc/{pid}").exists()
        with pytest.raises(SourceUnreachable):
            list(frames)
        with pytest.raises(SourceUnreachable, match="Connection refused"):
            open_source(address)
    assert (camera.url, camera.pid != pid) == (address, True)
    assert _opens_again(camera)


def test_a_camera_that_could_not_be_healed_is_healed_when_asked_again(
    camera: RtspCamera, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gi.py").write_text("raise ImportError('not now')")
    camera.begin("kill")
    with monkeypatch.context() as broken, pytest.raises(ArgusError, match="has ended"):
        broken.setenv("PYTHONPATH", str(tmp_path))  # of the server's Python
        camera.heal()
    camera.heal()
    assert _opens_again(camera)


def test_a_fault_in_force_is_healed_before_the_next_begins(camera: RtspCamera) -> None:
    camera.begin("drop")
    camera.begin("freeze")
    with _watched(camera) as (_, frames):
        assert comes_to_show(frames, lambda seen: seen.change < 0.05)
    assert _opens_again(camera)


def test_what_cannot_be_encoded_is_refused_in_one_sentence() -> None:
    with pytest.raises(SpecError, match=r"size 100x75: both sides .* divisible by 16"):
        RtspCamera(width=100, height=75)
    with pytest.raises(SpecError, match="fps=0"):
        RtspCamera(fps=0)


def test_a_closed_camera_leaves_no_process_thread_or_descriptor(camera: RtspCamera) -> None:
    before = descriptors_and_threads()
    with RtspCamera(width=160, height=128, fps=_FPS) as other:
        pid = other.pid
        other.begin("half-open")
    assert not Path(f"/proc/{pid}").exists()
    assert comes_true(lambda: descriptors_and_threads() <= before)
    with pytest.raises(ArgusError, match="is closed: make another"):
        other.begin("drop")


def test_the_server_ends_when_whoever_started_it_is_killed(camera: RtspCamera) -> None:
    code = """
        import time
        from argus.vision.lab import RtspCamera
        camera = RtspCamera(width=64, height=64, people=0)
        print(camera.pid, flush=True)
        time.sleep(60)
    """
    with subprocess.Popen([sys.executable, "-c", textwrap.dedent(code)], stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        with closing(parent.stdout):
            pid = int(parent.stdout.readline())
            assert Path(f"/proc/{pid}").exists()
            parent.kill()
    assert comes_true(lambda: _has_ended(pid), within_s=5)


def _has_ended(pid: int) -> bool:
    """Return whether a process is gone, or waits for nobody but its new parent to notice."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except FileNotFoundError:
        return True


def test_an_unknown_command_is_refused_and_the_camera_goes_on(camera: RtspCamera) -> None:
    with pytest.raises(ArgusError, match="refuses 'dance': ValueError: unknown command"):
        camera._process.tell("dance")
    assert _opens_again(camera)


def test_without_gstreamer_the_packages_are_named(tmp_path: Path) -> None:
    code = (
        "from argus.vision.lab import RtspCamera, gstreamer, rtsp_process\n"
        "print(rtsp_process.rtsp_problem('x264enc', 'no-such-element'))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=dict(os.environ)
    )
    assert done.stdout.strip() == "no GStreamer RTSP server (no no-such-element)"
