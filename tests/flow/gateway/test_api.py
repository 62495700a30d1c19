"""Status, topics and params over HTTP, and what is answered where something is wrong."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Mapping
from importlib.metadata import EntryPoint
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from argus.core.errors import ArgusError, SpecError, UnknownName
from argus.flow.gateway.hub import SOCKET, Hub
from tests.flow.gateway.conftest import NAME, FakeSystem, Gate
from tests.sources.settling import comes_true


def test_the_status_is_the_systems_with_passwords_masked(gate: Gate) -> None:
    told = httpx.get(f"{gate.url}/api/status").json()
    assert told["name"] == NAME
    assert [node["name"] for node in told["nodes"]] == ["camera", "detector", "log"]
    assert told["nodes"][2]["replicas"][0]["reason"] == "disk full at nodes/log.py:7"
    assert told["links"][0]["counts"]["dropped"] == {"newer": 9}
    assert told["nodes"][0]["params"] == {"url": "rtsp://admin:***@10.0.0.5/1"}


def test_many_who_ask_for_the_status_ask_the_system_seldom(gate: Gate, system: FakeSystem) -> None:
    gate.see(0)
    for _ in range(20):
        assert httpx.get(f"{gate.url}/api/status").status_code == 200
    assert system.asked < 10


def test_topics_say_what_there_is_and_which_picture_detections_are_of(gate: Gate) -> None:
    assert httpx.get(f"{gate.url}/api/topics").json() == []
    gate.show(0)
    gate.see(0)
    gate.give({"a": 1}, "camera.mask->gateway")
    camera, mask, detector = httpx.get(f"{gate.url}/api/topics").json()
    assert (camera["topic"], camera["kind"], camera["width"], camera["height"]) == (
        "camera",
        "picture",
        64,
        48,
    )
    assert (mask["topic"], mask["kind"]) == ("camera.mask", "data")
    assert (detector["topic"], detector["over"]) == ("detector", "camera")


def test_params_are_changed_and_told_as_they_are_then(gate: Gate, system: FakeSystem) -> None:
    assert httpx.get(f"{gate.url}/api/config", params={"node": "detector"}).json() == {
        "detector": system.params
    }
    answer = httpx.post(f"{gate.url}/api/config", json={"node": "detector", "params": {"confidence": 0.7}})
    assert (answer.status_code, answer.json()["params"]["confidence"]) == (200, 0.7)
    assert system.params["confidence"] == 0.7
    assert httpx.get(f"{gate.url}/api/config").json()["detector"]["confidence"] == 0.7


def test_what_the_node_says_of_params_is_the_answer(gate: Gate) -> None:
    change = {"node": "detector", "params": {"model": "too-large"}}
    answer = httpx.post(f"{gate.url}/api/config", json=change)
    assert answer.status_code == 422
    assert "needs 40 GB of memory" in answer.json()["detail"]


def test_params_for_a_node_that_is_away_wait_for_it(gate: Gate) -> None:
    answer = httpx.post(f"{gate.url}/api/config", json={"node": "log", "params": {"every": 3}})
    assert answer.status_code == 202
    assert answer.json() == {"node": "log", "params": {"every": 3}, "waiting": ["log"]}


def test_params_that_are_not_valid_name_the_field_and_change_nothing(gate: Gate, system: FakeSystem) -> None:
    answer = httpx.post(f"{gate.url}/api/config", json={"node": "detector", "params": {"confidence": 7}})
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    told = answer.json()
    assert (told["type"], told["status"], told["node"]) == (
        "urn:argus:problem:params-refused",
        422,
        "detector",
    )
    assert told["errors"] == [
        {"pointer": "#/params/confidence",
         "detail": "node detector: confidence: Input should be less than or equal to 1"}
    ]  # fmt: skip
    assert system.params["confidence"] == 0.4


NONSENSE = [
    (b"{", 400, "cannot be read"),
    (b"[" * 60_000, 400, "cannot be read"),
    (b'{"node": "\xfc"}', 400, "cannot be read"),
    (b"[]", 422, '"node"'),
    (b'{"node": "detector"}', 422, "#/params"),
    (b'{"params": {"a": 1}}', 422, "#/node"),
    (b'{"node": "detector", "params": {}}', 422, "#/params"),
    (b'{"node": "detektor", "params": {"a": 1}}', 404, "did you mean 'detector'"),
    (b'{"node": "camera", "params": {"url": "rtsp://admin:***@10.0.0.5/2"}}', 422, "give it whole"),
    (b"x" * 100_000, 413, "at most"),
]


def test_a_request_that_makes_no_sense_is_told_why(gate: Gate) -> None:
    for body, status, says in NONSENSE:
        headers = {"Content-Type": "application/json"}
        answer = httpx.post(f"{gate.url}/api/config", content=body, headers=headers)
        assert answer.status_code == status, body[:60]
        assert says in answer.text.replace("\\", "")
        assert answer.json()["title"]


def test_who_leaves_in_the_middle_of_a_request_is_no_failure(gate: Gate) -> None:
    host, _, port = gate.url.removeprefix("http://").rstrip("/").partition(":")
    headers = "Host: localhost\r\nContent-Type: application/json\r\nContent-Length: 9"
    half = f"POST /api/config HTTP/1.1\r\n{headers}\r\n\r\n{{".encode()
    with capture_logs() as told:
        with socket.create_connection((host, int(port)), 5.0) as asking:
            asking.sendall(half)
            asking.shutdown(socket.SHUT_WR)
            while asking.recv(1024):
                pass
        assert httpx.get(f"{gate.url}/healthz").text == "ok\n"
    assert told == []


def test_params_come_as_json_or_not_at_all(gate: Gate) -> None:
    answer = httpx.post(f"{gate.url}/api/config", data={"node": "detector"})
    assert (answer.status_code, answer.json()["type"]) == (415, "urn:argus:problem:not-json")


def test_a_gateway_without_a_system_shows_pictures_all_the_same(
    gates: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(SOCKET, raising=False)
    gate = gates()
    gate.show(0)
    answer = httpx.get(f"{gate.url}/api/status")
    assert answer.status_code == 503
    assert "argus flow run" in answer.json()["detail"]
    assert httpx.get(f"{gate.url}/snapshot/camera.jpg").status_code == 200


def test_a_system_that_does_not_answer_holds_up_neither_pictures_nor_the_end(
    gates: Callable[..., Gate], system: FakeSystem
) -> None:
    gate = gates()
    gate.show(0)
    system.stuck.clear()

    def ask() -> None:
        with contextlib.suppress(httpx.HTTPError):
            httpx.get(f"{url}/api/status", timeout=30)

    url = gate.url
    asking = threading.Thread(target=ask)
    asking.start()
    assert comes_true(lambda: any(t.name == "argus-gateway-asking" for t in threading.enumerate()))
    assert httpx.get(f"{gate.url}/snapshot/camera.jpg").status_code == 200
    gate.node.teardown()
    assert not any(t.name == "argus-gateway" for t in threading.enumerate())
    system.stuck.set()
    asking.join(10)
    assert not asking.is_alive()


def test_it_is_well_as_long_as_it_answers(gate: Gate) -> None:
    assert httpx.get(f"{gate.url}/healthz").text == "ok\n"


def test_what_is_not_there_says_what_is(gate: Gate) -> None:
    answer = httpx.get(f"{gate.url}/nothing")
    assert answer.status_code == 404
    assert "/api/topics" in answer.json()["detail"]
    assert httpx.delete(f"{gate.url}/api/topics").json()["status"] == 405
    assert httpx.get(f"{gate.url}/dashboard/../../access.py").status_code == 404


def test_a_port_that_is_taken_is_named_with_the_remedy(gates: Callable[..., Gate]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(SpecError, match=rf"127\.0\.0\.1:{port}: another program has this port"):
            gates(port=port)


def test_an_address_of_another_machine_is_refused(
    gates: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ARGUS_API_KEY", "long secret")
    with pytest.raises(SpecError, match="no address of this machine"):
        gates(host="192.0.2.1")


def test_another_port_is_taken_while_it_runs(gate: Gate) -> None:
    gate.show(0)
    before = gate.url
    gate.change(port=0, viewers=3)
    assert gate.url != before
    assert httpx.get(f"{gate.url}/healthz").status_code == 200
    with pytest.raises(httpx.ConnectError):
        httpx.get(f"{before}/healthz")


def test_a_port_that_cannot_be_had_leaves_it_where_it_was(gate: Gate) -> None:
    port = int(gate.address.rpartition(":")[2])
    gate.change(port=port)
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        with pytest.raises(ArgusError, match="listen"):
            gate.change(port=other.getsockname()[1])
    assert gate.node.params.port == port
    assert httpx.get(f"{gate.url}/healthz").status_code == 200


class Lamp:
    """An interface of another package."""

    started: list[tuple[Hub, dict[str, Any]]] = []  # noqa: RUF012 - the class is all that is found
    url = "lamp://here"

    def start(self, hub: Hub, options: Mapping[str, Any]) -> None:
        self.started.append((hub, dict(options)))

    def stop(self) -> None:
        self.started.clear()


def test_other_interfaces_are_found_as_plug_ins(
    gates: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    entry = EntryPoint("lamp", f"{__name__}:Lamp", "argus.gateways")
    monkeypatch.setattr(
        "argus.core.plugins.entry_points", lambda *, group: [entry] if group == "argus.gateways" else []
    )
    gate = gates(interfaces=["web", "lamp"], options={"lamp": {"color": "red"}})
    [(hub, options)] = Lamp.started
    assert hub is gate.node.hub
    assert options == {"color": "red"}
    assert gate.node.urls[1] == "lamp://here"
    gate.node.teardown()
    assert Lamp.started == []
    with pytest.raises(UnknownName, match="known: lamp, rtsp, web"):
        gates(interfaces="lump")
