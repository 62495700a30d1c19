"""Who may use a gateway: this machine's user, whoever has the key, and no page of another site."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from argus.core.errors import SpecError
from argus.flow.gateway.access import Access
from tests.flow.gateway.conftest import FakeSystem, Gate

KEY = "a long secret"


@pytest.fixture
def locked(gates: Callable[..., Gate], system: FakeSystem, monkeypatch: pytest.MonkeyPatch) -> Gate:
    """A gateway with a key."""
    monkeypatch.setenv("ARGUS_API_KEY", KEY)
    gate = gates()
    gate.show(0)
    return gate


def test_beyond_loopback_it_does_not_start_without_a_key(
    gates: Callable[..., Gate], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("ARGUS_API_KEY", raising=False)
    with pytest.raises(SpecError, match=r"set ARGUS_API_KEY to a long secret, or listen at 127\.0\.0\.1"):
        gates(host="0.0.0.0")


def test_the_key_opens_it_in_each_of_its_forms(locked: Gate) -> None:
    url = f"{locked.url}/api/topics"
    assert httpx.get(url, headers={"Authorization": f"Bearer {KEY}"}).status_code == 200
    assert httpx.get(url, headers={"X-API-Key": KEY}).status_code == 200
    assert httpx.get(url, params={"key": KEY}).status_code == 200


def test_without_the_key_nothing_is_told_but_that_it_is_well(locked: Gate) -> None:
    paths = ["/", "/dashboard", "/api/topics", "/api/status", "/stream/camera.mjpeg", "/snapshot/camera.jpg"]
    wrong = [{}, {"Authorization": "Bearer wrong"}, {"X-API-Key": ""}, {"Cookie": "argus_1=x; a=\u00e4"}]
    for path in paths:
        for headers in wrong:
            sent = [(k.encode(), v.encode()) for k, v in headers.items()]
            answer = httpx.get(locked.url + path, headers=sent)
            assert answer.status_code == 401
            assert answer.headers["www-authenticate"] == "Bearer"
            assert "ARGUS_API_KEY" in answer.json()["detail"]
    assert httpx.get(f"{locked.url}/healthz").status_code == 200


def test_a_socket_needs_the_key_too(locked: Gate) -> None:
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://{locked.address}/ws")
    assert caught.value.response.status_code == 401
    with connect(f"ws://{locked.address}/ws", additional_headers={"X-API-Key": KEY}) as socket:
        assert socket.recv(timeout=10)


def test_a_browser_that_opened_the_page_with_the_key_need_not_send_it_again(locked: Gate) -> None:
    with httpx.Client(base_url=locked.url) as browser:
        page = browser.get("/", params={"key": KEY}, follow_redirects=True)
        assert page.status_code == 200
        cookie = page.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert KEY not in cookie
        assert browser.get("/api/topics").status_code == 200
        assert browser.get("/dashboard/dashboard.js").status_code == 200


def test_a_name_that_another_site_had_point_here_is_refused(gate: Gate) -> None:
    for host in ("evil.example", "evil.example:8080", "127.0.0.1.evil.example", "10.0.0.5", ""):
        answer = httpx.get(f"{gate.url}/api/topics", headers={"Host": host})
        assert answer.status_code in {400, 403}, host
        with pytest.raises(InvalidStatus):
            connect(f"ws://{gate.address}/ws", additional_headers={"Origin": f"http://{host}"})
    for name in ("localhost", "127.0.0.1"):
        host = f"{name}:{gate.address.rpartition(':')[2]}"
        assert httpx.get(f"{gate.url}/api/topics", headers={"Host": host}).status_code == 200


def test_another_sites_page_can_neither_change_params_nor_look(gate: Gate, system: FakeSystem) -> None:
    gate.show(0)
    body = {"node": "detector", "params": {"confidence": 0.9}}
    for origin in ("http://evil.example", "http://127.0.0.1:1", "null"):
        answer = httpx.post(f"{gate.url}/api/config", json=body, headers={"Origin": origin})
        assert (answer.status_code, answer.json()["type"]) == (403, "urn:argus:problem:foreign-origin")
    picture = httpx.get(f"{gate.url}/snapshot/camera.jpg", headers={"Sec-Fetch-Site": "cross-site"})
    assert picture.status_code == 403
    assert system.params["confidence"] == 0.4
    with pytest.raises(InvalidStatus) as caught:
        connect(f"ws://{gate.address}/ws", additional_headers={"Origin": "http://evil.example"})
    assert caught.value.response.status_code == 403


def test_a_link_from_anywhere_may_lead_to_the_page(gate: Gate) -> None:
    for path in ("/", "/dashboard"):
        answer = httpx.get(gate.url + path, headers={"Sec-Fetch-Site": "cross-site"}, follow_redirects=True)
        assert answer.status_code == 200


def test_its_own_page_may_change_params(gate: Gate, system: FakeSystem) -> None:
    body = {"node": "detector", "params": {"confidence": 0.9}}
    headers = {"Origin": gate.url, "Sec-Fetch-Site": "same-origin"}
    assert httpx.post(f"{gate.url}/api/config", json=body, headers=headers).status_code == 200
    assert system.params["confidence"] == 0.9


def test_the_page_allows_itself_nothing_from_elsewhere_and_nobody_to_frame_it(gate: Gate) -> None:
    answer = httpx.get(f"{gate.url}/dashboard")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert "http://" not in answer.text.replace("http://www.w3.org", "")


def test_beyond_loopback_addresses_and_the_machines_name_are_known_and_need_the_key() -> None:
    access = Access("0.0.0.0", 8080, KEY)
    asked = {"x-api-key": KEY}
    assert access.refusal("/", "", {"host": "10.0.0.5:8080", **asked}) is None
    refusal = access.refusal("/", "", {"host": "evil.example", **asked})
    assert refusal is not None
    assert refusal.name == "foreign-host"
    refusal = access.refusal("/", "", {"host": "10.0.0.5:8080"})
    assert refusal is not None
    assert refusal.status == 401
