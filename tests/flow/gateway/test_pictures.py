"""Streams and snapshots: one encode per picture, nobody waits for another, nothing for nobody."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime

import cv2
import httpx
import numpy as np

from argus.core.frame import Frame
from argus.vision.pictures import ArrayPicture
from tests.flow.gateway.conftest import Gate
from tests.flow.gateway.mjpeg import Viewer
from tests.sources.settling import comes_true, descriptors_and_threads


def shown(data: bytes) -> float:
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    assert pixels is not None
    return float(pixels.mean())


def keep_showing(gate: Gate, until: Callable[[], bool], first: int = 1) -> int:
    """Let pictures come until something is so; return the number of the last."""
    index = first - 1

    def step() -> bool:
        nonlocal index
        index += 1
        gate.show(index)
        return until()

    assert comes_true(step)
    return index


def test_five_viewers_cost_one_encode_per_picture(gate: Gate) -> None:
    gate.show(0)
    topic = gate.node.hub.topic("camera")
    with ExitStack() as stack:
        viewers = [stack.enter_context(Viewer(gate.address, "/stream/camera.mjpeg")) for _ in range(5)]
        assert comes_true(lambda: topic.watching == 5)
        before = topic.encoded
        for index in range(1, 11):
            gate.show(index)
            assert comes_true(lambda i=index: all(v.parts and v.parts[-1].index == i for v in viewers))  # type: ignore[misc]
        assert topic.encoded - before == 10
        assert all([p.index for p in v.parts if p.index] == list(range(1, 11)) for v in viewers)
        assert abs(viewers[0].parts[-1].brightness - 10) < 2


def test_nothing_is_encoded_and_hardly_a_picture_copied_while_nobody_watches(gate: Gate) -> None:
    topic_copies = set()
    for index in range(200):
        gate.show(index)
        topic_copies.add(gate.node.hub.topic("camera").kept)
    topic = gate.node.hub.topic("camera")
    assert topic.count == 200
    assert topic.encoded == 0
    assert len(topic_copies) <= 3


def test_a_viewer_sees_the_last_picture_at_once_also_of_a_stream_that_is_silent(gate: Gate) -> None:
    gate.show(5)
    with Viewer(gate.address, "/stream/camera.mjpeg") as viewer:
        assert comes_true(lambda: [p.index for p in viewer.parts] == [5])


def test_a_browser_is_sent_the_head_of_the_next_picture_with_each_as_it_shows_none_before(gate: Gate) -> None:
    gate.show(0)
    headers = {"Sec-Fetch-Dest": "image"}
    with httpx.stream("GET", f"{gate.url}/stream/camera.mjpeg", headers=headers) as answer:
        data = b""
        for part in answer.iter_raw():
            data += part
            if data.count(b"Content-Type: image/jpeg\r\n\r\n") == 2:
                break
    assert data.rstrip().endswith(b"--argus-picture\r\nContent-Type: image/jpeg")


def test_a_slow_viewer_misses_pictures_and_slows_nobody(gate: Gate) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (480, 640, 3), np.uint8)  # a large JPEG
    gate.give(noise, "camera->gateway", index=0)
    with (
        Viewer(gate.address, "/stream/camera.mjpeg", slow=True) as slow,
        Viewer(gate.address, "/stream/camera.mjpeg") as fast,
    ):
        assert comes_true(lambda: gate.node.hub.topic("camera").watching == 2)
        longest_s = 0.0
        for index in range(1, 40):
            began_s = time.monotonic()
            gate.give(noise, "camera->gateway", index=index)
            longest_s = max(longest_s, time.monotonic() - began_s)
            assert comes_true(lambda i=index: bool(fast.parts) and fast.parts[-1].index == i)  # type: ignore[misc]
        assert longest_s < 0.5
        slow.start()
        assert comes_true(lambda: bool(slow.parts) and slow.parts[-1].index == 39)
        assert len(slow.parts) < 20


def test_a_viewer_that_is_gone_is_forgotten(gate: Gate) -> None:
    gate.show(0)
    topic = gate.node.hub.topic("camera")
    with Viewer(gate.address, "/stream/camera.mjpeg") as viewer:
        assert comes_true(lambda: topic.watching == 1 and bool(viewer.parts))
    assert comes_true(lambda: topic.watching == 0)
    encoded = topic.encoded
    for index in range(1, 20):
        gate.show(index)
    assert topic.encoded == encoded


def test_hundreds_of_viewers_that_break_off_in_the_middle_of_a_picture_are_all_forgotten(gate: Gate) -> None:
    gate.show(0)
    topic = gate.node.hub.topic("camera")
    host, _, port = gate.address.rpartition(":")
    request = f"GET /stream/camera.mjpeg HTTP/1.1\r\nHost: {gate.address}\r\n\r\n".encode()

    def break_off(times: int) -> None:
        for number in range(times):
            with socket.create_connection((host, int(port)), 10) as viewer:
                viewer.sendall(request)
                viewer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1" + bytes(7))  # a reset
                time.sleep(number % 10 / 500)

    threads = [threading.Thread(target=break_off, args=(60,)) for _ in range(5)]
    for thread in threads:
        thread.start()
    index = 0
    while any(thread.is_alive() for thread in threads):
        index += 1
        gate.show(index)
        time.sleep(0.002)
    for thread in threads:
        thread.join()
    assert comes_true(lambda: topic.watching == 0)


def test_a_stream_keeps_to_the_rate_that_tiles_may_have(gates: Callable[..., Gate]) -> None:
    gate = gates(fps=10)
    gate.show(0)
    with Viewer(gate.address, "/stream/camera.mjpeg") as viewer:
        assert comes_true(lambda: gate.node.hub.topic("camera").watching == 1)
        began_s = time.monotonic()
        keep_showing(gate, lambda: len(viewer.parts) >= 8)
        assert time.monotonic() - began_s > 0.5


def test_a_snapshot_is_the_newest_picture_with_its_index(gate: Gate) -> None:
    gate.show(0)
    gate.show(7)  # too soon after the last to be kept for nobody
    answer = httpx.get(f"{gate.url}/snapshot/camera.jpg")
    assert answer.headers["content-type"] == "image/jpeg"
    gate.show(9)
    answer = httpx.get(f"{gate.url}/snapshot/camera.jpg")
    assert answer.headers["x-argus-index"] == "9"
    assert abs(shown(answer.content) - 9) < 2


def test_a_frame_is_shown_as_it_was_though_its_memory_is_used_again(gate: Gate) -> None:
    pixels = np.full((48, 64, 3), 50, np.uint8)
    frame = Frame(ArrayPicture(pixels), "yard", 3, 0.1, datetime.now(UTC))
    gate.give(frame, "camera->gateway", index=3)
    pixels[:] = 200
    assert abs(shown(httpx.get(f"{gate.url}/snapshot/camera.jpg").content) - 50) < 2


def test_an_unknown_topic_is_not_found_and_the_known_ones_are_named(gate: Gate) -> None:
    gate.show(0)
    gate.see(0)
    for path in ("/stream/camra.mjpeg", "/snapshot/camra.jpg"):
        answer = httpx.get(gate.url + path)
        assert answer.status_code == 404
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["topics"] == ["camera", "detector"]
        assert "did you mean 'camera'" in answer.json()["detail"]


def test_a_topic_without_pictures_says_where_its_results_and_its_picture_are(gate: Gate) -> None:
    gate.show(0)
    gate.see(0)
    answer = httpx.get(f"{gate.url}/stream/detector.mjpeg")
    assert answer.status_code == 404
    assert "/ws/detector" in answer.json()["detail"]
    assert "camera" in answer.json()["detail"]


def test_more_viewers_than_may_watch_are_told_so(gates: Callable[..., Gate]) -> None:
    gate = gates(viewers=1)
    gate.show(0)
    with Viewer(gate.address, "/stream/camera.mjpeg") as viewer:
        assert comes_true(lambda: bool(viewer.parts))
        answer = httpx.get(f"{gate.url}/stream/camera.mjpeg")
        assert answer.status_code == 503
        assert "viewers" in answer.json()["detail"]


def test_the_end_lets_all_viewers_go_at_once_and_leaves_no_thread(gates: Callable[..., Gate]) -> None:
    before = descriptors_and_threads()
    gate = gates()
    gate.show(0)
    with ExitStack() as stack:
        viewers = [stack.enter_context(Viewer(gate.address, "/stream/camera.mjpeg")) for _ in range(3)]
        slow = stack.enter_context(Viewer(gate.address, "/stream/camera.mjpeg", slow=True))
        assert comes_true(lambda: all(v.parts for v in viewers))
        began_s = time.monotonic()
        gate.node.teardown()
        assert time.monotonic() - began_s < 2
        assert all(v.ended.wait(5) for v in viewers)
        assert slow.status == 200
    assert comes_true(lambda: descriptors_and_threads() <= before)


def test_quality_can_be_changed_while_it_runs(gate: Gate) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (96, 128, 3), np.uint8)
    sizes = []
    for number, quality in enumerate((90, 40, 5)):
        gate.change(quality=quality)
        gate.give(noise, "camera->gateway", index=number)
        sizes.append(len(httpx.get(f"{gate.url}/snapshot/camera.jpg").content))
    assert sizes[0] > sizes[1] > sizes[2]
