"""The camera as a node: recordings whole and in time, live sources fresh and opened again."""

from __future__ import annotations

import itertools
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from argus.core.errors import SourceNotFound
from argus.core.frame import Frame
from argus.flow.node import EndOfStream
from argus.flow.nodes.camera import Camera
from argus.testing.web_camera import WebCamera
from tests.flow.nodes.driving import Bench, on_bench
from tests.sources.settling import comes_true, descriptors_and_threads


def jpeg(brightness: int) -> bytes:
    return cv2.imencode(".jpg", np.full((48, 64, 3), brightness, np.uint8))[1].tobytes()


def sent_soon(bench: Bench, count: int, within_s: float = 20.0) -> bool:
    """Turn a live camera until it has sent so much."""

    def step() -> bool:
        bench.node.loop()  # type: ignore[attr-defined]
        return len(bench.sent) >= count

    until = time.monotonic() + within_s
    while time.monotonic() < until:
        if step():
            return True
    return False


def test_a_recording_comes_whole_and_in_order_and_then_ends(shared_data: Path) -> None:
    path = shared_data / "video" / "vtest.avi"
    with on_bench(Camera(), url=str(path), realtime=False, max_width=64) as bench:
        while bench.turn():
            pass
        with pytest.raises(EndOfStream):
            bench.node.loop()  # type: ignore[attr-defined]
    assert [s.index for s in bench.sent] == list(range(795))
    times = [s.time_s for s in bench.sent if s.time_s is not None]
    assert times[0] == 0
    assert abs(times[-1] - 79.4) < 0.2
    last = bench.sent[-1].value
    assert isinstance(last, Frame)
    assert (last.index, last.time_s, last.source) == (794, times[-1], "vtest.avi")


def test_a_recording_is_played_at_its_own_speed() -> None:
    with on_bench(Camera(), url="synthetic:plaza?frames=13&fps=30&width=128&height=72") as bench:
        began_s = time.monotonic()
        while bench.turn():
            pass
        took_s = time.monotonic() - began_s
    assert 0.38 < took_s < 3
    assert len(bench.sent) == 13


def test_a_played_recording_that_is_late_goes_on_from_where_it_is() -> None:
    with on_bench(Camera(), url="synthetic:plaza?frames=60&fps=30&width=128&height=72") as bench:
        assert bench.turn()
        time.sleep(1.3)  # whoever takes the frames is slow for once
        began_s = time.monotonic()
        for _ in range(10):
            assert bench.turn()
        assert time.monotonic() - began_s > 0.2


def test_large_pictures_are_made_smaller_and_keep_their_aspect() -> None:
    url = "synthetic:plaza?frames=1&width=640&height=360"
    with on_bench(Camera(), url=url, max_width=1000, max_height=90) as bench:
        assert bench.turn()
    frame = bench.sent[0].value
    assert (frame.width, frame.height) == (160, 90)
    with on_bench(Camera(), url=url, max_width=1000) as bench:
        assert bench.turn()
    assert bench.sent[0].value.width == 640


def test_fewer_frames_can_be_asked_for_while_it_runs() -> None:
    url = "synthetic:plaza?frames=120&fps=30&width=128&height=72"
    with on_bench(Camera(), url=url, realtime=False) as bench:
        for _ in range(30):
            assert bench.turn()
        bench.change(fps=10)
        while bench.turn():
            pass
    later = [s.index for s in bench.sent[31:]]
    assert {b - a for a, b in itertools.pairwise(later) if a is not None and b is not None} == {3}


def test_a_loop_goes_on_with_index_and_time(tmp_path: Path) -> None:
    for number in range(3):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.full((48, 64, 3), number, np.uint8))
    with on_bench(Camera(), url=str(tmp_path), loop=True, fps=100, realtime=False) as bench:
        for _ in range(7):
            assert bench.turn()
    assert [s.index for s in bench.sent] == list(range(7))
    assert [int(s.value.bgr[0, 0, 0]) for s in bench.sent] == [0, 1, 2, 0, 1, 2, 0]


