"""The page: what it serves, to whom, and that nobody who looks disturbs who publishes."""

from __future__ import annotations

import json
import re
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest

from argus.core.errors import SpecError
from argus.core.net_access import is_loopback, knows_host
from argus.vision.grid import GridPage, grid_status
from argus.vision.grid.access import is_foreign, token_fits, token_given
from argus.vision.grid.page import STREAMS
from argus.vision.sources.multipart import MultipartParser
from tests.grid.scene import well
from tests.sources.settling import comes_true, descriptors_and_threads

STATUS = grid_status([well("gate"), well("yard", state="frozen")])


@pytest.fixture
def others() -> int:
    """Threads that are there without a page."""
    return threading.active_count()


@pytest.fixture
def page(others: int) -> Iterator[GridPage]:
    with GridPage() as served:
        yield served


def get(page: GridPage, path: str, **headers: str) -> httpx.Response:
    return httpx.get(page.url + path, headers=headers, trust_env=False, verify=False, timeout=10)


def address(page: GridPage) -> tuple[str, int]:
    url = httpx.URL(page.url)
    return url.host, url.port or 80


def start_watching(page: GridPage, *, buffer: int | None = None) -> socket.socket:
    """Ask for the stream of pictures, and leave what comes in the socket."""
    client = socket.socket()
    if buffer is not None:
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, buffer)
    client.settimeout(10)
    client.connect(address(page))
    client.sendall(b"GET /grid.mjpg HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return client


def test_the_page_needs_nothing_from_elsewhere_and_lets_no_other_script_run(page: GridPage) -> None:
    answer = get(page, "")
    assert answer.status_code == 200
    assert "<title>Argus</title>" in answer.text
    assert re.findall(r"(?:src|href)=\"(?!data:|/)", answer.text) == []
    policy = answer.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy


@pytest.mark.parametrize("path", ["", "status.json", "grid.jpg", "nothing"])
def test_every_answer_is_kept_by_nobody_and_guessed_at_by_nobody(page: GridPage, path: str) -> None:
    page.publish(b"picture", STATUS)
    headers = get(page, path).headers
    assert headers["cache-control"] == "no-store"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert "frame-ancestors 'none'" in headers["content-security-policy"]


def test_the_status_is_the_one_published_last(page: GridPage) -> None:
    assert get(page, "status.json").json() == {"cameras": []}
    page.publish(None, STATUS)
    assert get(page, "status.json").json() == STATUS


def test_a_status_that_json_cannot_say_is_told_to_who_publishes_it(page: GridPage) -> None:
    with pytest.raises(ValueError, match="JSON"):
        page.publish(None, {"cameras": [float("nan")]})


def test_no_picture_is_made_while_nobody_looks(page: GridPage) -> None:
    made: list[int] = []

    def picture() -> bytes:
        made.append(1)
        return b"picture"

    page.publish(picture, STATUS)
    assert not page.wanted
    assert made == []


def test_who_asks_for_a_picture_gets_one_made_for_him(page: GridPage) -> None:
    done = threading.Event()

    def publish() -> None:
        while not done.wait(0.01):
            page.publish(lambda: b"fresh", STATUS)

    publisher = threading.Thread(target=publish)
    publisher.start()
    try:
        answer = get(page, "grid.jpg")
    finally:
        done.set()
        publisher.join()
    assert (answer.content, answer.headers["content-type"]) == (b"fresh", "image/jpeg")


def test_without_any_picture_it_says_so(page: GridPage) -> None:
    answer = get(page, "grid.jpg")
    assert answer.status_code == 503
    assert "no picture yet" in answer.text


def test_a_stream_gives_every_new_picture_whole(page: GridPage) -> None:
    parser, got = MultipartParser("argus-picture"), []
    with httpx.stream("GET", page.url + "grid.mjpg", trust_env=False, verify=False, timeout=10) as answer:
        assert answer.headers["content-type"] == "multipart/x-mixed-replace; boundary=argus-picture"
        assert comes_true(lambda: page.wanted)
        chunks = answer.iter_raw()
        for number in range(3):
            page.publish(lambda n=number: bytes([n]) * 5000, STATUS)  # type: ignore[misc]
            parts: list[bytes] = []
            while not parts:
                parts = list(parser.feed(next(chunks)))
            got += parts
    assert got == [bytes([n]) * 5000 for n in range(3)]
    assert comes_true(lambda: not page.wanted)


def test_who_does_not_read_holds_up_nobody(page: GridPage) -> None:
    with start_watching(page, buffer=4096):
        assert comes_true(lambda: page.wanted)
        before = time.thread_time()
        for number in range(50):
            page.publish(bytes([number]) * 400_000, STATUS)
        assert time.thread_time() - before < 1.0
        assert get(page, "grid.jpg").content == bytes([49]) * 400_000


def test_who_leaves_is_forgotten(page: GridPage, others: int) -> None:
    get(page, "status.json")
    assert comes_true(lambda: threading.active_count() <= others + 1)
    before = descriptors_and_threads()
    for _ in range(3):
        clients = [start_watching(page) for _ in range(STREAMS)]
        assert all(client.recv(100).startswith(b"HTTP/1.0 200") for client in clients)
        for client in clients:
            client.close()
        assert comes_true(lambda: not page.wanted)
    assert comes_true(lambda: descriptors_and_threads() <= before)


def test_only_a_handful_may_watch(page: GridPage) -> None:
    watching = [start_watching(page) for _ in range(STREAMS)]
    try:
        assert all(client.recv(100).startswith(b"HTTP/1.0 200") for client in watching)
        answer = get(page, "grid.mjpg")
        assert answer.status_code == 503
        assert "close one" in answer.text
        assert get(page, "status.json").status_code == 200
    finally:
        for client in watching:
            client.close()
    assert comes_true(lambda: not page.wanted)
    with start_watching(page) as client:
        assert client.recv(100).startswith(b"HTTP/1.0 200")


def test_closing_ends_every_thread_and_frees_the_port() -> None:
    before = descriptors_and_threads()
    page = GridPage()
    clients = [start_watching(page), start_watching(page, buffer=4096)]
    silent = socket.create_connection(address(page))
    assert comes_true(lambda: page.wanted)
    page.publish(b"x" * 4_000_000, STATUS)
    page.close()
    page.close()
    for client in (*clients, silent):
        client.close()
    assert comes_true(lambda: descriptors_and_threads() <= before)
    with GridPage(port=address(page)[1]) as again:
        assert get(again, "status.json").status_code == 200


def test_a_taken_port_is_named_with_what_to_do(page: GridPage) -> None:
    host, port = address(page)
    with pytest.raises(SpecError, match=rf"{host}:{port}: the port is taken; use another"):
        GridPage(port=port)


@pytest.mark.parametrize(
    ("host", "port", "why"), [("127.0.0.1", 70000, "no such ports"), ("192.0.2.1", 0, "not of this machine")]
)
def test_an_impossible_address_is_named_with_what_to_do(host: str, port: int, why: str) -> None:
    with pytest.raises(SpecError, match=why):
        GridPage(host, port)


def test_another_name_than_our_own_is_refused(page: GridPage) -> None:
    for path in ("", "grid.mjpg", "grid.jpg", "status.json"):
        assert get(page, path, Host="cameras.example.org").status_code == 403
    assert get(page, "status.json", Host=f"localhost:{address(page)[1]}").status_code == 200


def test_another_site_gets_no_part_of_the_page(page: GridPage) -> None:
    assert get(page, "status.json", **{"Sec-Fetch-Site": "cross-site"}).status_code == 403
    assert get(page, "", **{"Sec-Fetch-Site": "cross-site"}).status_code == 200


def test_nonsense_is_refused_and_not_written_to_the_terminal(
    page: GridPage, capfd: pytest.CaptureFixture[str]
) -> None:
    for said in (
        b"\x16\x03\x01\x02\x00\r\n\r\n",
        b"GET\r\n\r\n",
        b"BREW / HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        with socket.create_connection(address(page), timeout=10) as client:
            client.sendall(said)
            client.shutdown(socket.SHUT_WR)
            while client.recv(4096):
                pass
    assert get(page, "status.json").status_code == 200
    assert httpx.head(page.url, trust_env=False, verify=False).text == ""
    assert capfd.readouterr() == ("", "")


def test_beyond_loopback_only_the_address_with_its_token_opens_the_page() -> None:
    with GridPage("0.0.0.0") as page:
        url = httpx.URL(page.url).copy_with(host="127.0.0.1")
        page.publish(b"picture", STATUS)
        bare = url.copy_with(query=None)
        with httpx.Client(trust_env=False, verify=False) as stranger:
            assert stranger.get(bare).status_code == 403
            assert stranger.get(bare.join("/grid.jpg")).status_code == 403
            assert stranger.get(bare.join("/status.json?token=guessed")).status_code == 403
        with httpx.Client(trust_env=False, verify=False, follow_redirects=True) as friend:
            opened = friend.get(url)
            assert opened.status_code == 200
            assert opened.url == bare
            assert friend.get(bare.join("/status.json")).json() == STATUS
        assert (
            httpx.get(f"{bare}grid.jpg", params=url.params, trust_env=False, verify=False).content
            == b"picture"
        )


@pytest.mark.parametrize(
    ("header", "listens_at", "allowed"),
    [
        ("127.0.0.1:8080", "127.0.0.1", True),
        ("LOCALHOST", "127.0.0.1", True),
        ("[::1]:8080", "::1", True),
        ("10.0.0.5:8080", "127.0.0.1", False),
        ("evil.example", "127.0.0.1", False),
        ("localhost.evil.example", "127.0.0.1", False),
        ("", "127.0.0.1", False),
        (None, "127.0.0.1", False),
        ("10.0.0.5:8080", "0.0.0.0", True),
        ("[fe80::1]:80", "::", True),
        ("evil.example", "0.0.0.0", False),
        ("nvr.lan:80", "nvr.lan", True),
    ],
)
def test_only_names_of_this_machine_are_allowed(header: str | None, listens_at: str, allowed: bool) -> None:
    assert knows_host(header, listens_at) is allowed


def test_loopback_is_what_only_this_machine_reaches() -> None:
    assert all(is_loopback(host) for host in ("127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"))
    assert not any(is_loopback(host) for host in ("0.0.0.0", "::", "10.0.0.5", "nvr.lan", ""))


def test_a_token_comes_by_address_or_by_cookie() -> None:
    assert token_given("token=abc&x=1", "argus-1=zzz", "argus-1") == "abc"
    assert token_given("", "other=1; argus-1=abc", "argus-1") == "abc"
    assert token_given("", "b[a]d=;;;", "argus-1") == ""
    assert token_given("", None, "argus-1") == ""
    assert token_fits("abc", "abc")
    assert not token_fits("größe", "abc")
    assert token_fits("", None)


def test_only_parts_of_the_page_are_kept_from_other_sites() -> None:
    assert is_foreign("cross-site", "/grid.mjpg")
    assert not is_foreign("same-origin", "/grid.mjpg")
    assert not is_foreign(None, "/grid.mjpg")


def test_what_the_page_is_sent_can_be_read_back_as_json(page: GridPage) -> None:
    odd = grid_status([well('<script>alert("x")</script>\u2028')])
    page.publish(None, odd)
    assert json.loads(get(page, "status.json").text) == odd
