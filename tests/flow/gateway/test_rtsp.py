"""The gateway's pictures over RTSP, watched by a real client."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import av
import pytest
from av.container import InputContainer

from argus.core.errors import SpecError
from argus.flow.gateway.rtsp import _ELEMENTS, Rtsp
from argus.vision.lab.gstreamer import rtsp_problem
from tests.conftest import need
from tests.flow.gateway.conftest import FakeSystem, Gate
from tests.sources.settling import comes_true


@pytest.fixture
def gate(gates: Callable[..., Gate], system: FakeSystem) -> Gate:
    need(rtsp_problem(*_ELEMENTS) is None, str(rtsp_problem(*_ELEMENTS)))
    return gates(interfaces=["web", "rtsp"], options={"rtsp": {"port": 0}})


TOPICS = ("camera", *(f"camera-{number}" for number in range(2, 13)))


@pytest.fixture
def shown(gate: Gate) -> Iterator[Gate]:
    """A gateway that is given pictures of all topics twenty times a second."""
    stop = threading.Event()

    def show() -> None:
        index = 0
        while not stop.wait(0.05):
            for topic in TOPICS:
                gate.show(index, topic, side=320, brightness=180)
            index += 1

    thread = threading.Thread(target=show)
    thread.start()
    yield gate
    stop.set()
    thread.join()


def opened(url: str) -> InputContainer:
    """Open a topic as a player does, as soon as the server has heard of it."""
    until = time.monotonic() + 15
    while True:
        try:
            return av.open(url, options={"rtsp_transport": "tcp"}, timeout=20.0)
        except av.error.HTTPNotFoundError:
            if time.monotonic() > until:
                raise
            time.sleep(0.05)


def test_a_player_sees_the_pictures_of_a_topic(shown: Gate) -> None:
    assert comes_true(lambda: "camera" in shown.node.hub.topics)
    topic = shown.node.hub.topic("camera")
    assert topic.watching == 0
    with opened(f"{shown.node.urls[1]}/camera") as player:
        frames = []
        for frame in player.decode(video=0):
            frames.append(frame.to_ndarray(format="gray"))
            if len(frames) == 5:
                break
        assert topic.watching == 1
    assert frames[-1].shape == (240, 320)
    assert abs(float(frames[-1].mean()) - 180) < 8
    # Who has left costs nothing any more.
    assert comes_true(lambda: topic.watching == 0, within_s=90)


def test_many_who_come_at_once_see_their_topics_without_delay(shown: Gate) -> None:
    def seen(topic: str) -> float:
        with opened(f"{shown.node.urls[1]}/{topic}") as player:
            return float(next(player.decode(video=0)).to_ndarray(format="gray").mean())

    with ThreadPoolExecutor(len(TOPICS)) as players:
        assert list(players.map(seen, TOPICS)) == pytest.approx([180] * len(TOPICS), abs=8)


def test_a_server_that_dies_is_started_again_at_its_port(shown: Gate) -> None:
    url = shown.node.urls[1]
    with opened(f"{url}/camera") as player:
        next(player.decode(video=0))
        topic = shown.node.hub.topic("camera")
        assert topic.watching == 1
        children = " ".join(file.read_text() for file in Path("/proc/self/task").glob("*/children")).split()
        [server] = [pid for pid in children if b"rtsp_script" in Path(f"/proc/{pid}/cmdline").read_bytes()]
        os.kill(int(server), signal.SIGKILL)
        assert comes_true(lambda: topic.watching == 0)

    def again() -> bool:
        try:
            with opened(f"{url}/camera") as player:
                return next(player.decode(video=0)) is not None
        except (OSError, StopIteration):
            return False

    assert comes_true(again)
    assert shown.node.urls[1] == url


def test_a_topic_that_is_not_there_is_refused(shown: Gate) -> None:
    with pytest.raises(av.error.HTTPNotFoundError):
        av.open(f"{shown.node.urls[1]}/nothing", options={"rtsp_transport": "tcp"}, timeout=20.0)


def test_a_key_is_asked_for(
    gates: Callable[..., Gate], system: FakeSystem, monkeypatch: pytest.MonkeyPatch
) -> None:
    need(rtsp_problem(*_ELEMENTS) is None, str(rtsp_problem(*_ELEMENTS)))
    monkeypatch.setenv("ARGUS_API_KEY", "a-long-secret")
    gate = gates(interfaces=["rtsp"], options={"rtsp": {"port": 0}})
    gate.show(1, side=320)
    url = gate.node.urls[0]
    with pytest.raises(av.error.HTTPUnauthorizedError):
        opened(f"{url}/camera")


def test_others_are_not_let_in_without_a_key() -> None:
    from argus.flow.gateway.hub import Hub
    from argus.flow.gateway.node import Gateway

    interface = Rtsp()
    with pytest.raises(SpecError, match="ARGUS_API_KEY"):
        interface.start(Hub(Gateway.Params()), {"host": "0.0.0.0"})
    interface.stop()
