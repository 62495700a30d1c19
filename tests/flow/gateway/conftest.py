"""A gateway on a free port with a small system behind it, whose control socket is the real one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import msgspec
import numpy as np
import pytest

from argus.core.detections import Detections
from argus.flow.channels.protocol import LinkCounts
from argus.flow.control import ControlServer, RequestRefused
from argus.flow.gateway.hub import SOCKET
from argus.flow.gateway.node import Gateway
from argus.flow.nodes.frame_detections import FrameDetections
from argus.flow.status import LinkStatus, NodeStatus, ReplicaStatus, SystemStatus
from tests.flow.nodes.driving import Bench

NAME = "gate-test"


class FakeSystem:
    """A system as its control socket tells of it: three nodes, of which one has params and one is ill."""

    def __init__(self) -> None:
        self.params: dict[str, Any] = {"model": "builtin:plaza", "confidence": 0.4, "classes": None}
        self.asked = 0
        self.stuck = threading.Event()
        self.stuck.set()

    def answer(self, request: dict[str, Any]) -> Any:
        self.stuck.wait(60)
        if request["op"] == "status":
            self.asked += 1
            return msgspec.to_builtins(self.status())
        if request["op"] == "set":
            confidence = request["params"].get("confidence", 0.4)
            if not isinstance(confidence, int | float) or not 0 <= confidence <= 1:
                raise RequestRefused("node detector: confidence: Input should be less than or equal to 1")
            if request["params"].get("model") == "too-large":
                raise RequestRefused("node detector: model too-large needs 40 GB of memory")
            if request["node"] == "log":
                return {"params": request["params"], "waiting": ["log"]}
            self.params |= request["params"]
            return {"params": self.params, "waiting": []}
        raise AssertionError(request)

    def status(self) -> SystemStatus:
        running = ReplicaStatus(replica=0, state="running", pid=1, rate=25.0, loop_p50_ms=2.0)
        ill = ReplicaStatus(replica=0, state="backing-off", restarts=2, reason="disk full at nodes/log.py:7")
        counts = LinkCounts(sent=100, delivered=90, dropped={"newer": 9}, pending=1)
        camera = {"url": "rtsp://admin:geheim@10.0.0.5/1"}
        wires = [("camera", "detector", "realtime"), ("camera", "log", "durable")]
        return SystemStatus(
            name=NAME,
            pid=1,
            started_at="2026-01-01T00:00:00+00:00",
            script="main.py",
            nodes=(
                NodeStatus(name="camera", replicas=(running,), params=camera),
                NodeStatus(name="detector", replicas=(running,), params=self.params),
                NodeStatus(name="log", replicas=(ill,)),
            ),
            links=tuple(
                LinkStatus(id=f"{a}->{b}", source=a, target=b, qos=q, transport="memory", counts=counts)  # type: ignore[arg-type]
                for a, b, q in wires
            ),
        )


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeSystem]:
    """A running system, named to the gateway as to any node's process."""
    fake = FakeSystem()
    server = ControlServer(NAME, fake.answer)
    monkeypatch.setenv(SOCKET, str(server.path))
    try:
        yield fake
    finally:
        fake.stuck.set()
        server.close()


class Gate(Bench):
    """A gateway on a bench."""

    node: Gateway

    @property
    def url(self) -> str:
        return self.node.urls[0].rstrip("/")

    @property
    def address(self) -> str:
        """Host and port."""
        return self.url.removeprefix("http://")

    def show(
        self, index: int, topic: str = "camera", *, brightness: int | None = None, side: int = 64
    ) -> None:
        """Let a picture come, grey by its index or as said."""
        grey = index % 200 if brightness is None else brightness
        picture = np.full((side * 3 // 4, side, 3), grey, np.uint8)
        self.give(picture, f"{topic}->gateway", index=index)

    def see(self, index: int, topic: str = "detector", **more: Any) -> None:
        """Let detections of the picture come."""
        self.give(seen(), f"{topic}->gateway", index=index, through=("camera", topic), **more)


def seen() -> FrameDetections:
    """Return two objects in a picture of 64 × 48."""
    found = Detections(
        np.array([[0, 0, 32, 24], [16, 12, 64, 48]], np.float32),
        np.array([0.9, 0.5], np.float32),
        np.array([0, 1], np.int32),
        ("person", "car"),
        track_id=np.array([7, 0], np.int64),
    )
    return FrameDetections.of(found, 64, 48)


@pytest.fixture
def gates() -> Iterator[Callable[..., Gate]]:
    """Make gateways that are gone afterwards."""
    with ExitStack() as stack:

        def make(**params: Any) -> Gate:
            bench = Gate(Gateway(), **{"port": 0, "fps": None, **params})

            def end() -> None:
                bench.stop()
                bench.node.teardown()

            stack.callback(end)
            bench.node.setup()
            return bench

        yield make


@pytest.fixture
def gate(gates: Callable[..., Gate], system: FakeSystem) -> Gate:
    """A gateway of a running system."""
    return gates()
