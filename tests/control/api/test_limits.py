"""What is too much, too slow, too strange: each refused by name, and disturbing nobody."""

from __future__ import annotations

import asyncio
import gzip
import json
import socket
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from argus.control.api.patience import Patience
from argus.control.api.plain import parse_json
from argus.core.errors import SpecError
from tests.control.api.harness import Live, World, listening, problem

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"{", 400),
        (b"\xff\xfe{}", 400),
        (b'{"metadata": {"name": "a"}, "spec": {"url": "x", "fps": NaN}}', 400),
        (b'{"metadata": {"name": "a"}, "spec": {"url": "x", "fps": Infinity}}', 400),
        (b'{"metadata": {"name": "a"}, "spec": {"url": "x", "fps": 1e999}}', 400),
        (b'{"metadata": {"name": "a"}, "spec": {"url": "x", "fps": ' + b"9" * 5000 + b"}}", 400),
        (b'{"metadata": {"name": "a"}, "spec": {"url": "x", "fps": 9223372036854775808}}', 422),
        (b'{"metadata": {"name": "a"}, "spec": {"url": "x", "url": "y"}}', 400),
        (b'{"metadata": {"name": "a"}, "spec": {"url": "x\\u0000"}}', 422),
        (b'{"metadata": {"name": "a"}, "spec": {"url": "\\ud800"}}', 422),
        (b"[" * 100_000, 422),
        (b'{"a":' * 1000 + b"1" + b"}" * 1000, 422),
        (b"[]", 422),
        (b'"text"', 422),
        (b"null", 422),
        (b'{"metadata": {"name": "Not A Name"}, "spec": {"url": "x"}}', 422),
        (b'{"metadata": null, "spec": {"url": "x"}}', 422),
        (b'{"metadata": {"name": "a", "labels": {"x": 1}}, "spec": {"url": "x"}}', 422),
        (b'{"metadata": {"name": "a"}, "spec": []}', 422),
    ],
)
def test_a_body_that_makes_no_sense_is_refused(shared: World, body: bytes, status: int) -> None:
    problem(shared.post("/api/v1/cameras", content=body, headers=JSON), status)
    assert shared.get("/api/v1/cameras").json()["items"] == []


def test_json_that_means_one_thing_is_taken() -> None:
    value: Any = {"a": [1, -1.5, "é𝄞", None, True, {"b": {}}], "c": 2**63 - 1}
    assert parse_json(json.dumps(value).encode()) == value
    for wrong in ({"a": "\0"}, {"\0": 1}, [[[2**64]]]):
        with pytest.raises(SpecError):
            parse_json(json.dumps(wrong).encode())


def test_another_type_or_encoding_of_the_body_is_refused(world: World) -> None:
    body = b'{"metadata": {"name": "a"}, "spec": {"url": "x"}}'
    answer = world.post("/api/v1/cameras", content=body, headers={"Content-Type": "text/plain"})
    assert "application/json" in problem(answer, 415)["remedy"]
    problem(world.post("/api/v1/cameras", content=body), 415)
    zipped = {"Content-Encoding": "gzip", **JSON}
    problem(world.post("/api/v1/cameras", content=gzip.compress(body), headers=zipped), 415)
    problem(world.post("/api/v1/apply", content=gzip.compress(body), headers=zipped), 415)
    problem(
        world.request("PATCH", "/api/v1/cameras/a", content=body, headers={"Content-Type": "image/png"}), 415
    )


def test_a_body_that_is_too_large_is_refused_and_the_client_hears_it(live: Live) -> None:
    answer = httpx.post(f"{live.url}/api/v1/cameras", content=b"x" * (2 << 20), headers=JSON, trust_env=False)
    assert "1 MiB" in problem(answer, 413)["detail"]

    def portions() -> Any:
        for _ in range(40):
            yield b"x" * (1 << 20)

    answer = httpx.post(f"{live.url}/api/v1/apply", content=portions(), headers=JSON, trust_env=False)
    assert "16 MiB" in problem(answer, 413)["detail"]


def test_addresses_and_heads_have_an_end(live: Live, world: World) -> None:
    problem(world.get("/api/v1/cameras?labelSelector=" + "a" * 20_000), 414)
    problem(world.get("/healthz", headers={f"X-{n}": "1" for n in range(150)}), 431)
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\nX: " + b"a" * 100_000)
        assert _all(client).startswith(b"HTTP/1.1 400 ")


