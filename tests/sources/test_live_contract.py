"""What every reader of a live camera promises, over a real RTSP server: FFmpeg and GStreamer alike."""

from __future__ import annotations

import itertools
import socket
import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol, cast

import pytest

from argus.core.errors import SourceNotFound, SourceRefused, SourceUnreachable, SourceUnreadable
from argus.testing.rtsp import RtspServer, rtsp_server_problem
from argus.vision.sources.gstreamer import open_gstreamer
from argus.vision.sources.gstreamer_binding import gstreamer_problem
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source
from argus.vision.sources.streams import open_rtsp
from tests.conftest import need
from tests.sources.settling import comes_true, descriptors_and_threads
from tests.sources.videos import make_video


class OpenLive(Protocol):
    """Opens a camera's address with one of the readers."""

    def __call__(
        self,
        url: str,
        *,
        fps: float | None = None,
        timeout_s: float = 10.0,
        transport: Literal["tcp", "udp"] = "tcp",
    ) -> Source: ...


@pytest.fixture(params=["ffmpeg", "gstreamer"])
def open_live(request: pytest.FixtureRequest) -> OpenLive:
    if request.param == "gstreamer":
        need(gstreamer_problem() is None, gstreamer_problem() or "")

    def opened(
        url: str,
        *,
        fps: float | None = None,
        timeout_s: float = 10.0,
        transport: Literal["tcp", "udp"] = "tcp",
    ) -> Source:
        options = SourceOptions(fps=fps, timeout_s=timeout_s, transport=transport, decoder="software")
        return (open_gstreamer if request.param == "gstreamer" else open_rtsp)(url, options)

    return opened


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    need(rtsp_server_problem() is None, rtsp_server_problem() or "")
    with RtspServer(pattern="64x48@25") as server:
        yield server


@pytest.mark.parametrize("transport", ["tcp", "udp"])
def test_a_camera_gives_frames_in_its_own_time(
    open_live: OpenLive, server: RtspServer, transport: Literal["tcp", "udp"]
) -> None:
    with open_live(server.url(), transport=transport) as source:
        frames = [frame for frame, _ in zip(source, range(10), strict=False)]
        info = source.info
    assert (info.kind, info.live, info.codec, info.frame_count) == ("stream", True, "h264", None)
    assert (info.width, info.height, info.name) == (64, 48, server.url())
    assert [f.index for f in frames] == sorted({f.index for f in frames})
    # A machine that is busy elsewhere may lose a frame here and there, and never shifts one.
    ticks = [f.time_s * 25 for f in frames]
    assert ticks == pytest.approx([round(tick) for tick in ticks], abs=0.5)
    assert all(before < after for before, after in itertools.pairwise(map(round, ticks)))
    assert abs(datetime.now(UTC) - frames[-1].captured_at) < timedelta(seconds=60)


def test_a_live_frame_says_when_it_arrived(open_live: OpenLive, server: RtspServer) -> None:
    before_s = time.monotonic()
    with open_live(server.url()) as source:
        arrivals = [frame.received_s for frame, _ in zip(source, range(5), strict=False)]
    after_s = time.monotonic()
    assert all(arrived is not None for arrived in arrivals)
    assert sorted([before_s, *cast("list[float]", arrivals), after_s]) == [before_s, *arrivals, after_s]


def test_pixels_are_made_from_the_planes_of_the_decoder(open_live: OpenLive, server: RtspServer) -> None:
    with open_live(server.url()) as source:
        frame = next(iter(source))
    # A closed source takes no picture back: a white ball on black.
    assert frame.bgr.shape == (48, 64, 3)
    assert not frame.bgr.flags.writeable
    assert (frame.bgr.min(), frame.bgr.max()) == (0, 255)
    assert frame.resized(32, 24).shape == (24, 32, 3)
    assert frame.resized(32, 24, "gray").shape == (24, 32)
    assert frame.resized(32, 24).mean() == pytest.approx(frame.bgr.mean(), abs=2)


def test_a_second_reader_may_enter_in_the_middle(open_live: OpenLive, server: RtspServer) -> None:
    with open_live(server.url()) as first, open_live(server.url()) as second:
        assert next(iter(second)).index == next(iter(first)).index == 0


def test_a_target_rate_leaves_frames_out_before_anything_is_converted(
    open_live: OpenLive, server: RtspServer
) -> None:
    with open_live(server.url(), fps=5) as source:
        frames = [frame for frame, _ in zip(source, range(3), strict=False)]
    assert [b.time_s - a.time_s for a, b in itertools.pairwise(frames)] == pytest.approx([0.2] * 2, abs=0.05)
    assert source.info.fps == 5