def test_another_source_is_taken_while_it_runs_and_one_that_is_not_there_is_not() -> None:
    def url(frames: int) -> str:
        return f"synthetic:plaza?frames={frames}&width=128&height=72"

    with on_bench(Camera(), url=url(5), realtime=False) as bench:
        assert bench.turn()
        with pytest.raises(SourceNotFound, match=r"/nothing/here\.mp4"):
            bench.change(url="/nothing/here.mp4")
        assert bench.node.params.url == url(5)
        assert bench.turn()
        bench.change(url=url(3))
        while bench.turn():
            pass
    assert [s.index for s in bench.sent] == [0, 1, 2, 3, 4]
    assert [s.value.index for s in bench.sent] == [0, 1, 0, 1, 2]


def test_what_is_not_there_is_said_at_once(tmp_path: Path) -> None:
    with (
        pytest.raises(SourceNotFound, match=r"nothing\.mp4"),
        on_bench(Camera(), url=str(tmp_path / "nothing.mp4")),
    ):
        pass


def test_a_live_source_gives_its_newest_frames_to_who_is_slow() -> None:
    before = descriptors_and_threads()
    with WebCamera([jpeg(v) for v in range(0, 250, 2)]) as camera:
        with on_bench(Camera(), url=camera.url("mjpeg?interval=0.01&end=silent"), waiting=1) as bench:
            assert sent_soon(bench, 1)
            time.sleep(0.6)  # whoever takes the frames is slow
            assert sent_soon(bench, 2)
            assert bench.sent[1].index is not None
            assert bench.sent[0].index is not None
            assert bench.sent[1].index - bench.sent[0].index > 10
    assert comes_true(lambda: descriptors_and_threads() <= before)


def test_a_live_source_that_breaks_off_is_opened_again_and_goes_on() -> None:
    with WebCamera([jpeg(100)] * 5) as camera:
        reconnect = {"first": 0.05, "longest": 0.1}
        url = camera.url("mjpeg?interval=0.02")
        with on_bench(Camera(), url=url, reconnect=reconnect, waiting=100) as bench:
            assert sent_soon(bench, 12)
    assert [s.index for s in bench.sent] == sorted({s.index for s in bench.sent if s.index is not None})
    assert camera.requests >= 2


def test_a_camera_that_does_not_answer_yet_is_tried_again() -> None:
    with WebCamera([jpeg(100)] * 1000) as camera:
        url = camera.url("mjpeg?interval=0.02")
    # Its port is free now, and nobody answers there.
    with on_bench(Camera(), url=url, reconnect={"first": 0.05, "longest": 0.1}, timeout_s=2) as bench:
        bench.node.loop()  # type: ignore[attr-defined]
        assert bench.sent == []


def test_a_stop_is_heard_while_it_waits_for_a_frames_time(tmp_path: Path) -> None:
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((48, 64, 3), np.uint8))
    with on_bench(Camera(), url=str(tmp_path), fps=0.01) as bench:
        assert bench.turn()
        threading.Timer(0.2, bench.stop).start()
        began_s = time.monotonic()
        bench.node.loop()  # type: ignore[attr-defined]
        assert time.monotonic() - began_s < 5
    assert len(bench.sent) == 1


def test_a_long_time_between_two_frames_is_not_waited_out_in_one_call(tmp_path: Path) -> None:
    for number in range(2):
        cv2.imwrite(str(tmp_path / f"{number}.png"), np.zeros((48, 64, 3), np.uint8))
    with on_bench(Camera(), url=str(tmp_path), fps=0.01) as bench:
        assert bench.turn()
        pauses: list[float] = []

        def pause(seconds: float) -> bool:
            pauses.append(seconds)
            return False

        bench.pause = pause  # type: ignore[method-assign]
        for _ in range(3):
            bench.node.loop()  # type: ignore[attr-defined]
    assert len(bench.sent) == 1
    assert len(pauses) == 3
    assert max(pauses) <= 1.0


@pytest.mark.parametrize("name", ["camera", "detector", "tracker", "zones", "recorder", "player", "gateway"])
def test_importing_a_node_loads_no_codec_no_engine_and_no_web(name: str) -> None:
    heavy = ["cv2", "av", "onnxruntime", "openvino", "torch", "fastapi", "uvicorn", "mcap"]
    code = f"import sys, argus.flow.nodes.{name}; print([m for m in {heavy} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
