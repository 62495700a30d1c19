"""A system that answers as one that runs would, with figures that a test chooses."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from argus.flow.channels.protocol import LinkCounts
from argus.flow.control import ControlServer, RequestRefused
from argus.flow.status import LinkStatus, NodeStatus, ReplicaStatus, SystemStatus


def status(name: str = "my-robot", **changes: Any) -> SystemStatus:
    """Return the status of a system with a camera, two detectors of which one is down, and a logger."""
    values: dict[str, Any] = {
        "name": name,
        "pid": 4711,
        "started_at": "2026-03-01T10:15:00+00:00",
        "script": "/robot/main.py",
        "urls": ("http://127.0.0.1:8080",),
        "nodes": (
            NodeStatus(
                name="camera", replicas=(replica(0, "running", rate=29.97, loop_p50_ms=1.5, loop_p99_ms=3.0),)
            ),
            NodeStatus(
                name="yolo",
                replicas=(
                    replica(0, "running", rate=14.2, age_p50_ms=41.0, age_p99_ms=88.4, cpu=0.83, failed=3),
                    replica(1, "backing-off", restarts=4, reason="killed by SIGSEGV"),
                ),
                params={"confidence": 0.25},
            ),
            NodeStatus(name="logger", replicas=(replica(0, "waiting", reason="Redis does not answer"),)),
        ),
        "links": (
            link(
                "camera->yolo",
                "realtime",
                LinkCounts(sent=300, delivered=140, dropped={"newer": 159}, pending=1),
            ),
            link("camera->logger", "durable", LinkCounts(sent=300, delivered=290, pending=5, redelivered=2)),
        ),
    }
    return SystemStatus(**{**values, **changes})


def replica(number: int, state: Any, **figures: Any) -> ReplicaStatus:
    """Return the status of one process."""
    return ReplicaStatus(replica=number, state=state, memory_mb=123.4, **figures)


def link(id_: str, qos: Any, counts: LinkCounts) -> LinkStatus:
    """Return the status of a link."""
    source, _, target = id_.partition("->")
    return LinkStatus(id=id_, source=source, target=target, qos=qos, transport="shared memory", counts=counts)


class FakeSystem:
    """Answers what `argus flow` asks; remembers what it was told."""

    def __init__(self, shown: SystemStatus) -> None:
        self.shown = shown
        self.told: list[dict[str, Any]] = []
        self.server = ControlServer(shown.name, self._answer)

    def _answer(self, request: dict[str, Any]) -> Any:
        if request["op"] == "status":
            return msgspec.to_builtins(self.shown)
        if request["op"] in {"dead", "gone"}:
            return [] if request["op"] == "dead" else 0
        self.told.append(request)
        if request["op"] == "set":
            if request["node"] != "yolo":
                raise RequestRefused(f"there is no node {request['node']!r}: there is camera, yolo, logger")
            return {"params": {"confidence": 0.25, **request["params"]}, "waiting": []}
        if request["op"] == "replay":
            return len(request["ids"])
        if request["op"] == "stop":
            self.server.path.unlink()
        return None


@contextmanager
def fake_system(name: str = "my-robot", **changes: Any) -> Iterator[FakeSystem]:
    """Let such a system run for a while."""
    system = FakeSystem(status(name, **changes))
    try:
        yield system
    finally:
        system.server.close()