def test_a_recording_on_a_server_ends_in_peace_and_loses_nothing(
    open_live: OpenLive, server: RtspServer, tmp_path: Path
) -> None:
    film = make_video(tmp_path / "film.mp4", codec="libx264", frames=10)
    with RtspServer(file=film) as recorder, open_live(recorder.url()) as source:
        frames = list(source)
    assert not source.info.live
    assert [round(float(frame.bgr.mean())) for frame in frames] == pytest.approx(
        [16 + 8 * index for index in range(10)], abs=5
    )
    assert frames[0].received_s is None


def test_a_wrong_path_is_said_to_be_wrong(open_live: OpenLive, server: RtspServer) -> None:
    with pytest.raises(SourceNotFound, match=r"/nowhere is not there \(404\): the server answers, the path"):
        open_live(server.url("nowhere"))


@pytest.mark.parametrize("digest", [False, True])
def test_credentials_open_the_door_and_are_not_shown(
    open_live: OpenLive, server: RtspServer, digest: bool
) -> None:
    with RtspServer(user="me", password="hunter 2", digest=digest) as guarded:
        with open_live(guarded.url(user="me", password="hunter%202")) as source:
            assert next(iter(source)).source == guarded.url(user="me", password="***")
        for address in (guarded.url(), guarded.url(user="me", password="sesame")):
            with pytest.raises(
                SourceRefused, match=r"refuses the credentials \(401\): give them as"
            ) as caught:
                open_live(address)
            assert "sesame" not in str(caught.value)


@pytest.mark.parametrize(("over", "asked"), [("udp", "tcp"), ("tcp", "udp")])
def test_a_camera_that_sends_another_way_alone_is_said_to(
    open_live: OpenLive, server: RtspServer, over: Literal["tcp", "udp"], asked: Literal["tcp", "udp"]
) -> None:
    with RtspServer(over=over) as choosy:
        with open_live(choosy.url(), transport=over) as source:
            assert next(iter(source)).width == 64
        with pytest.raises(
            SourceUnreadable, match=r"answers, but .* set `transport` of the camera to the other"
        ):
            open_live(choosy.url(), transport=asked)


def test_a_host_that_refuses_is_unreachable_and_the_password_is_not_shown(open_live: OpenLive) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"rtsp://me:sesame@127.0.0.1:{unused.getsockname()[1]}/stream"
        with pytest.raises(SourceUnreachable, match=r"me:\*\*\*@.* does not answer \(.+\)") as caught:
            open_live(address)
    assert "sesame" not in str(caught.value)


def test_a_host_that_listens_and_says_nothing_is_given_up_in_time(open_live: OpenLive) -> None:
    began_s = time.monotonic()
    with socket.create_server(("127.0.0.1", 0)) as mute:
        with pytest.raises(SourceUnreachable, match=r"does not answer .*: check its power"):
            open_live(f"rtsp://127.0.0.1:{mute.getsockname()[1]}/stream", timeout_s=0.3)
    assert time.monotonic() - began_s < 3


def test_a_camera_whose_power_is_cut_breaks_off(open_live: OpenLive, server: RtspServer) -> None:
    with RtspServer() as doomed:
        source = open_live(doomed.url())
        frames = iter(source)
        next(frames)
        doomed.kill()
        with pytest.raises(SourceUnreachable, match=r"/stream (ended the connection|broke off)"):
            list(frames)


def test_a_camera_that_falls_silent_breaks_off_in_time(open_live: OpenLive, server: RtspServer) -> None:
    with RtspServer(pattern="64x48@25") as frozen:
        source = open_live(frozen.url(), timeout_s=1)
        frames = iter(source)
        next(frames)
        frozen.freeze()
        began_s = time.monotonic()
        with pytest.raises(SourceUnreachable, match="/stream has sent nothing for 1 s: check its power"):
            list(frames)
        assert time.monotonic() - began_s < 3


def test_closing_from_another_thread_wakes_a_reader_of_a_silent_camera(
    open_live: OpenLive, server: RtspServer
) -> None:
    with RtspServer(pattern="64x48@25") as frozen:
        source = open_live(frozen.url(), timeout_s=60)
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


def test_opening_and_closing_many_times_leaves_nothing_behind(
    open_live: OpenLive, server: RtspServer
) -> None:
    open_live(server.url()).close()
    before = descriptors_and_threads()
    for _ in range(4):
        with open_live(server.url()) as source:
            next(iter(source))
    assert comes_true(lambda: descriptors_and_threads() <= before)
