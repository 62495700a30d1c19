"""Who may ask the API."""

from __future__ import annotations

import hmac
from pathlib import Path

import pytest

from argus.control.api.access import Access
from argus.core.errors import SpecError
from argus.core.logging import configure_logging
from argus.core.net_access import fits_key, is_foreign, is_loopback, knows_host
from tests.control.api.harness import World, event, problem

KEY = "correct-horse-battery-staple"


@pytest.fixture
def locked(tmp_path: Path) -> World:
    return World(tmp_path, key=KEY, host="0.0.0.0")


def test_without_a_key_it_cannot_be_made_for_others() -> None:
    for host in ("0.0.0.0", "::", "192.168.1.5", "camera-box"):
        with pytest.raises(SpecError, match="ARGUS_API_KEY"):
            Access(host, 7070, None)
        Access(host, 7070, KEY)
    for host in ("127.0.0.1", "localhost", "::1", "127.0.0.9"):
        Access(host, 7070, None)


def test_with_a_key_every_request_needs_it(locked: World) -> None:
    answer = locked.get("/api/v1/cameras")
    assert "Authorization: Bearer" in problem(answer, 401)["remedy"]
    assert answer.headers["www-authenticate"] == "Bearer"
    problem(locked.get("/api/v1/cameras", headers={"Authorization": "Bearer wrong"}), 401)
    problem(locked.get("/api/v1/cameras", headers={"Authorization": f"Basic {KEY}"}), 401)
    problem(locked.get("/metrics"), 401)
    problem(locked.get("/docs"), 401)
    problem(locked.get("/api/v1/nothing"), 401)
    assert locked.get("/api/v1/cameras", headers={"Authorization": f"Bearer {KEY}"}).status_code == 200


def test_whether_the_server_lives_is_told_to_everybody(locked: World) -> None:
    assert locked.get("/healthz").text == "ok\n"


def test_the_key_may_stand_in_an_address_only_for_what_browsers_show(locked: World) -> None:
    for path in ("/api/v1/cameras/gate/snapshot.jpg", "/api/v1/blobs/snapshots/a.jpg", "/docs"):
        assert locked.get(f"{path}?key={KEY}").status_code != 401
        assert locked.get(f"{path}?key=wrong").status_code == 401
    for path in ("/api/v1/cameras", "/api/v1/status", "/api/v1/cameras/gate/health"):
        assert locked.get(f"{path}?key={KEY}").status_code == 401
    assert locked.request("DELETE", f"/api/v1/blobs/snapshots/a.jpg?key={KEY}").status_code == 401
    assert locked.post(f"/api/v1/events/e:ack?key={KEY}").status_code == 401


def test_no_answer_and_no_log_tells_the_key(locked: World, capsys: pytest.CaptureFixture[str]) -> None:
    answer = locked.get(f"/api/v1/nothing/snapshot.jpg?key={KEY}", headers={"Authorization": f"Bearer {KEY}"})
    assert KEY not in answer.text
    out = capsys.readouterr()
    assert KEY not in out.out + out.err


def test_a_name_that_is_not_ours_is_refused_against_rebinding(world: World) -> None:
    for host in ("evil.example", "evil.example:7070", "127.0.0.1.evil.example"):
        problem(world.get("/healthz", headers={"Host": host}), 403)
    for host in ("127.0.0.1:7070", "localhost", "[::1]:7070", "LOCALHOST:7070"):
        assert world.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_page_of_another_site_may_ask_for_nothing(world: World) -> None:
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "http://127.0.0.1:8080"},
    ):
        problem(world.get("/api/v1/cameras", headers=headers), 403)
        problem(world.post("/api/v1/cameras", headers=headers, json={}), 403)
    assert world.get("/api/v1/cameras", headers={"Origin": "http://127.0.0.1:7070"}).status_code == 200
    assert world.get("/docs", headers={"Sec-Fetch-Site": "cross-site"}).status_code == 200
    assert world.get("/api/v1/cameras", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_browsers_are_told_to_guess_no_types_and_to_frame_nothing(world: World) -> None:
    for path in ("/healthz", "/api/v1/nothing", "/docs"):
        headers = world.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert headers["referrer-policy"] == "no-referrer"


def test_every_key_is_compared_whole_and_in_constant_time_whichever_is_right(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    key = "k" * 64
    compared: list[tuple[bytes, bytes]] = []
    real = hmac.compare_digest

    def compare_digest(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return real(one, other)

    monkeypatch.setattr("argus.core.net_access.hmac.compare_digest", compare_digest)
    given = [key, "x" + key[1:], key[:-1] + "x", ""]
    for texts, fits in ((given, True), (given[1:], False), ([*given[1:], key], True)):
        compared.clear()
        assert fits_key(texts, key) is fits
        assert compared == [(text.encode(), key.encode()) for text in texts]
    assert fits_key(["wrong", key], key)
    assert not fits_key([], key)
    assert not fits_key(["ké\udce9"], key)


def test_what_is_loopback_and_what_is_foreign() -> None:
    assert [is_loopback(h) for h in ("127.0.0.1", "[::1]", "LocalHost", "10.0.0.1", "example.org")] == [
        True, True, True, False, False,
    ]  # fmt: skip
    assert knows_host("10.0.0.5:7070", "0.0.0.0")
    assert not knows_host("10.0.0.5:7070", "127.0.0.1")
    assert not knows_host(None, "127.0.0.1")
    assert is_foreign("a:1", "http://b:1", None)
    assert not is_foreign("a:1", "http://A:1", None)
    assert not is_foreign("a", None, "none")


def test_a_watch_may_bring_its_key_in_the_address(locked: World) -> None:
    refusal = Access("0.0.0.0", 1, KEY).refusal
    host = {"host": "10.0.0.5"}
    assert refusal("GET", "/api/v1/cameras", f"watch=true&key={KEY}", host) is None
    assert refusal("GET", "/api/v1/events/stream", f"key={KEY}", host) is None
    assert refusal("GET", "/api/v1/cameras", f"watch=false&key={KEY}", host) is not None


def test_a_defect_is_told_without_its_traceback_and_logged_with_it(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async def broken(id_: str) -> object:
        raise ZeroDivisionError("the inner secret")

    monkeypatch.setattr(world.results, "event", broken)
    configure_logging("error")
    body = problem(world.get(f"/api/v1/events/{event('e').id}"), 500)
    assert "secret" not in str(body)
    out = capsys.readouterr()
    assert "the inner secret" in out.out + out.err
