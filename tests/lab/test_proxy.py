"""The network that can fail, between real sockets."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from argus.core.errors import ArgusError
from argus.vision.lab.proxy import Proxy
from tests.sources.settling import comes_true, descriptors_and_threads


class Echo:
    """Sends back what it gets, each connection in a thread of its own; counts what it got."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.received = 0
        self.broken_off = 0
        self._threads = [threading.Thread(target=self._accept)]
        self._threads[0].start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._threads.append(threading.Thread(target=self._answer, args=[connection]))
            self._threads[-1].start()

    def _answer(self, connection: socket.socket) -> None:
        with connection:
            try:
                while data := connection.recv(65536):
                    self.received += len(data)
                    connection.sendall(data)
            except OSError:
                pass
            self.broken_off += 1

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for thread in self._threads:
            thread.join(10)


@pytest.fixture
def echo() -> Iterator[Echo]:
    echo = Echo()
    yield echo
    echo.close()


@pytest.fixture
def proxy(echo: Echo) -> Iterator[Proxy]:
    with Proxy(echo.port) as proxy:
        yield proxy


def _connected(proxy: Proxy, timeout_s: float = 5.0) -> socket.socket:
    return socket.create_connection(("127.0.0.1", proxy.port), timeout=timeout_s)


def _said(client: socket.socket, text: bytes) -> bytes:
    """Return what comes back of a packet with this text."""
    client.sendall(b"$\x00" + len(text).to_bytes(2, "big") + text)
    heard = b""
    while len(heard) < 4 or len(heard) < 4 + int.from_bytes(heard[2:4], "big"):
        more = client.recv(65536)
        if not more:
            raise ConnectionError("broken off")
        heard += more
    return heard[4:]


def test_in_fair_weather_everything_passes(proxy: Proxy) -> None:
    with _connected(proxy) as one, _connected(proxy) as other:
        for size in (1, 1000, 60_000):
            assert _said(one, b"a" * size) == b"a" * size
            assert _said(other, b"b" * size) == b"b" * size


def test_who_leaves_is_gone_at_the_other_side_too(proxy: Proxy, echo: Echo) -> None:
    with _connected(proxy) as client:
        _said(client, b"hello")
    assert comes_true(lambda: echo.broken_off == 1)


def test_a_server_that_is_not_there_breaks_the_connection(echo: Echo) -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = int(unused.getsockname()[1])
    with Proxy(port) as proxy, _connected(proxy) as client, pytest.raises(ConnectionError):
        _said(client, b"hello")


def test_a_cut_network_breaks_connections_refuses_new_ones_and_comes_back_on_the_same_port(
    proxy: Proxy,
) -> None:
    with _connected(proxy) as client:
        _said(client, b"hello")
        proxy.set_weather("cut")
        with pytest.raises(ConnectionError):
            _said(client, b"hello")
    with pytest.raises(ConnectionRefusedError):
        _connected(proxy)
    proxy.set_weather("fair")
    with _connected(proxy) as client:
        assert _said(client, b"again") == b"again"


def test_in_a_stall_no_byte_passes_and_afterwards_they_all_do(proxy: Proxy, echo: Echo) -> None:
    with _connected(proxy, timeout_s=0.3) as client:
        _said(client, b"hello")
        proxy.set_weather("stalled")
        before = echo.received
        with pytest.raises(TimeoutError):
            _said(client, b"late")
        assert echo.received == before
        with _connected(proxy, timeout_s=0.3) as newcomer, pytest.raises(TimeoutError):
            _said(newcomer, b"new")
        proxy.set_weather("fair")
        client.settimeout(5)
        assert client.recv(100)[4:] == b"late"


def test_half_open_connections_swallow_all_and_are_broken_when_the_network_is_back(
    proxy: Proxy, echo: Echo
) -> None:
    with _connected(proxy, timeout_s=0.3) as client:
        _said(client, b"hello")
        proxy.set_weather("half-open")
        before = echo.received
        client.sendall(bytes(4_000_000))  # more than any buffer holds: somebody takes it
        with pytest.raises(TimeoutError):
            client.recv(1)
        with _connected(proxy, timeout_s=0.3) as newcomer, pytest.raises(TimeoutError):
            _said(newcomer, b"new")
        assert echo.received == before
        proxy.set_weather("fair")
        client.settimeout(5)
        with pytest.raises(ConnectionError):
            _said(client, b"hello")
    with _connected(proxy) as client:
        assert _said(client, b"again") == b"again"


def test_packets_from_the_server_are_edited(proxy: Proxy) -> None:
    proxy.set_edit(lambda channel, packet: None if packet == b"bad" else bytes([channel]) + packet)
    with _connected(proxy) as client:
        client.sendall(b"$\x00\x00\x03bad")
        assert _said(client, b"good") == b"\x00good"
        proxy.set_edit(None)
        assert _said(client, b"bad") == b"bad"


def test_a_thin_line_carries_no_more_than_it_can(proxy: Proxy) -> None:
    with _connected(proxy) as client:
        proxy.set_limit(20_000)
        began = time.monotonic()
        assert _said(client, bytes(10_000)) == bytes(10_000)
        assert 0.3 < time.monotonic() - began < 2
        proxy.set_limit(None)
        began = time.monotonic()
        assert _said(client, bytes(60_000)) == bytes(60_000)
        assert time.monotonic() - began < 1


def test_a_reader_that_does_not_read_holds_the_server_back(proxy: Proxy, echo: Echo) -> None:
    with _connected(proxy, timeout_s=0.5) as client:
        sent = 0
        try:
            while sent < 64_000_000:
                sent += client.send(b"$\x00\xff\xfc" + bytes(65532))
        except TimeoutError:
            pass
        assert sent < 64_000_000, "the proxy kept it all"


def test_cutting_breaks_what_stands_and_serves_what_comes(proxy: Proxy) -> None:
    with _connected(proxy) as client:
        _said(client, b"hello")
        proxy.cut()
        with pytest.raises(ConnectionError):
            _said(client, b"hello")
    with _connected(proxy) as client:
        assert _said(client, b"again") == b"again"


def test_opening_and_closing_leaves_nothing_behind(echo: Echo) -> None:
    Proxy(echo.port).close()
    before = descriptors_and_threads()
    for weather in ("fair", "cut", "stalled", "half-open"):
        with Proxy(echo.port) as proxy, _connected(proxy), _connected(proxy):
            proxy.set_weather(weather)
        proxy.close()
        with pytest.raises(ArgusError, match="the lab's network is closed"):
            proxy.cut()
    assert comes_true(lambda: descriptors_and_threads() <= before)
