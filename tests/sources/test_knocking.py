"""Is anybody there? Asked quickly, answered without an error."""

from __future__ import annotations

import socket
import threading
import time
from pathlib import Path

import pytest

from argus.testing.web_camera import WebCamera
from argus.vision.sources.knocking import knock
from tests.sources.line_camera import LineCamera


def test_a_camera_that_says_a_line_is_there_whatever_it_says() -> None:
    for said in (b"RTSP/1.0 200 OK\r\n\r\n", b"RTSP/1.0 401 Unauthorized\r\n", b"HTTP/1.1 400 Bad\r\n"):
        with LineCamera([said]) as camera:
            assert knock(camera.url("rtsp") + "/stream", 2)


def test_a_camera_that_accepts_and_says_nothing_is_not_there() -> None:
    with LineCamera() as mute:
        begin = time.monotonic()
        assert not knock(mute.url("rtsp"), 0.2)
        assert time.monotonic() - begin < 1
        assert knock(mute.url("rtsps"), 0.2), "what TLS would say is not asked"


def test_a_camera_that_hangs_up_or_talks_without_end_is_not_there() -> None:
    with LineCamera([b"RTSP"], hangs_up=True) as rude:
        assert not knock(rude.url("rtsp"), 1)
    with LineCamera([b"x" * 10_000]) as garbled:
        assert not knock(garbled.url("rtsp"), 1)


def test_a_web_server_is_there_when_it_accepts() -> None:
    with WebCamera() as camera:
        assert knock(camera.url("silent"), 2)
        assert knock("snapshot+" + camera.url("silent", user="me", password="p%40ss"), 2)


def test_an_address_in_numbers_asks_no_resolver(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hundred lost cameras are called twice a second each, also where names are resolved slowly."""
    began: list[str] = []
    start = threading.Thread.start

    def noted(self: threading.Thread) -> None:
        began.append(self.name)
        start(self)

    monkeypatch.setattr(threading.Thread, "start", noted)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert knock(f"http://127.0.0.1:{port}/", 1)
        assert began == []
        assert knock(f"http://localhost:{port}/", 1)
        assert began == ["argus-resolve"]


@pytest.mark.parametrize("scheme", ["rtsp", "rtsps", "http", "https"])
def test_nobody_is_at_a_closed_port(scheme: str) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert not knock(f"{scheme}://127.0.0.1:{unused.getsockname()[1]}/x", 1)


def test_an_address_of_version_6_is_called() -> None:
    try:
        server = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with server:
        assert knock(f"http://[::1]:{server.getsockname()[1]}/", 1)


@pytest.mark.parametrize(
    "url",
    [
        "rtsp://no-such-host.invalid/stream",
        "http://no-such-host.invalid",
        "rtsp://camera:99999/",
        "rtsp://[::1/",
        "rtsp:///stream",
        "rtsp://" + "a" * 70 + ".invalid/",
    ],
)
def test_an_address_that_leads_nowhere_is_no_error(url: str) -> None:
    begin = time.monotonic()
    assert not knock(url, 0.5)
    assert time.monotonic() - begin < 1.5


def test_what_has_a_path_is_there_when_the_path_is(tmp_path: Path) -> None:
    film = tmp_path / "film 1.mp4"
    film.write_bytes(b"x")
    assert knock(str(film), 1)
    assert knock("file://" + str(film).replace(" ", "%20"), 1)
    assert not knock(str(tmp_path / "gone.mp4"), 1)
    assert not knock("/dev/video97", 1)
    assert not knock("97", 1)
    assert knock("synthetic:plaza", 1)
