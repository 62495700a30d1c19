"""What the server fetches for a user comes from where it may, in time and in bounds."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import ipaddress
import ssl
import threading
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from argus.core.errors import ArgusError, SpecError
from argus.core.outbound import (
    CAMERAS,
    BlockingGuardedTransport,
    Fetched,
    OutboundFailed,
    OutboundRefused,
    Policy,
    check_address,
    checked_address,
    fetch,
    fetch_blocking,
    opened,
)
from argus.core.outbound_addresses import kind_of
from tests.certificates import self_signed

Answering = Callable[[BaseHTTPRequestHandler], None]
HERE = Policy(allow=("127.0.0.1/32",), connect_s=5.0)


class Web:
    """A real server on the loopback, and all requests that reached it."""

    def __init__(self, certificate: Path | None = None) -> None:
        self.pages: dict[str, Answering] = {}
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        """Method, path and headers."""
        self.over = threading.Event()
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base's
                """Keep the terminal quiet."""

            def do_GET(self) -> None:
                headers = {name.lower(): value for name, value in self.headers.items()}
                web.asked.append((self.command, self.path, headers))
                with contextlib.suppress(ConnectionError):
                    web.pages.get(self.path, missing)(self)
                self.close_connection = True

            do_HEAD = do_GET  # noqa: N815 - the name is the base's

        class Server(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request: Any, client_address: Any) -> None:
                """Keep the terminal quiet: clients that hang up are what is tested."""

        self.server = Server(("127.0.0.1", 0), Handler)
        if certificate is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(certificate)
            self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True)
        self.thread.start()

    def url(self, path: str, *, host: str = "127.0.0.1", scheme: str = "http", user: str = "") -> str:
        return f"{scheme}://{user}{host}:{self.port}{path}"

    def close(self) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


def page(content: bytes, *, status: int = 200, **headers: str) -> Answering:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        if "Content_Length" not in headers:
            handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        if handler.command == "GET":
            handler.wfile.write(content)

    return answer


def leads_to(location: str, status: int = 302) -> Answering:
    return page(b"", status=status, Location=location)


missing = page(b"nothing here", status=404)


@pytest.fixture
def web() -> Iterator[Web]:
    server = Web()
    yield server
    server.close()


def get(url: str, policy: Policy = HERE, **options: Any) -> Fetched:
    return asyncio.run(fetch(url, policy=policy, **options))


def names(**addresses: Sequence[str]) -> tuple[Callable[[str, int], Sequence[str]], list[str]]:
    """Return a name server that gives the addresses of a name one after the other, and whom it was asked for.

    The name `a.test` is written `a_test`.
    """
    asked: list[str] = []

    def resolve(host: str, port: int) -> Sequence[str]:
        asked.append(host)
        known = addresses.get(host.replace(".", "_"))
        if known is None:
            raise OSError("Name or service not known")
        return known[min(asked.count(host), len(known)) - 1].split()

    return resolve, asked


# --- what is fetched


def test_what_is_allowed_is_fetched(web: Web) -> None:
    web.pages["/a.jpg"] = page(b"picture", Content_Type="image/jpeg")
    answer = get(web.url("/a.jpg"))
    assert (answer.status, answer.content) == (200, b"picture")
    assert answer.headers["content-type"] == "image/jpeg"
    assert fetch_blocking(web.url("/a.jpg"), policy=HERE).content == b"picture"


def test_any_status_is_an_answer(web: Web) -> None:
    assert get(web.url("/none")).status == 404


def test_only_the_head_is_asked_for_where_that_is_enough(web: Web) -> None:
    web.pages["/a"] = page(b"x" * 100)
    answer = get(web.url("/a"), replace(HERE, most_bytes=10), method="HEAD")
    assert (answer.status, answer.content, answer.headers["content-length"]) == (200, b"", "100")
    assert web.asked[0][0] == "HEAD"


def test_a_long_answer_comes_in_portions(web: Web) -> None:
    web.pages["/a"] = page(bytes(5_000_000))

    async def work() -> list[int]:
        async with opened(web.url("/a"), policy=HERE) as answer:
            return [len(chunk) async for chunk in answer.chunks()]

    sizes = asyncio.run(work())
    assert sum(sizes) == 5_000_000
    assert max(sizes) <= 1 << 17


def test_proxies_of_the_environment_are_not_used(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    assert get(web.url("/none")).status == 404


# --- which addresses


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("93.184.216.34", None),
        ("2606:2800:220:1::1", None),
        ("64:ff9b::5db8:d822", None),
        ("127.0.0.1", "this machine"),
        ("127.255.255.254", "this machine"),
        ("::1", "this machine"),
        ("::ffff:127.0.0.1", "this machine"),
        ("::127.0.0.1", "this machine"),
        ("64:ff9b::7f00:1", "this machine"),
        ("10.0.0.5", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.1", None),
        ("192.168.1.1", "private"),
        ("100.64.0.1", "private"),
        ("100.127.255.255", "private"),
        ("100.128.0.1", None),
        ("fc00::1", "private"),
        ("fdff::1", "private"),
        ("fec0::1", "private"),
        ("::ffff:192.168.0.1", "private"),
        ("64:ff9b::a00:5", "private"),
        ("64:ff9b:1::a00:5", "private"),
        ("169.254.0.1", "link-local"),
        ("fe80::1", "link-local"),
        ("169.254.169.254", "metadata"),
        ("::ffff:169.254.169.254", "metadata"),
        ("64:ff9b::a9fe:a9fe", "metadata"),
        ("100.100.100.200", "metadata"),
        ("168.63.129.16", "metadata"),
        ("fd00:ec2::254", "metadata"),
        ("224.0.0.1", "multicast"),
        ("239.255.255.250", "multicast"),
        ("ff02::1", "multicast"),
        ("0.0.0.0", "reserved"),
        ("0.1.2.3", "reserved"),
        ("::", "reserved"),
        ("192.0.2.1", "reserved"),
        ("198.18.0.1", "reserved"),
        ("240.0.0.1", "reserved"),
        ("255.255.255.255", "reserved"),
        ("2001:db8::1", "reserved"),
        ("2002:7f00:1::", "reserved"),
        ("2001:0:7f00:1::", "reserved"),
        ("100::1", "reserved"),
        ("4000::1", "reserved"),
    ],
)
def test_every_kind_of_address_is_known(text: str, kind: str | None) -> None:
    assert kind_of(ipaddress.ip_address(text)) == kind


INSIDE = [
    "http://127.0.0.1/",
    "http://localhost/",
    "http://LOCALHOST/",
    "http://127.1/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://[::1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://0.0.0.0/",
    "http://10.0.0.5:8080/",
    "http://192.168.0.1/",
    "http://169.254.169.254/latest/meta-data/",
    "http://[fd00:ec2::254]/",
    "http://[fe80::1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://224.0.0.1/",
    "http://user:pw@127.0.0.1/",
    "https://127.0.0.1/",
]


@pytest.mark.parametrize("url", INSIDE)
def test_no_address_leads_inside(url: str) -> None:
    with pytest.raises(OutboundRefused, match="it leads to"):
        get(url, Policy())


@pytest.mark.parametrize(
    "url",
    ["file:///etc/passwd", "gopher://h/", "ftp://h/", "rtsp://93.184.216.34/", "data:,x", "", "//h/", "h"],
)
def test_other_schemes_are_refused(url: str) -> None:
    with pytest.raises(OutboundRefused, match="only http://, https:// can be fetched from"):
        get(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http:///x",
        "http://good.test\\@127.0.0.1/",
        "http://127.0.0.1 /",
        "http://127.0.0.1\n/",
        "http://127.0.0.1\t.good.test/",
        "http://127%2e0.0.1/",
        "http://h:0/",
        "http://h:99999/",
        "http://h:-1/",
        "http://h:x/",
        "http://[::1/",
        "http://[::1%25lo]/",
        "http://①②⑦.0.0.1/",
        "http://0177.0.0.1/",
        "http://h/" + "x" * 9000,
    ],
    ids=lambda url: ascii(url[:40]),
)
def test_what_is_no_address_is_said(url: str) -> None:
    with pytest.raises(SpecError, match="this is no address"):
        get(url)


def test_one_private_address_among_public_ones_is_enough_to_refuse(web: Web) -> None:
    resolve, _ = names(mixed_test=["93.184.216.34 10.0.0.5 2606:2800:220:1::1"])
    with pytest.raises(OutboundRefused, match="it leads to a private address") as caught:
        get("http://mixed.test/", Policy(resolve=resolve))
    assert "10.0.0.5" not in str(caught.value)


def test_what_a_resolver_says_that_is_no_address_is_refused() -> None:
    resolve, _ = names(odd_test=["not-an-address"])
    with pytest.raises(OutboundRefused, match="no usual address"):
        get("http://odd.test/", Policy(resolve=resolve))


def test_an_unknown_host_and_one_without_addresses_are_said() -> None:
    resolve, _ = names(empty_test=[""])
    for host in ("none.test", "empty.test"):
        with pytest.raises(OutboundFailed, match=f"nobody knows the host '{host}'"):
            get(f"http://{host}/", Policy(resolve=resolve))


def test_a_name_server_that_answers_differently_the_second_time_changes_nothing(web: Web) -> None:
    # The first answer is allowed and is where we go; the second would be another server of this machine.
    web.pages["/"] = page(b"the one that was checked")
    resolve, asked = names(rebind_test=["127.0.0.1", "127.0.0.2"])
    answer = get(web.url("/", host="rebind.test"), replace(HERE, resolve=resolve))
    assert answer.content == b"the one that was checked"
    assert asked == ["rebind.test"]
    assert web.asked[0][2]["host"] == f"rebind.test:{web.port}"


def test_a_name_that_leads_inside_when_it_is_asked_again_is_refused_then(web: Web) -> None:
    web.pages["/"] = leads_to("/again")
    resolve, _ = names(rebind_test=["127.0.0.1", "127.0.0.2"])
    with pytest.raises(OutboundRefused, match="it leads to this machine itself"):
        get(web.url("/", host="rebind.test"), replace(HERE, resolve=resolve))
    assert [path for _, path, _ in web.asked] == ["/"]


def test_an_address_that_does_not_answer_gives_way_to_the_next(web: Web) -> None:
    web.pages["/"] = page(b"here")
    resolve, _ = names(two_test=["127.0.0.3 127.0.0.1"])
    policy = Policy(allow=("two.test",), resolve=resolve)
    assert get(web.url("/", host="two.test"), policy).content == b"here"


def test_private_networks_can_be_allowed_and_nothing_else_with_them() -> None:
    policy = Policy(allow_private=True)
    for url in ("http://10.0.0.5/", "http://192.168.1.1/", "http://127.0.0.1/", "http://[fd12::1]/"):
        assert check_address(url, policy).addresses
    for url in ("http://169.254.169.254/", "http://0.0.0.0/", "http://224.0.0.1/", "http://[fe80::1]/"):
        with pytest.raises(OutboundRefused, match="nothing is fetched from there"):
            check_address(url, policy)


@pytest.mark.parametrize(
    ("entry", "allowed", "refused"),
    [
        ("10.2.0.0/16", "http://10.2.3.4/", "http://10.3.0.1/"),
        ("10.2.3.4", "http://10.2.3.4:99/", "http://10.2.3.5/"),
        ("10.2.3.4:8080", "http://10.2.3.4:8080/", "http://10.2.3.4/"),
        ("CAM.test", "http://cam.test/", "http://other.test/"),
        ("cam.test:80", "http://cam.test./", "http://cam.test:81/"),
        ("[::1]:80", "http://[::1]/", "http://[::1]:81/"),
        ("fd00:ec2::254", "http://[fd00:ec2::254]/", "http://[fd00:ec2::253]/"),
    ],
)
def test_hosts_ports_and_networks_can_be_allowed(entry: str, allowed: str, refused: str) -> None:
    resolve, _ = names(cam_test=["10.0.0.1"], cam_test_=["10.0.0.1"], other_test=["10.0.0.1"])
    policy = Policy(allow=(entry,), resolve=resolve)
    assert check_address(allowed, policy).addresses
    with pytest.raises(OutboundRefused):
        check_address(refused, policy)


@pytest.mark.parametrize("entry", ["", " ", "http://10.0.0.1/", " 10.0.0.1"])
def test_an_entry_that_would_allow_nothing_is_refused(entry: str) -> None:
    with pytest.raises(SpecError, match="allowed address"):
        Policy(allow=(entry,))


# --- cameras


def test_cameras_are_found_in_private_networks_and_pinned_to_what_was_checked() -> None:
    resolve, _ = names(cam_test=["192.168.1.20"])
    target = check_address("rtsp://user:secret@cam.test/stream1", replace(CAMERAS, resolve=resolve))
    assert (target.scheme, target.host, target.port) == ("rtsp", "cam.test", 554)
    assert target.pinned() == "rtsp://user:secret@192.168.1.20/stream1"
    assert target.shown == "rtsp://user:***@cam.test/stream1"
    assert "secret" not in repr(target)


def test_cameras_are_not_found_where_clouds_keep_credentials() -> None:
    with pytest.raises(OutboundRefused, match="a cloud's own service"):
        check_address("rtsp://169.254.169.254/", CAMERAS)


def test_a_name_server_that_does_not_answer_is_not_waited_for() -> None:
    over = threading.Event()

    def silent(host: str, port: int) -> Sequence[str]:
        over.wait(10)
        return ["127.0.0.1"]

    async def work() -> None:
        try:
            await checked_address("rtsp://cam.test/", replace(CAMERAS, resolve=silent, connect_s=0.05))
        finally:
            over.set()

    with pytest.raises(OutboundFailed, match="the name server does not answer"):
        asyncio.run(work())


# --- redirects and credentials


def test_redirects_are_followed(web: Web) -> None:
    for number, status in enumerate((301, 302, 303, 307, 308)):
        web.pages[f"/{number}"] = leads_to(f"/{number + 1}", status)
    web.pages["/5"] = page(b"here")
    answer = get(web.url("/0"))
    assert (answer.content, answer.url) == (b"here", web.url("/5"))


@pytest.mark.parametrize(
    "location",
    [
        "http://169.254.169.254/latest/",
        "http://10.0.0.1/",
        "//192.168.0.1/",
        "http://[::1]/",
        "http://127.0.0.2:1/",
    ],
)
def test_a_redirect_to_the_inside_is_refused(web: Web, location: str) -> None:
    web.pages["/"] = leads_to(location)
    with pytest.raises(OutboundRefused, match="it leads to"):
        get(web.url("/"))


@pytest.mark.parametrize("location", ["file:///etc/passwd", "gopher://x/", "javascript:alert(1)"])
def test_a_redirect_to_another_scheme_is_refused(web: Web, location: str) -> None:
    web.pages["/"] = leads_to(location)
    with pytest.raises(OutboundRefused, match="can be fetched from"):
        get(web.url("/"))


@pytest.mark.parametrize("location", ["http://[::1", "http://h:x/", "http://①②⑦.0.0.1/"])
def test_a_redirect_to_no_address_is_said(web: Web, location: str) -> None:
    web.pages["/"] = leads_to(location.encode().decode("latin-1"))
    with pytest.raises(ArgusError, match="no address"):
        get(web.url("/"))


def test_redirects_without_end_are_refused(web: Web) -> None:
    web.pages["/"] = leads_to("/")
    with pytest.raises(OutboundRefused, match="more than 3 times"):
        get(web.url("/"), replace(HERE, redirects=3))
    assert len(web.asked) == 4


BASIC = "Basic dXNlcjpwYXNz"


def test_credentials_are_told_to_their_own_host_only(web: Web) -> None:
    resolve, _ = names(a_test=["127.0.0.1"], b_test=["127.0.0.1"])
    policy = replace(HERE, resolve=resolve)
    web.pages["/0"] = leads_to("/1")
    web.pages["/1"] = leads_to(web.url("/2", host="b.test"))
    web.pages["/2"] = leads_to(web.url("/3", host="a.test"))
    headers = {"Cookie": "session=1", "X-Mine": "yes", "Host": "evil.test"}
    get(web.url("/0", host="a.test", user="user:pass@"), policy, headers=headers)
    told = [headers for _, _, headers in web.asked]
    assert [one.get("authorization") for one in told] == [BASIC, BASIC, None, None]
    assert [one.get("cookie") for one in told] == ["session=1", "session=1", None, None]
    assert [one.get("x-mine") for one in told] == ["yes"] * 4
    assert [one["host"].partition(":")[0] for one in told] == ["a.test", "a.test", "b.test", "a.test"]


def test_credentials_in_a_redirect_are_not_told_to_anybody(web: Web) -> None:
    resolve, _ = names(b_test=["127.0.0.1"])
    web.pages["/"] = leads_to(web.url("/x", host="b.test", user="user:pass@"))
    get(web.url("/"), replace(HERE, resolve=resolve))
    assert "authorization" not in web.asked[1][2]


def test_cookies_are_not_carried_along(web: Web) -> None:
    web.pages["/"] = page(b"", status=302, Location="/x", Set_Cookie="a=b; Path=/")
    get(web.url("/"))
    assert "cookie" not in web.asked[1][2]


def test_no_message_shows_a_password(web: Web) -> None:
    for url in (
        "http://user:verysecret@10.0.0.1/",
        "ftp://user:verysecret@h/",
        "http://user:verysecret@h:x/",
        "http://user:verysecret@127.0.0.1:1/?token=verysecret",
    ):
        with pytest.raises(ArgusError) as caught:
            get(url)
        assert "verysecret" not in str(caught.value)


# --- limits


def test_an_answer_that_says_it_is_too_long_is_not_read(web: Web) -> None:
    web.pages["/"] = page(b"x", Content_Length="99999999")
    with pytest.raises(OutboundFailed, match="longer than the 1 MB"):
        get(web.url("/"), replace(HERE, most_bytes=1_000_000))


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    while True:
        handler.wfile.write(bytes(65_536))


def test_an_answer_without_end_is_cut(web: Web) -> None:
    web.pages["/"] = endless
    with pytest.raises(OutboundFailed, match="longer than the 1 MB"):
        get(web.url("/"), replace(HERE, most_bytes=1_000_000))


def test_a_packed_answer_is_unpacked(web: Web) -> None:
    for number, (packing, packed) in enumerate(
        [("gzip", gzip.compress(b"x" * 200_000)), ("deflate", zlib.compress(b"x" * 200_000))]
    ):
        web.pages[f"/{number}"] = page(packed, Content_Encoding=packing)
        assert get(web.url(f"/{number}")).content == b"x" * 200_000


def test_a_bomb_of_gzip_does_not_go_off(web: Web) -> None:
    packer = zlib.compressobj(9, wbits=31)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(500)) + packer.flush()
    assert len(bomb) < 1_000_000
    web.pages["/"] = page(bomb, Content_Encoding="gzip")
    tracemalloc.start()
    try:
        with pytest.raises(OutboundFailed, match="longer than the 1 MB"):
            get(web.url("/"), replace(HERE, most_bytes=1_000_000))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 8_000_000


@pytest.mark.parametrize("packing", ["gzip, gzip", "br", "zstd", "x" * 500])
def test_other_packings_are_refused(web: Web, packing: str) -> None:
    web.pages["/"] = page(b"x", Content_Encoding=packing)
    with pytest.raises(OutboundRefused, match="which nobody asked for"):
        get(web.url("/"))


@pytest.mark.parametrize(
    "packed", [b"no gzip", gzip.compress(b"x" * 1000)[:-12], b""], ids=["no gzip", "cut off", "empty"]
)
def test_a_damaged_packing_is_said(web: Web, packed: bytes) -> None:
    web.pages["/"] = page(packed, Content_Encoding="gzip")
    with pytest.raises(OutboundFailed, match=r"damaged|ends in the middle"):
        get(web.url("/"))


def test_what_follows_a_packed_answer_is_bounded_too(web: Web) -> None:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.send_header("Content-Encoding", "gzip")
        handler.end_headers()
        handler.wfile.write(gzip.compress(b"x") + bytes(3_000_000))

    web.pages["/"] = answer
    with pytest.raises(OutboundFailed, match="longer than the 1 MB"):
        get(web.url("/"), replace(HERE, most_bytes=1_000_000))


def drips(web: Web, every_s: float, *, head: bool) -> Answering:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        if not head:
            handler.send_response(200)
            handler.end_headers()
        while not web.over.wait(every_s):
            handler.wfile.write(b"H")
            handler.wfile.flush()

    return answer


@pytest.mark.parametrize("head", [True, False])
def test_an_answer_that_drips_is_given_up(web: Web, head: bool) -> None:
    web.pages["/"] = drips(web, 0.05, head=head)
    began = time.monotonic()
    with pytest.raises(OutboundFailed, match=r"longer than 0\.4 s"):
        get(web.url("/"), replace(HERE, idle_s=0.3, total_s=0.4))
    assert time.monotonic() - began < 5.0


def test_an_answer_that_falls_silent_is_given_up(web: Web) -> None:
    web.pages["/"] = drips(web, 60.0, head=False)
    with pytest.raises(OutboundFailed, match=r"silent for 0\.2 s"):
        get(web.url("/"), replace(HERE, idle_s=0.2))


def test_redirects_share_the_time_of_the_whole(web: Web) -> None:
    def slow(handler: BaseHTTPRequestHandler) -> None:
        web.over.wait(0.15)
        leads_to("/")(handler)

    web.pages["/"] = slow
    with pytest.raises(OutboundFailed, match=r"longer than 0\.4 s"):
        get(web.url("/"), replace(HERE, total_s=0.4, redirects=100))


def test_a_caller_that_is_too_late_itself_keeps_its_own_error(web: Web) -> None:
    web.pages["/"] = page(b"x")

    async def work() -> None:
        async with opened(web.url("/"), policy=HERE):
            raise TimeoutError("mine")

    with pytest.raises(TimeoutError, match="mine"):
        asyncio.run(work())


def test_what_breaks_off_and_what_is_no_http_is_said(web: Web) -> None:
    web.pages["/short"] = page(b"x", Content_Length="10")
    web.pages["/odd"] = lambda handler: handler.wfile.writelines([b"SSH-2.0-OpenSSH\r\n\r\n"])
    for path in ("/short", "/odd"):
        with pytest.raises(OutboundFailed, match="broke off or what answers is no HTTP"):
            get(web.url(path))


def test_where_nobody_listens_is_said() -> None:
    with pytest.raises(OutboundFailed, match="no connection"):
        get("http://127.0.0.1:1/")


# --- certificates, and clients of others


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return self_signed(tmp_path_factory.mktemp("tls"), "DNS:cam.test")[0]


def test_a_certificate_is_held_against_the_name_and_not_the_number(certificate: Path) -> None:
    web = Web(certificate)
    try:
        web.pages["/"] = page(b"safe")
        resolve, _ = names(cam_test=["127.0.0.1"], evil_test=["127.0.0.1"])
        policy = replace(HERE, resolve=resolve, tls=ssl.create_default_context(cafile=certificate))
        assert get(web.url("/", host="cam.test", scheme="https"), policy).content == b"safe"
        for host in ("evil.test", "127.0.0.1"):
            with pytest.raises(OutboundFailed, match=r"(?i)certificate"):
                get(web.url("/", host=host, scheme="https"), policy)
    finally:
        web.close()


def test_a_redirect_out_of_https_is_refused(certificate: Path) -> None:
    web = Web(certificate)
    try:
        web.pages["/"] = leads_to(web.url("/x", host="cam.test", scheme="http"))
        resolve, _ = names(cam_test=["127.0.0.1"])
        policy = replace(HERE, resolve=resolve, tls=ssl.create_default_context(cafile=certificate))
        with pytest.raises(OutboundRefused, match="it leads from https"):
            get(web.url("/", host="cam.test", scheme="https"), policy)
    finally:
        web.close()


def test_a_client_of_httpx_can_be_guarded(web: Web) -> None:
    web.pages["/"] = leads_to("http://10.0.0.1/")
    web.pages["/a"] = page(b"weights")
    with httpx.Client(transport=BlockingGuardedTransport(HERE), follow_redirects=True) as client:
        assert client.get(web.url("/a")).content == b"weights"
        with pytest.raises(OutboundRefused, match="a private address"):
            client.get(web.url("/"))
        with pytest.raises(OutboundRefused, match="POST is not sent"):
            client.post(web.url("/a"), content=b"x")
    assert [path for _, path, _ in web.asked] == ["/a", "/"]
