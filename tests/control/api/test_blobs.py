"""Blobs over HTTP."""

from __future__ import annotations

import socket

import httpx
import pytest

from argus.control.api.ranges import Unsatisfiable, asked_range
from tests.control.api.harness import Live, World, problem

KEY = "snapshots/gate/a.jpg"
DATA = bytes(range(256)) * 4


@pytest.fixture
def kept(shared: World) -> World:
    shared.blobs.put(KEY, DATA)
    return shared


def test_a_blob_is_told_whole_with_type_and_tag(kept: World) -> None:
    answer = kept.get(f"/api/v1/blobs/{KEY}")
    assert answer.content == DATA
    assert answer.headers["content-type"] == "image/jpeg"
    assert answer.headers["content-length"] == "1024"
    assert answer.headers["content-disposition"] == 'inline; filename="a.jpg"'
    assert answer.headers["x-content-type-options"] == "nosniff"
    head = kept.request("HEAD", f"/api/v1/blobs/{KEY}")
    assert (head.content, head.headers["etag"]) == (b"", answer.headers["etag"])
    assert head.headers["content-length"] == "1024"


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=1000-", (1000, 1024)),
        ("bytes=-5", (1019, 1024)),
        ("bytes=0-99999", (0, 1024)),
        ("bytes=-99999", (0, 1024)),
        ("bytes=5-3", None),
        ("bytes=0-1,4-5", None),
        ("lines=0-1", None),
        ("bytes=-", None),
        ("bytes=x-y", None),
    ],
)
def test_a_range_is_served_and_a_strange_one_gives_all(
    kept: World, asked: str, expected: tuple[int, int] | None
) -> None:
    answer = kept.get(f"/api/v1/blobs/{KEY}", headers={"Range": asked})
    if expected is None:
        assert (answer.status_code, answer.content) == (200, DATA)
    else:
        assert (answer.status_code, answer.content) == (206, DATA[slice(*expected)])
        assert answer.headers["content-range"] == f"bytes {expected[0]}-{expected[1] - 1}/1024"


def test_bytes_that_are_not_there_are_a_416(kept: World) -> None:
    for asked in ("bytes=1024-", "bytes=2000-3000", "bytes=-0"):
        answer = kept.get(f"/api/v1/blobs/{KEY}", headers={"Range": asked})
        problem(answer, 416)
        assert answer.headers["content-range"] == "bytes */1024"
    with pytest.raises(Unsatisfiable):
        asked_range("bytes=0-0", 0)


def test_a_part_of_what_was_replaced_is_not_given(kept: World) -> None:
    headers = {"Range": "bytes=0-9", "If-Range": '"of-another-time"'}
    assert kept.get(f"/api/v1/blobs/{KEY}", headers=headers).status_code == 200
    tag = kept.get(f"/api/v1/blobs/{KEY}").headers["etag"]
    assert kept.get(f"/api/v1/blobs/{KEY}", headers={**headers, "If-Range": tag}).status_code == 206
    assert kept.get(f"/api/v1/blobs/{KEY}", headers={"If-None-Match": tag}).status_code == 304
    kept.blobs.put(KEY, b"new")
    assert kept.get(f"/api/v1/blobs/{KEY}", headers={"If-None-Match": tag}).content == b"new"


def test_what_could_hold_a_script_is_handed_over_as_a_file(world: World) -> None:
    for name in ("report.html", "x.svg", "y.unknown", "z.json"):
        world.blobs.put(f"reports/{name}", b"<script>")
        headers = world.get(f"/api/v1/blobs/reports/{name}").headers
        assert headers["content-disposition"].startswith("attachment")
        assert "sandbox" in headers["content-security-policy"]


@pytest.mark.parametrize(
    "path",
    [
        "../resources.db", "..%2fresources.db", "%2e%2e/resources.db", "a/../../x", "a/..%2f..%2fx",
        "/etc/passwd", "a%5c..%5cx", ".unfinished/x", "a//b", "a/", "%00", "a%00b", "A/B", "a b", "%ff", "é",
        "a" * 900, "~root", ".", "..", "a/./b", "con:aux",
    ],
)  # fmt: skip
def test_a_key_that_leads_anywhere_else_is_refused(shared_live: Live, path: str) -> None:
    (shared_live.world.home / "resources.db").write_text("secret")
    with socket.create_connection(("127.0.0.1", shared_live.port), timeout=5) as client:
        # By hand: clients would put the path right before they send it.
        head = f"GET /api/v1/blobs/{path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        client.sendall(head.encode("utf-8"))
        said = b""
        while portion := client.recv(65536):
            said += portion
    assert said.split(b" ")[1] in {b"400", b"404", b"422"}, said
    assert b"secret" not in said
    assert b"application/problem+json" in said


def test_a_deleted_blob_is_gone(kept: World) -> None:
    assert kept.request("DELETE", f"/api/v1/blobs/{KEY}").status_code == 204
    problem(kept.request("DELETE", f"/api/v1/blobs/{KEY}"), 404)
    problem(kept.get(f"/api/v1/blobs/{KEY}"), 404)


def test_a_large_blob_comes_in_constant_memory_and_a_client_may_go(live: Live) -> None:
    live.world.blobs.put("clips/big.mp4", (b"x" * (1 << 20) for _ in range(64)))
    url = f"{live.url}/api/v1/blobs/clips/big.mp4"
    with httpx.stream("GET", url, trust_env=False) as answer:
        assert answer.headers["content-type"] == "video/mp4"
        next(answer.iter_raw())
    size = 0
    with httpx.stream("GET", url, trust_env=False) as answer:
        for portion in answer.iter_raw():
            size += len(portion)
    assert size == 64 << 20
