"""The gateway's pictures over RTSP, watched by a real client."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import av
import pytest

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


@pytest.fixture
def shown(gate: Gate) -> Iterator[Gate]:
    """A gateway that is given a picture fifty times a second."""
    stop = threading.Event()

    def show() -> None:
        index = 0
        while not stop.wait(0.02):
            gate.show(index, side=320, brightness=180)
            index += 1

    thread = threading.Thread(target=show)
    thread.start()
    yield gate
    stop.set()
    thread.join()


def test_a_player_sees_the_pictures_of_a_topic(shown: Gate) -> None:
    assert comes_true(lambda: "camera" in shown.node.hub.topics)
    topic = shown.node.hub.topic("camera")
    assert topic.watching == 0
    with av.open(f"{shown.node.urls[1]}/camera", options={"rtsp_transport": "tcp"}, timeout=20.0) as player:
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
        av.open(f"{url}/camera", options={"rtsp_transport": "tcp"}, timeout=20.0)


def test_others_are_not_let_in_without_a_key() -> None:
    from argus.flow.gateway.hub import Hub
    from argus.flow.gateway.node import Gateway

    interface = Rtsp()
    with pytest.raises(SpecError, match="ARGUS_API_KEY"):
        interface.start(Hub(Gateway.Params()), {"host": "0.0.0.0"})
    interface.stop()
