"""`argus run` on cameras: a real RTSP server and an MJPEG camera."""

from __future__ import annotations

import json
import threading
from pathlib import Path

import numpy as np

from argus.testing.rtsp import RtspServer, rtsp_server_problem
from argus.testing.web_camera import WebCamera
from argus.vision.sinks.pictures import encode_picture
from tests.cli.conftest import Argus
from tests.conftest import need


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


def test_a_camera_that_goes_away_ends_the_run_with_its_files_complete(argus: Argus, tmp_path: Path) -> None:
    with camera_of_anna() as camera:
        found = tmp_path / "d.jsonl"

        ended = threading.Event()

        def kill_when_running() -> None:
            while not (ended.is_set() or (found.exists() and found.stat().st_size > 0)):
                ended.wait(0.05)
            camera.kill()

        killer = threading.Thread(target=kill_when_running)
        killer.start()
        done = argus(
            "run",
            address(camera),
            "-m",
            "builtin:motion",
            "--detections",
            found,
            "-q",
        )
        ended.set()
        killer.join()
    assert done.code == 1
    assert "s3cret" not in done.err
    assert done.err.startswith("error: ")
    rows = [json.loads(line) for line in found.read_text().splitlines()]
    assert len(rows) > 0


def test_wrong_credentials_are_said_and_not_shown(argus: Argus) -> None:
    with camera_of_anna() as camera:
        done = argus("run", address(camera, "guessed"), "-m", "builtin:motion")
    assert done.code == 1
    assert "guessed" not in done.err
    assert "credentials" in done.err or "password" in done.err


def test_a_web_camera_is_watched_until_the_limit(argus: Argus) -> None:
    pictures = [encode_picture(np.full((48, 64, 3), 20 * index, np.uint8)) for index in range(10)]
    with WebCamera(pictures) as camera:
        done = argus(
            "run", camera.url("mjpeg?count=500&interval=0.02"), "-m", "builtin:motion", "--limit", 5, "--json"
        )
    assert done.code == 0, done.err
    assert json.loads(done.out)["frames"]["processed"] == 5
