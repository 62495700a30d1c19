"""What cameras show and how they are, and trying their addresses."""

from __future__ import annotations

import asyncio
import base64
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from argus.control.api.camera_probe import probe
from argus.core.outbound import CAMERAS
from argus.core.resources.resource import Condition, utc_now, with_conditions
from argus.testing.web_camera import WebCamera
from tests.certificates import self_signed
from tests.control.api.harness import Live, World, problem, until
from tests.control.api.workers import JPEG, PART, Worker, reads, working


@pytest.fixture
def worker(world: World) -> Iterator[Worker]:
    with working(Worker()) as one:
        world.camera("gate")
        reads(world, one)
        yield one


def test_a_snapshot_is_the_workers_own(world: World, worker: Worker) -> None:
    answer = world.get("/api/v1/cameras/gate/snapshot.jpg")
    assert answer.content == JPEG
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["x-argus-index"] == "12"
    assert answer.headers["cache-control"] == "no-store"
    assert worker.asked == ["/snapshot.jpg?camera=gate"]


def test_a_stream_is_handed_on_as_it_comes(live: Live, worker: Worker) -> None:
    with httpx.stream("GET", f"{live.url}/api/v1/cameras/gate/stream.mjpeg", trust_env=False) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=frame"
        said = b""
        for portion in answer.iter_raw():
            said += portion
            if len(said) > 4 * len(PART):
                break
    assert said[: 2 * len(PART)] == 2 * PART
    until(lambda: worker.watching == 0)


def test_a_slow_viewer_slows_the_worker(live: Live, worker: Worker) -> None:
    worker.part = PART + b"x" * 200_000
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as deaf:
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall(b"GET /api/v1/cameras/gate/stream.mjpeg HTTP/1.1\r\nHost: localhost\r\n\r\n")
        until(lambda: worker.watching == 1)
        seen = [-1]

        def stands_still() -> bool:
            before, seen[0] = seen[0], worker.sent
            time.sleep(0.2)
            return before == worker.sent

        until(stands_still, within_s=20)
        assert worker.sent < 100 << 20
    until(lambda: worker.watching == 0)


def test_a_stream_ends_when_the_server_stops(live: Live, worker: Worker) -> None:
    with httpx.stream("GET", f"{live.url}/api/v1/cameras/gate/stream.mjpeg", trust_env=False) as answer:
        live.server.should_exit = True
        for _ in answer.iter_raw():
            pass
    until(lambda: worker.watching == 0)


def test_without_a_worker_it_is_said_why(world: World) -> None:
    camera = world.camera("gate").json()
    condition = Condition(
        type="Ready",
        status="False",
        reason="NoPipeline",
        message="no pipeline names it",
        last_transition_time=utc_now(),
    )
    status: dict[str, object] = {"conditions": with_conditions((), [condition])}
    asyncio.run(world.store.set_status("Camera", "gate", camera["metadata"]["uid"], status))
    for path in ("snapshot.jpg", "stream.mjpeg"):
        body = problem(world.get(f"/api/v1/cameras/gate/{path}"), 503)
        assert "NoPipeline: no pipeline names it" in body["detail"]
    problem(world.get("/api/v1/cameras/other/snapshot.jpg"), 404)


def test_a_worker_without_a_picture_is_quoted(world: World, worker: Worker) -> None:
    worker.picture = None
    for path in ("snapshot.jpg", "stream.mjpeg"):
        body = problem(world.get(f"/api/v1/cameras/gate/{path}"), 503)
        assert "the camera has shown nothing yet" in body["detail"]


def test_a_worker_that_has_just_died_is_a_503(world: World) -> None:
    with working(Worker()) as gone:
        pass
    world.camera("gate")
    reads(world, gone)
    problem(world.get("/api/v1/cameras/gate/snapshot.jpg"), 503)
    problem(world.get("/api/v1/cameras/gate/stream.mjpeg"), 503)


def test_health_is_what_the_worker_and_the_conditions_say(world: World, worker: Worker) -> None:
    told = world.get("/api/v1/cameras/gate/health").json()
    assert (told["state"], told["worker"], told["report"]["width"]) == ("online", "worker-0", 1280)
    world.plane.reports = {}
    told = world.get("/api/v1/cameras/gate/health").json()
    assert (told["state"], told["report"]) == ("unknown", None)


SDP = "v=0\r\nm=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"


@contextmanager
def _answering(*answers: str) -> Iterator[tuple[int, list[str]]]:
    """Let somebody listen who gives these answers, one for each request."""
    asked: list[str] = []
    left = list(answers)
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            connection, _ = listening.accept()
            with connection:
                while left:
                    head = b""
                    while not head.endswith(b"\r\n\r\n"):
                        portion = connection.recv(4096)
                        if not portion:
                            return
                        head += portion
                    asked.append(head.decode())
                    connection.sendall(left.pop(0).encode())

        thread = threading.Thread(target=serve)
        thread.start()
        try:
            yield listening.getsockname()[1], asked
        finally:
            thread.join(10)


def _probe(url: str) -> dict[str, Any]:
    return asyncio.run(probe(url))