def test_what_is_no_http_is_a_problem_document_too(live: Live) -> None:
    with socket.create_connection(("127.0.0.1", live.port), timeout=5) as client:
        client.sendall(b"\x16\x03\x01 hello\r\n\r\n")
        said = _all(client)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b"application/problem+json" in said


def test_nul_in_an_address_is_refused(world: World) -> None:
    problem(world.get("/api/v1/events?camera=%00"), 400)
    problem(world.get("/api/v1/events/%00"), 400)


def test_a_head_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, patience=Patience(head_s=0.3))
    with listening(world) as live:
        began_s = time.monotonic()
        with socket.create_connection(("127.0.0.1", live.port), timeout=5) as silent:
            assert _all(silent) == b""
        with socket.create_connection(("127.0.0.1", live.port), timeout=5) as dripping:
            said = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nX-A: "
            with pytest.raises(OSError):  # noqa: PT011 - reset or broken pipe
                for byte in said + b"a" * 1000:
                    dripping.sendall(bytes([byte]))
                    time.sleep(0.01)
        assert time.monotonic() - began_s < 5
        assert httpx.get(f"{live.url}/healthz", trust_env=False).status_code == 200


def test_a_second_head_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, patience=Patience(head_s=0.3))
    with listening(world) as live, socket.create_connection(("127.0.0.1", live.port), timeout=5) as client:
        client.sendall(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n")
        said = b""
        while not said.endswith(b"ok\n"):
            said += client.recv(65536)
        client.sendall(b"GET /he")
        assert _all(client) == b""


def test_a_body_that_drips_is_not_waited_for(tmp_path: Path) -> None:
    world = World(tmp_path, patience=Patience(body_s=0.3))
    with listening(world) as live, socket.create_connection(("127.0.0.1", live.port), timeout=5) as client:
        client.sendall(
            b"POST /api/v1/cameras HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            b"Content-Length: 100\r\n\r\n{"
        )
        said = _all(client)
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b"connection: close" in said.lower()


def test_many_who_are_slow_do_not_keep_others_waiting(world: World) -> None:
    with listening(world) as live:
        slow = [socket.create_connection(("127.0.0.1", live.port), timeout=5) for _ in range(200)]
        try:
            for one in slow:
                one.sendall(b"GET /healthz HTTP/1.1\r\nHost: loc")
            took = []
            for _ in range(20):
                began_s = time.monotonic()
                assert httpx.get(f"{live.url}/healthz", trust_env=False).status_code == 200
                took.append(time.monotonic() - began_s)
        finally:
            for one in slow:
                one.close()
    assert sorted(took)[10] < 0.5


def test_a_client_that_goes_in_the_middle_of_its_body_disturbs_nobody(live: Live) -> None:
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", live.port), timeout=5) as client:
            client.sendall(
                b"POST /api/v1/apply HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                b"Content-Length: 100\r\n\r\n{"
            )
    assert httpx.get(f"{live.url}/healthz", trust_env=False).status_code == 200


def test_a_large_body_is_checked_beside_the_loop(live: Live) -> None:
    documents = [{"cameras": {f"c{n}": {"url": "rtsp://x", "fps": 5} for n in range(4000)}}]

    async def both() -> float:
        async with httpx.AsyncClient(base_url=live.url, trust_env=False, timeout=60) as client:
            large = asyncio.create_task(
                client.post("/api/v1/apply?dryRun=true", json={"documents": documents})
            )
            await asyncio.sleep(0)
            waits = []
            while not large.done():
                began_s = time.monotonic()
                await client.get("/healthz")
                waits.append(time.monotonic() - began_s)
            assert (await large).status_code == 200
            return sorted(waits)[len(waits) // 2]

    assert asyncio.run(both()) < 0.5


def test_a_small_answer_does_not_wait_for_an_acknowledgement(live: Live) -> None:
    with httpx.Client(base_url=live.url, trust_env=False) as client:
        took = []
        for _ in range(30):
            began_s = time.monotonic()
            client.get("/healthz")
            took.append(time.monotonic() - began_s)
    assert min(took) < 0.03  # of which the kernel's patience alone would be 0.04


def _all(client: socket.socket) -> bytes:
    said = b""
    try:
        while portion := client.recv(65536):
            said += portion
    except ConnectionResetError:
        pass
    return said
