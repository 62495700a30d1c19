"""What a worker answers over HTTP."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator
from typing import Any

import cv2
import httpx
import numpy as np
import pytest

from argus.core.errors import SpecError
from argus.stream.channels import Channels
from argus.stream.serving import Pages
from tests.stream.parts import SCENE, ZONE, config, plan, until
from tests.stream.processes import Worker


@pytest.fixture(scope="module")
def worker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Worker]:
    folder = tmp_path_factory.mktemp("serving")
    worker = Worker(folder, config(folder, p=plan(zones={"z": ZONE}))).start()
    worker.looks(frames=5)
    yield worker
    worker.close()


def _picture(jpeg: bytes) -> Any:
    picture = cv2.imdecode(np.frombuffer(jpeg, np.uint8), cv2.IMREAD_COLOR)
    assert picture is not None
    return picture


def test_a_worker_that_does_what_it_shall_is_well_and_ready(worker: Worker) -> None:
    assert (worker.get("/healthz").status_code, worker.get("/readyz").status_code) == (200, 200)


def test_the_report_says_what_runs(worker: Worker) -> None:
    report = worker.report()
    assert (report.worker, report.pid, report.ready, report.healthy) == ("worker-0", worker.pid, True, True)
    camera, pipeline = worker.camera(), worker.pipeline()
    assert (camera.state, camera.width, camera.height, camera.over) == ("online", 480, 270, False)
    assert (pipeline.generation, pipeline.reason, pipeline.refused_generation) == (1, "", None)
    assert until(lambda: worker.pipeline().fps > 5)
    assert until(lambda: worker.camera().fps > 5)


def test_metrics_say_what_was_looked_at(worker: Worker) -> None:
    answer = worker.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    processed = re.search(
        r'argus_frames_total\{camera="gate",pipeline="p",outcome="processed"\} (\d+)', answer.text
    )
    assert processed is not None
    assert int(processed[1]) >= 5
    assert 'argus_camera_state{camera="gate",state="online"} 1' in answer.text
    assert "argus_glass_to_event_seconds_bucket" in answer.text


@pytest.mark.parametrize("what", ["camera=gate", "pipeline=p"])
def test_a_snapshot_is_a_picture_of_the_size_that_was_asked_for(worker: Worker, what: str) -> None:
    assert _picture(worker.get(f"/snapshot.jpg?{what}").content).shape == (270, 480, 3)
    assert _picture(worker.get(f"/snapshot.jpg?{what}&width=160").content).shape == (90, 160, 3)


def test_a_pipeline_is_shown_with_its_zones(worker: Worker) -> None:
    drawn = _picture(worker.get("/snapshot.jpg?pipeline=p").content)
    plain = _picture(worker.get("/snapshot.jpg?camera=gate").content)
    inside = (slice(100, 250), slice(60, 420))
    assert np.abs(drawn[inside].astype(int) - plain[inside]).mean() > 3


@pytest.mark.parametrize("what", ["camera=gate&fps=10", "pipeline=p&fps=10&width=160"])
def test_a_stream_brings_one_picture_after_the_other(worker: Worker, what: str) -> None:
    pictures: list[bytes] = []
    with httpx.stream(
        "GET", f"http://127.0.0.1:{worker.port}/stream.mjpeg?{what}", trust_env=False
    ) as answer:
        assert answer.headers["content-type"].startswith("multipart/x-mixed-replace")
        data = b""
        for portion in answer.iter_bytes():
            data += portion
            while (found := re.search(rb"Content-Length: (\d+)\r\n\r\n", data)) is not None:
                end = found.end() + int(found[1])
                if len(data) < end:
                    break
                pictures.append(data[found.end() : end])
                data = data[end:]
            if len(pictures) >= 4:
                break
    assert len({_picture(jpeg).shape for jpeg in pictures}) == 1
    assert len(set(pictures)) == len(pictures)


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/snapshot.jpg?camera=nowhere", 404),
        ("/snapshot.jpg?pipeline=nowhere", 404),
        ("/stream.mjpeg?camera=nowhere", 404),
        ("/snapshot.jpg", 400),
        ("/snapshot.jpg?camera=gate&width=nan", 400),
        ("/snapshot.jpg?camera=gate&width=-5", 400),
        ("/stream.mjpeg?camera=gate&fps=1e9", 400),
        ("/../../etc/passwd", 404),
        ("/", 404),
    ],
)
def test_what_cannot_be_answered_is_said_in_a_line(worker: Worker, path: str, status: int) -> None:
    answer = worker.get(path)
    assert answer.status_code == status
    assert answer.text.count("\n") == 1


def test_a_page_under_another_name_is_not_served(worker: Worker) -> None:
    assert worker.get("/stats", host="evil.example:80").status_code == 403


def test_a_page_of_another_site_gets_no_picture(worker: Worker) -> None:
    headers = {"sec-fetch-site": "cross-site"}
    assert worker.get("/snapshot.jpg?camera=gate", **headers).status_code == 403


def test_nothing_but_looking_is_possible(worker: Worker) -> None:
    url = f"http://127.0.0.1:{worker.port}/stats"
    assert httpx.post(url, trust_env=False, content=b"x" * 100_000).status_code == 405


def test_who_watches_and_reads_nothing_disturbs_nobody(worker: Worker) -> None:
    with socket.create_connection(("127.0.0.1", worker.port)) as lazy:
        lazy.sendall(b"GET /stream.mjpeg?camera=gate&fps=60 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        before = worker.pipeline().frames["processed"]
        until(lambda: worker.pipeline().frames["processed"] > before + 10)
        assert worker.get("/snapshot.jpg?camera=gate").status_code == 200


def test_beyond_loopback_nothing_is_shown_without_a_key() -> None:
    channels = Channels(lambda *_: None)  # type: ignore[arg-type]
    with pytest.raises(SpecError, match="ARGUS_API_KEY"):
        Pages("0.0.0.0", None, channels)  # type: ignore[arg-type]
    channels.close()


def test_a_config_that_cannot_be_read_leaves_the_last_good_one_running(worker: Worker) -> None:
    worker.write("{")
    until(lambda: "config.json" in worker.report().config_problem)
    before = worker.pipeline().frames["processed"]
    until(lambda: worker.pipeline().frames["processed"] > before)
    worker.change(worker.config)
    until(lambda: not worker.report().config_problem)


def test_changes_of_the_file_are_applied_while_it_runs(worker: Worker) -> None:
    before = worker.config
    more = {"gate": SCENE, "yard": f"{SCENE}&seed=3"}
    worker.change(config(worker.folder, more, p=plan(zones={"z": ZONE}), q=plan("yard", generation=7)))
    worker.looks("q")
    assert worker.pipeline("q").generation == 7
    worker.change(before)
    until(lambda: [camera.name for camera in worker.report().cameras] == ["gate"])