def test_a_camera_that_answers_says_what_it_sends() -> None:
    with _answering(f"RTSP/1.0 200 OK\r\nContent-Length: {len(SDP)}\r\n\r\n{SDP}") as (port, _):
        found = _probe(f"rtsp://127.0.0.1:{port}/1")
    assert (found["outcome"], found["codecs"]) == ("answers", ["H264"])


def test_credentials_are_tried_as_the_camera_wants_them_and_never_told() -> None:
    challenge = 'RTSP/1.0 401 No\r\nWWW-Authenticate: Digest realm="cam", nonce="n1"\r\n\r\n'
    with _answering(challenge, "RTSP/1.0 200 OK\r\n\r\n") as (port, asked):
        found = _probe(f"rtsp://admin:pa%24s@127.0.0.1:{port}/1")
    assert found["outcome"] == "answers"
    assert 'username="admin", realm="cam"' in asked[1]
    assert "pa" not in asked[0].replace("path", "")
    assert "pa%24s" not in str(found)


@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        ("RTSP/1.0 401 No\r\n\r\n", "credentials-refused"),
        ("RTSP/1.0 404 Not Found\r\n\r\n", "not-found"),
        ("RTSP/1.0 503 No\r\n\r\n", "strange"),
        ("SSH-2.0-OpenSSH\r\n\r\n", "unreachable"),
        ("", "unreachable"),
    ],
)
def test_what_is_wrong_with_an_address_is_told_apart(answer: str, outcome: str) -> None:
    with _answering(answer) as (port, _):
        if not answer:
            found = _probe("rtsp://127.0.0.1:1/1")
            socket.create_connection(("127.0.0.1", port)).close()
        else:
            found = _probe(f"rtsp://127.0.0.1:{port}/1")
    assert found["outcome"] == outcome, found


def test_a_picture_over_http_is_recognised_and_a_page_is_not() -> None:
    with _answering("HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace\r\n\r\n") as (port, _):
        assert _probe(f"http://127.0.0.1:{port}/video")["outcome"] == "answers"
    with _answering("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n") as (port, _):
        assert _probe(f"http://127.0.0.1:{port}/")["outcome"] == "strange"
    with _answering("HTTP/1.1 302 Go\r\nLocation: http://169.254.169.254/\r\n\r\n") as (port, asked):
        assert _probe(f"http://127.0.0.1:{port}/")["outcome"] == "strange"
    assert len(asked) == 1


def test_a_password_that_stands_in_the_address_as_it_is_is_tried_as_a_worker_would() -> None:
    challenge = 'RTSP/1.0 401 No\r\nWWW-Authenticate: Basic realm="cam"\r\n\r\n'
    with _answering(challenge, "RTSP/1.0 200 OK\r\n\r\n") as (port, asked):
        found = _probe(f"rtsp://admin:p#s/s@127.0.0.1:{port}/1")
    assert found["outcome"] == "answers"
    assert asked[0].startswith(f"DESCRIBE rtsp://127.0.0.1:{port}/1 ")
    assert base64.b64encode(b"admin:p#s/s").decode() in asked[1]


def test_a_certificate_that_nobody_vouches_for_is_told_unless_the_camera_takes_it(tmp_path: Path) -> None:
    with WebCamera([JPEG], certificate=self_signed(tmp_path)[0]) as camera:
        found = _probe(camera.url("snapshot.jpg"))
        assert (found["outcome"], "self-signed certificate" in found["detail"]) == ("strange", True)
        assert asyncio.run(probe(camera.url("snapshot.jpg"), verify_tls=False))["outcome"] == "answers"
        assert "certificate" not in _probe(camera.url("x").replace("https", "rtsps"))["detail"]


def test_what_may_not_be_asked_is_blocked_and_a_file_is_not_opened() -> None:
    assert CAMERAS.allow_private
    assert _probe("http://169.254.169.254/latest/meta-data")["outcome"] == "blocked"
    assert _probe("rtsp://224.0.0.1/1")["outcome"] == "blocked"
    for url in ("/etc/passwd", "file:///etc/passwd", "synthetic:plaza", "gopher://127.0.0.1:70/1"):
        assert _probe(url)["outcome"] == "unasked"


def test_a_line_end_in_an_address_goes_nowhere() -> None:
    found = _probe("rtsp://127.0.0.1:1/1\r\nX: y")
    assert found["outcome"] in {"blocked", "unreachable"}


def test_the_cameras_own_address_is_tried_with_its_secret(world: World) -> None:
    with _answering("RTSP/1.0 200 OK\r\n\r\n") as (port, _):
        world.camera("gate", url=f"rtsp://admin:${{GATE_PASSWORD}}@127.0.0.1:{port}/1")
        found = world.post("/api/v1/cameras/gate:probe").json()
    assert found["outcome"] == "answers"
    assert "s3cret" not in str(found)
    problem(world.post("/api/v1/cameras/other:probe"), 404)
    assert (
        world.post("/api/v1/cameras/other:probe", json={"url": "synthetic:x"}).json()["outcome"] == "unasked"
    )
    problem(world.post("/api/v1/cameras/gate:probe", json={"uri": "x"}), 422)


def test_a_secret_that_is_not_set_is_named(world: World) -> None:
    world.camera("gate", url="rtsp://admin:${NOT_SET}@10.0.0.5/1")
    assert "NOT_SET" in problem(world.post("/api/v1/cameras/gate:probe"), 422)["detail"]
