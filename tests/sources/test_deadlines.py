"""Nothing that a server does, or leaves undone, holds anybody for longer than was said."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from argus.core.errors import SourceError, SourceUnreachable
from argus.testing.web_camera import WebCamera
from argus.vision.sources import Source, open_source
from argus.vision.sources.deadlines import within
from tests.sources.line_camera import LineCamera
from tests.sources.settling import comes_true, descriptors_and_threads
from tests.sources.videos import make_video

OPTIONS = b"RTSP/1.0 200 OK\r\nCSeq: 1\r\nPublic: OPTIONS, DESCRIBE, SETUP, PLAY\r\n\r\n"
GARBAGE = bytes(range(256)) * 64


def took(call: Callable[[], object]) -> tuple[float, SourceError]:
    """Return the seconds after which the call failed, and how."""
    begin = time.monotonic()
    with pytest.raises(SourceError) as caught:
        call()
    return time.monotonic() - begin, caught.value


@pytest.mark.parametrize("scheme", ["rtsp", "http"])
@pytest.mark.parametrize(
    "chunks",
    [[], [OPTIONS], [GARBAGE], [b"HTTP/1.1 200 OK\r\n"], [b"x"] * 200],
    ids=["mute", "options only", "garbage", "half a header", "a byte now and then"],
)
def test_opening_ends_in_time_whatever_a_server_does(scheme: str, chunks: list[bytes]) -> None:
    with LineCamera(chunks, interval_s=0.05 if len(chunks) > 1 else 0.0) as camera:
        seconds, error = took(lambda: open_source(camera.url(scheme) + "/stream", timeout_s=0.5))
    assert seconds < 1.2
    assert "127.0.0.1" in str(error)


def test_an_opening_that_was_given_up_leaves_nothing_behind() -> None:
    with LineCamera([OPTIONS]) as camera:
        took(lambda: open_source(camera.url("rtsp") + "/stream", timeout_s=0.3))
        before = descriptors_and_threads()
        for _ in range(3):
            took(lambda: open_source(camera.url("rtsp") + "/stream", timeout_s=0.3))
        assert comes_true(lambda: descriptors_and_threads() <= before)


def test_a_file_on_a_server_that_stalls_in_its_middle_is_given_up(tmp_path: Path) -> None:
    film = make_video(tmp_path / "film.ts", codec="libx264", frames=60).read_bytes()
    head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nContent-Length: %d\r\n\r\n" % len(film)
    with LineCamera([head + film[: len(film) // 2]]) as camera:

        def read() -> None:
            with open_source(camera.url("http") + "/film.ts", timeout_s=0.5) as source:
                list(source)

        seconds, _ = took(read)
    assert seconds < 3.5


@pytest.mark.parametrize("path", ["mjpeg?count=2&end=silent", "snapshot.jpg"])
def test_close_returns_while_a_read_waits(path: str) -> None:
    import cv2
    import numpy as np

    picture = bytes(cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1])
    with WebCamera([picture]) as camera:
        source = open_source(camera.url(path), timeout_s=20, interval_s=60)
        _close_beside_a_read(source)


def test_close_returns_while_a_server_keeps_a_request_waiting() -> None:
    """The socket of a request that has no answer yet cannot be reached: the reader is left to itself."""
    import cv2
    import numpy as np

    picture = bytes(cv2.imencode(".jpg", np.zeros((48, 64, 3), np.uint8))[1])
    head = b"HTTP/1.1 200 OK\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n" % len(picture)
    with LineCamera([head + picture]) as camera:
        source = open_source(camera.url("http") + "/x.jpg", timeout_s=2, interval_s=0.01)
        _close_beside_a_read(source)


def _close_beside_a_read(source: Source) -> None:
    reading, ended = threading.Event(), threading.Event()

    def read() -> None:
        try:
            for _ in source:
                reading.set()
        except SourceUnreachable:
            pass
        ended.set()

    threading.Thread(target=read, daemon=True).start()
    assert reading.wait(10)
    begin = time.monotonic()
    source.close()
    assert time.monotonic() - begin < 1
    assert ended.wait(5)


def test_what_comes_too_late_is_disposed_of() -> None:
    go, disposed = threading.Event(), threading.Event()

    def slow() -> str:
        go.wait(10)
        return "late"

    with pytest.raises(TimeoutError):
        within(0.05, slow, lambda result: disposed.set() if result == "late" else None)
    go.set()
    assert disposed.wait(5)


def test_what_comes_in_time_is_handed_on_and_so_are_errors() -> None:
    assert within(5, lambda: 7, lambda _: None) == 7

    def fail() -> int:
        raise KeyError("x")

    with pytest.raises(KeyError):
        within(5, fail, lambda _: None)
