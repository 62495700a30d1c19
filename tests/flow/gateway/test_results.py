"""Results over WebSockets: what is said of each message, and that who is slow gets the newest."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.sync.client import ClientConnection, connect

from argus.core.detections import Detections
from tests.flow.gateway.conftest import FakeSystem, Gate
from tests.sources.settling import comes_true


def opened(gate: Gate, path: str, *, max_queue: int = 16) -> ClientConnection:
    return connect(f"ws://{gate.address}{path}", max_queue=max_queue)


def told(socket: ClientConnection) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(socket.recv(timeout=10))
    return result


def test_detections_come_with_boxes_in_pixels_and_in_parts_of_the_picture(gate: Gate) -> None:
    gate.see(3, age_s=0.5)
    with opened(gate, "/ws/detector") as socket:
        one = told(socket)
    assert (one["topic"], one["kind"], one["source"], one["index"]) == ("detector", "detections", "camera", 3)
    assert (one["width"], one["height"], one["hops"]) == (64, 48, ["camera", "detector"])
    assert 500 <= one["age_ms"] < 5000
    person, car = one["objects"]
    assert person == {
        "class": "person",
        "confidence": 0.9,
        "xyxy": [0, 0, 32, 24],
        "track_id": 7,
        "relative": [0, 0, 0.5, 0.5],
    }
    assert (car["relative"], car["track_id"]) == ([0.25, 0.25, 1, 1], None)


def test_detections_that_do_not_say_their_size_have_that_of_their_source(gate: Gate) -> None:
    gate.show(0)
    boxes = Detections(
        np.array([[0, 0, 32, 24]], np.float32), np.ones(1, np.float32), np.zeros(1, np.int32), ("person",)
    )
    gate.give(boxes, "mine->gateway", source="camera")
    gate.give(boxes, "other->gateway", source="elsewhere")
    with opened(gate, "/ws/mine") as mine, opened(gate, "/ws/other") as other:
        assert told(mine)["objects"][0]["relative"] == [0, 0, 0.5, 0.5]
        assert "relative" not in told(other)["objects"][0]


def test_dicts_events_and_arrays_come_as_json(gate: Gate) -> None:
    value = [
        {"type": "zone.entered", "at": np.float32(1.5), "path": (1, 2), "raw": b"123", "nan": float("nan")}
    ]
    gate.give(value, "zones->gateway")
    gate.give({"heat": np.zeros((100, 100)), "few": np.arange(3)}, "heat->gateway")
    with opened(gate, "/ws/zones") as socket:
        assert told(socket)["value"] == [
            {"type": "zone.entered", "at": 1.5, "path": [1, 2], "raw": {"bytes": 3}, "nan": None}
        ]
    with opened(gate, "/ws/heat") as socket:
        assert told(socket)["value"] == {"heat": {"dtype": "float64", "shape": [100, 100]}, "few": [0, 1, 2]}


def test_all_topics_come_over_one_socket_the_newest_of_each_first(gate: Gate) -> None:
    gate.show(0)
    gate.see(0)
    with opened(gate, "/ws") as socket:
        assert {told(socket)["topic"], told(socket)["topic"]} == {"camera", "detector"}
        gate.see(1)
        assert (one := told(socket))["topic"] == "detector"
        assert one["index"] == 1


def test_a_slow_client_gets_the_newest_and_not_what_it_missed(gate: Gate) -> None:
    gate.give({"n": -1}, "log->gateway")
    with opened(gate, "/ws/log", max_queue=1) as slow, opened(gate, "/ws/log") as fast:
        assert told(slow)["value"] == {"n": -1}
        assert told(fast)["value"] == {"n": -1}
        filling = "x" * 100_000
        for number in range(300):
            gate.give({"n": number, "filling": filling}, "log->gateway", index=number)
            while told(fast)["value"]["n"] != number:
                pass
        seen: list[int] = []
        while not seen or seen[-1] != 299:
            seen.append(told(slow)["value"]["n"])
    assert seen == sorted(set(seen))
    assert len(seen) < 150


def test_an_unknown_topic_is_refused_before_the_socket_opens(gate: Gate) -> None:
    gate.see(0)
    with pytest.raises(InvalidStatus) as caught:
        opened(gate, "/ws/detektor")
    assert caught.value.response.status_code == 404
    assert b"did you mean 'detector'" in (caught.value.response.body or b"")


def test_the_end_of_the_gateway_closes_the_socket(gates: Callable[..., Gate], system: FakeSystem) -> None:
    gate = gates()
    gate.see(0)
    with opened(gate, "/ws") as socket:
        told(socket)
        gate.node.teardown()
        with pytest.raises(ConnectionClosed):
            told(socket)
        assert socket.close_code in {1001, 1012}


def test_what_a_client_says_is_passed_over(gate: Gate) -> None:
    gate.see(0)
    with opened(gate, "/ws") as socket:
        told(socket)
        socket.send("hello")
        socket.send(b"\0" * 100)
        gate.see(1)
        assert told(socket)["index"] == 1


def test_a_client_that_left_is_forgotten(gates: Callable[..., Gate]) -> None:
    gate = gates(viewers=1)
    gate.see(0)
    with opened(gate, "/ws") as socket:
        told(socket)

    def again() -> bool:
        try:
            with opened(gate, "/ws") as another:
                return bool(told(another))
        except InvalidStatus as refused:
            return refused.response.status_code != 503

    assert comes_true(again)
