"""Cameras over RTSP, from a real server."""

from __future__ import annotations

import itertools
import socket
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal

import pytest

from argus.core.errors import SourceNotFound, SourceRefused, SourceUnreachable
from argus.core.resources.camera import Decoder
from argus.testing.rtsp import RtspServer, rtsp_server_problem
from argus.vision.sources import open_source
from argus.vision.sources.gstreamer_binding import gstreamer_problem
from tests.conftest import need
from tests.sources.settling import comes_true, descriptors_and_threads
from tests.sources.videos import make_video


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    need(rtsp_server_problem() is None, rtsp_server_problem() or "")
    with RtspServer(pattern="64x48@25") as server:
        yield server


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_gives_frames_in_its_own_time(server: RtspServer, transport: Literal["tcp", "udp"]) -> None:
    with open_source(server.url(), transport=transport) as source:
        frames = [frame for frame, _ in zip(source, range(10), strict=False)]
        info = source.info
    assert (info.kind, info.live, info.codec, info.frame_count) == ("stream", True, "h264", None)
    assert (info.width, info.height, info.name) == (64, 48, server.url())
    assert [f.time_s for f in frames] == pytest.approx([i / 25 for i in range(10)], abs=0.021)
    assert abs(datetime.now(UTC) - frames[-1].captured_at) < timedelta(seconds=60)
    assert frames[0].bgr.shape == (48, 64, 3)


def test_a_second_reader_may_enter_in_the_middle(server: RtspServer) -> None:
    with open_source(server.url()) as first, open_source(server.url()) as second:
        assert next(iter(second)).index == next(iter(first)).index == 0


def test_a_target_rate_leaves_frames_of_a_camera_out(server: RtspServer) -> None:
    with open_source(server.url(), fps=5) as source:
        frames = [frame for frame, _ in zip(source, range(3), strict=False)]
    assert [b.time_s - a.time_s for a, b in itertools.pairwise(frames)] == pytest.approx([0.2] * 2, abs=0.05)
    assert source.counters.skipped >= 8


def test_a_recording_whose_server_dies_has_not_ended(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", codec="libx264", frames=250)
    with RtspServer(file=film) as recorder, open_source(recorder.url()) as source:
        frames = iter(source)
        next(frames)
        recorder.kill()
        with pytest.raises(SourceUnreachable, match="broke off"):
            list(frames)


def test_a_recording_on_a_server_ends_in_peace(server: RtspServer, tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.mp4", codec="libx264", frames=10)
    with RtspServer(file=film) as recorder, open_source(recorder.url()) as source:
        assert not source.info.live
        assert len(list(source)) == 10


def test_a_wrong_path_is_said_to_be_wrong(server: RtspServer) -> None:
    with pytest.raises(SourceNotFound, match=r"/nowhere is not there \(404\): the server answers, the path"):
        open_source(server.url("nowhere"))


@pytest.mark.parametrize("digest", [False, True])
def test_credentials_open_the_door_and_are_not_shown(server: RtspServer, digest: bool) -> None:
    with RtspServer(user="me", password="hunter 2", digest=digest) as guarded:
        with open_source(guarded.url(user="me", password="hunter%202")) as source:
            assert next(iter(source)).source == guarded.url(user="me", password="***")
        for address in (guarded.url(), guarded.url(user="me", password="sesame")):
            with pytest.raises(
                SourceRefused, match=r"refuses the credentials \(401\): give them as"
            ) as caught:
                open_source(address)
            assert "sesame" not in str(caught.value)


@pytest.mark.parametrize("decoder", ["auto", "gstreamer"])
@pytest.mark.parametrize("password", ["p@s:s/w#?d", "100%", '[é] "x\\'])
def test_a_password_may_stand_in_the_address_as_it_is(
    server: RtspServer, password: str, decoder: Decoder
) -> None:
    if decoder == "gstreamer":
        need(gstreamer_problem() is None, gstreamer_problem() or "")
    with RtspServer(user="me", password=password, digest=True) as guarded:
        with open_source(guarded.url(user="me", password=password), decoder=decoder) as source:
            assert next(iter(source)).source == guarded.url(user="me", password="***")


def test_a_host_that_does_not_answer_is_unreachable_and_the_password_is_not_shown() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"rtsp://me:sesame@127.0.0.1:{unused.getsockname()[1]}/stream"
        with pytest.raises(
            SourceUnreachable, match=r"me:\*\*\*@.* does not answer \(Connection refused\)"
        ) as caught:
            open_source(address)
    assert "sesame" not in str(caught.value)


def test_a_host_that_listens_and_says_nothing_is_given_up_in_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with pytest.raises(SourceUnreachable, match=r"does not answer within 0\.3 s: check its power"):
            open_source(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/stream", timeout_s=0.3)


def test_a_camera_whose_power_is_cut_breaks_off(server: RtspServer) -> None:
    with RtspServer() as doomed:
        source = open_source(doomed.url())
        frames = iter(source)
        next(frames)
        doomed.kill()
        with pytest.raises(SourceUnreachable, match=r"/stream (ended the connection|broke off)"):
            list(frames)


def test_a_camera_that_falls_silent_breaks_off_in_time(server: RtspServer) -> None:
    with RtspServer(pattern="64x48@25") as frozen:
        source = open_source(frozen.url(), timeout_s=1)
        frames = iter(source)
        next(frames)
        frozen.freeze()
        with pytest.raises(SourceUnreachable, match="/stream has sent nothing for 1 s: check its power"):
            list(frames)


def test_closing_from_another_thread_wakes_a_reader_of_a_silent_camera(server: RtspServer) -> None:
    with RtspServer(pattern="64x48@25") as frozen:
        source = open_source(frozen.url(), timeout_s=60)
        begun, ended = threading.Event(), threading.Event()

        def read() -> None:
            for _ in source:
                begun.set()
            ended.set()

        threading.Thread(target=read, daemon=True).start()
        assert begun.wait(10)
        frozen.freeze()
        source.close()
        assert ended.wait(10), "the reader waited for the time limit of the network"


def test_opening_and_closing_many_times_leaves_nothing_behind(server: RtspServer) -> None:
    open_source(server.url()).close()
    before = descriptors_and_threads()
    for _ in range(4):
        with open_source(server.url()) as source:
            next(iter(source))
    assert comes_true(lambda: descriptors_and_threads() <= before)
