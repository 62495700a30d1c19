"""A camera that changes its mind in the middle: clock, size, pace, codec, or its senses."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from argus.core.errors import SourceUnreachable
from argus.testing.rtsp import RtspServer, rtsp_server_problem
from argus.vision.sources import open_source
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.pump import stale
from argus.vision.sources.reading import ReadSource
from argus.vision.sources.streams import open_stream
from tests.conftest import need
from tests.sources.line_camera import LineCamera, slices
from tests.sources.settling import comes_true, descriptors_and_threads
from tests.sources.test_skipping import drifting
from tests.sources.videos import make_video


def film(folder: Path, name: str, *, frames: int = 25, width: int = 64, codec: str = "libx264") -> bytes:
    """Return MPEG-TS of 25 frames per second."""
    path = make_video(
        folder / f"{name}.ts",
        codec=codec,
        frames=frames,
        fps=25,
        width=width,
        paint=drifting,
        options={"tune": "zerolatency"} if codec == "libx264" else None,
    )
    return path.read_bytes()


def watch(camera: LineCamera, *, timeout_s: float = 0.6, fps: float | None = None) -> ReadSource:
    options = SourceOptions(timeout_s=timeout_s, fps=fps)
    return open_stream(camera.url("tcp"), options, container_format="mpegts", live=True)


def all_of(source: ReadSource) -> Iterator[tuple[float, int, float | None]]:
    """Yield time, width and arrival of the frames until the camera breaks off."""
    with source:
        try:
            for frame in source:
                yield frame.time_s, frame.width, frame.received_s
        except SourceUnreachable:
            return


def test_a_camera_may_change_its_size(tmp_path: Path) -> None:
    chunks = slices(film(tmp_path, "small") + film(tmp_path, "large", width=128), 50)
    with LineCamera(chunks, interval_s=0.01) as camera:
        source = watch(camera)
        widths = [width for _, width, _ in all_of(source)]
    assert source.info.width == 64
    assert widths.count(64) >= 20
    assert widths.count(128) >= 20
    assert source.counters.corrupt <= 1


def test_a_clock_that_jumps_back_does_not_move_the_time(tmp_path: Path) -> None:
    once = film(tmp_path, "once")
    with LineCamera(slices(once * 3, 75), interval_s=0.02) as camera:
        source = watch(camera)
        frames = list(all_of(source))
    times = [time_s for time_s, _, _ in frames]
    arrivals = [received_s for _, _, received_s in frames if received_s is not None]
    assert len(arrivals) == len(times) > 60
    assert times == sorted(times)
    assert abs((times[-1] - times[0]) - (arrivals[-1] - arrivals[0])) < 1.1
    assert any("clock jumps" in problem for problem in source.counters.problems)


def test_frames_know_when_they_arrived(tmp_path: Path) -> None:
    with LineCamera(slices(film(tmp_path, "plain"), 25), interval_s=0.02) as camera:
        begin = time.monotonic()
        with watch(camera) as source:
            frame = next(iter(source))
            assert frame.received_s is not None
            assert begin <= frame.received_s <= time.monotonic()
            assert abs((datetime.now(UTC) - frame.captured_at).total_seconds()) < 5
    with open_source(make_video(tmp_path / "film.mp4")) as recording:
        assert next(iter(recording)).received_s is None


@pytest.mark.parametrize("broken", ["garbage", "another codec"])
def test_what_is_no_picture_any_more_ends_the_stream_in_time(tmp_path: Path, broken: str) -> None:
    good = film(tmp_path, "good")
    rest = bytes(range(256)) * 188 * 4 if broken == "garbage" else film(tmp_path, "bad", codec="mpeg2video")
    with LineCamera([*slices(good, 25), *slices(rest, 25)], interval_s=0.01) as camera:
        begin = time.monotonic()
        with watch(camera) as source:
            with pytest.raises(SourceUnreachable):
                list(source)
        assert time.monotonic() - begin < 10


class _Packet:
    def __init__(self, kind: str) -> None:
        self.is_keyframe = kind == "I"


@pytest.mark.parametrize(
    ("waiting", "age_s", "dropped"),
    [
        ("PPPPIPP", 1.5, 4),
        ("PPIPPIP", 1.5, 5),  # the newest
        ("PPPPIPP", 0.9, 0),  # not late yet
        ("PPPPPPP", 1.5, 0),  # nothing to go on from
        ("IPPPPPP", 1.5, 0),  # it is there already
        ("", 1.5, 0),
    ],
)
def test_what_waits_too_long_is_dropped_up_to_the_newest_key_frame(
    waiting: str, age_s: float, dropped: int
) -> None:
    from argus.vision.sources.decoding import Arrival

    at = datetime.now(UTC)
    queue = [Arrival(_Packet(kind), 100.0 + i / 25, at) for i, kind in enumerate(waiting)]  # type: ignore[arg-type]
    assert stale(queue, 100.0 + age_s) == dropped


@pytest.fixture(scope="module")
def server() -> Iterator[RtspServer]:
    need(rtsp_server_problem() is None, rtsp_server_problem() or "")
    with RtspServer(pattern="64x48@25") as server:
        yield server


def test_a_reader_that_falls_behind_a_camera_goes_on_with_new_frames(server: RtspServer) -> None:
    with open_source(server.url()) as source:
        frames = iter(source)
        before = next(frames)
        threading.Event().wait(3.5)  # the reader is busy with something else: this is what is tested
        ages, last = [], before
        while source.counters.skipped == 0 and last.index < 400:
            last = next(frames)
        for _ in range(10):
            last = next(frames)
            assert last.received_s is not None
            ages.append(time.monotonic() - last.received_s)
        assert max(ages) < 1.3
        assert last.index > before.index + source.counters.skipped
        assert source.counters.skipped >= 25
        assert source.counters.corrupt == 0
        assert last.time_s - before.time_s > 2.5


def test_a_camera_gives_fewer_frames_when_fewer_are_wanted_and_more_again(server: RtspServer) -> None:
    with open_source(server.url(), fps=5) as source:
        times = []
        for frame in source:
            times.append(frame.time_s)
            if len(times) == 5:
                source.set_fps(None)
            if len(times) == 25:
                break
    assert times[3] - times[0] == pytest.approx(0.6, abs=0.1)
    assert times[-1] - times[-11] == pytest.approx(0.4, abs=0.1)


@pytest.mark.soak
def test_a_hundred_openings_leave_nothing_behind(server: RtspServer) -> None:
    def rss_mb() -> float:
        return int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6

    def cycle(times: int) -> None:
        for _ in range(times):
            with open_source(server.url(), fps=5) as source:
                next(iter(source))

    cycle(20)
    before, memory = descriptors_and_threads(), rss_mb()
    cycle(100)
    assert comes_true(lambda: descriptors_and_threads() <= before)
    assert rss_mb() - memory < 8, "MB more after a hundred openings"
