"""`argus run` on cameras: a real RTSP server and an MJPEG camera."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import urlsplit

import av
import numpy as np
import pytest

from argus.testing.rtsp import RtspServer, rtsp_server_problem
from argus.testing.web_camera import WebCamera
from argus.vision.lab import RtspCamera, rtsp_camera_problem
from argus.vision.sinks.pictures import encode_picture
from tests.cli.conftest import Argus
from tests.conftest import need


@contextlib.contextmanager
def as_soon_as(happened: Callable[[], bool], act: Callable[[], None]) -> Iterator[None]:
    """Do something, once, while a run goes on."""
    over = threading.Event()

    def wait_and_act() -> None:
        while not over.wait(0.02):
            if happened():
                act()
                return

    actor = threading.Thread(target=wait_and_act)
    actor.start()
    try:
        yield
    finally:
        over.set()
        actor.join()


def camera_of_anna() -> RtspServer:
    need(rtsp_server_problem() is None, rtsp_server_problem() or "")
    return RtspServer(pattern="320x240@15", user="anna", password="s3cret")


def address(camera: RtspServer, password: str = "s3cret") -> str:
    return camera.url(user="anna", password=password)


def test_a_camera_is_watched_until_the_limit(argus: Argus, tmp_path: Path) -> None:
    with camera_of_anna() as camera:
        options = (
            "--name",
            "gate",
            "-m",
            "builtin:motion",
            "--limit",
            20,
            "--detections",
            tmp_path / "d.jsonl",
        )
        done = argus("run", address(camera), *options, "--json")
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary["source"]["name"] == "gate"
    assert summary["frames"]["processed"] == 20
    assert len((tmp_path / "d.jsonl").read_text().splitlines()) == 20


def test_a_camera_that_goes_away_ends_a_run_without_retries_with_its_files_complete(
    argus: Argus, tmp_path: Path
) -> None:
    video, found = tmp_path / "a.mp4", tmp_path / "d.jsonl"

    def written() -> bool:
        return video.exists() and video.stat().st_size > 0

    with camera_of_anna() as camera, as_soon_as(written, camera.kill):
        done = argus(
            "run", address(camera), "-m", "builtin:motion", "--detections", found, "--out", video,
            "--retries", 0, "-q",
        )  # fmt: skip
    assert done.code == 1
    assert "s3cret" not in done.err
    assert done.err.startswith("error: ")
    rows = [json.loads(line) for line in found.read_text().splitlines()]
    with av.open(str(video)) as pictures:
        assert len(rows) == sum(1 for _ in pictures.decode(video=0)) > 0


def test_a_run_survives_the_power_cut_of_its_camera(argus: Argus, tmp_path: Path) -> None:
    need(rtsp_camera_problem() is None, rtsp_camera_problem() or "")
    events, found = tmp_path / "e.jsonl", tmp_path / "found"
    with RtspCamera(width=160, height=112, fps=15) as camera:

        def cut_and_restore() -> None:
            camera.begin("kill")
            camera.heal()

        def online() -> bool:
            return events.exists() and "camera.online" in events.read_text()

        with as_soon_as(online, cut_and_restore):
            done = argus(
                "run", f"gate={camera.url}", "--latest", "-m", "builtin:motion", "--limit", 30, "--json",
                "--detections", found / "d.jsonl", "--events", events,
            )  # fmt: skip
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert said["engine"]["cameras"][0]["connections"] == 2
    rows = [json.loads(line) for line in (found / "d.jsonl").read_text().splitlines()]
    assert len(rows) == said["cameras"][0]["frames"]["processed"] == 30
    assert all(a["time_s"] < b["time_s"] for a, b in pairwise(rows))
    assert " gate camera.online: first picture\n" in done.err
    assert (urlsplit(camera.url).password or "?") not in done.err + done.out


def test_wrong_credentials_are_said_and_not_shown(argus: Argus) -> None:
    with camera_of_anna() as camera:
        done = argus("run", address(camera, "guessed"), "-m", "builtin:motion")
    assert done.code == 1
    assert "guessed" not in done.err
    assert "credentials" in done.err or "password" in done.err


@pytest.mark.parametrize("more", [(), ("--latest",)], ids=["alone", "as one of many"])
def test_a_camera_that_sends_over_udp_alone_can_be_watched(argus: Argus, more: tuple[str, ...]) -> None:
    need(rtsp_server_problem() is None, rtsp_server_problem() or "")
    with RtspServer(over="udp") as camera:
        run = ("run", camera.url(), "-m", "builtin:motion", "--limit", 5, *more)
        refused = argus(*run, "--retries", 0)
        assert refused.code == 1
        assert "set `transport` of the camera to the other one" in refused.err
        done = argus(*run, "--transport", "udp")
        assert done.code == 0, done.err


def test_a_web_camera_is_watched_until_the_limit(argus: Argus) -> None:
    pictures = [encode_picture(np.full((48, 64, 3), 20 * index, np.uint8)) for index in range(10)]
    with WebCamera(pictures) as camera:
        done = argus(
            "run", camera.url("mjpeg?count=500&interval=0.02"), "-m", "builtin:motion", "--limit", 5, "--json"
        )
    assert done.code == 0, done.err
    assert json.loads(done.out)["frames"]["processed"] == 5
