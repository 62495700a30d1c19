"""Carrying bytes between the two ends of TCP connections, as well as the weather lets it.

For one thread, which is `proxy`'s. What the network does is a `Weather`; edits of packets are `packets`.
"""

from __future__ import annotations

import selectors
import socket
import time
from typing import Final, Literal

from argus.vision.lab.interleaved import Interleaved
from argus.vision.lab.packets import PacketEdit

Weather = Literal["fair", "cut", "stalled", "half-open"]
"""fair: all passes. cut: connections are broken and refused. stalled: no byte passes either way, and
connections stay. half-open: what is sent on them is swallowed, and new ones are answered by nobody."""

_BUFFERED: Final = 262_144
"""Bytes on their way in one direction; then the sender is held back."""
_CHUNK: Final = 65_536
_CONNECTIONS: Final = 256
_TOKENS_S: Final = 0.1
"""Seconds of a throttled line that may pass in one go."""


class _End:
    """One of the two sockets of a connection, and what waits to be sent on it."""

    def __init__(self, connection: _Connection, sock: socket.socket, *, server: bool) -> None:
        self.connection = connection
        self.sock = sock
        self.server = server
        self.out = bytearray()
        self.ended = False
        """It will send no more."""
        self.interest = 0


class _Connection:
    def __init__(self, client: socket.socket, server: socket.socket | None) -> None:
        self.client = _End(self, client, server=False)
        self.server = None if server is None else _End(self, server, server=True)
        self.units = Interleaved()
        self.tokens = 0.0
        self.filled_s = time.monotonic()
        self.swallowed = server is None

    def ends(self) -> list[_End]:
        return [self.client] if self.server is None else [self.client, self.server]

    def other(self, end: _End) -> _End | None:
        return self.client if end.server else self.server


class Carrier:
    """The proxy's sockets. Used by its thread only."""

    def __init__(self, port: int, upstream_port: int) -> None:
        """Begin with connections refused, until there is a weather."""
        self.selector = selectors.DefaultSelector()
        self._port = port
        self._upstream_port = upstream_port
        self._weather: Weather = "cut"
        self._edit: PacketEdit | None = None
        self._bytes_per_s: float | None = None
        self._listener: socket.socket | None = None
        self._connections: set[_Connection] = set()

    def set_weather(self, weather: Weather) -> None:
        """Let the network be so from now on."""
        self._weather = weather
        for connection in list(self._connections):
            if weather == "cut" or (weather == "fair" and connection.swallowed):
                self._drop(connection)
            elif weather == "half-open":
                connection.swallowed = True
                for end in connection.ends():
                    end.out.clear()
        if weather == "cut":
            self._deafen()
        elif self._listener is None:
            self._listener = bound(self._port)
            self._listener.listen(64)
            self.selector.register(self._listener, selectors.EVENT_READ, None)
        self._refresh_all()

    def set_edit(self, edit: PacketEdit | None) -> None:
        """Let packets of media pass through an edit; None: as they are."""
        self._edit = edit

    def set_limit(self, bytes_per_s: float | None) -> None:
        """Let no more than that pass on each connection; None: all."""
        self._bytes_per_s = bytes_per_s
        self._refresh_all()

    def set_upstream(self, port: int) -> None:
        """Carry new connections to another port."""
        self._upstream_port = port

    def cut(self) -> None:
        """Break all connections off."""
        for connection in list(self._connections):
            self._drop(connection)

    def close(self) -> None:
        """Break all connections off and listen no more."""
        self.cut()
        self._deafen()
        self.selector.close()

    def carry(self, ear: socket.socket) -> bool:
        """Carry what is ready, waiting for it; return whether somebody rang at `ear`."""
        rung = False
        # A throttled line is looked at again when it has earned its next bytes.
        for key, events in self.selector.select(_TOKENS_S if self._bytes_per_s else None):
            if key.fileobj is ear:
                rung = True
            elif key.fileobj is self._listener:
                self._accept()
            elif isinstance(key.data, _End) and key.data.connection in self._connections:
                self._serve(key.data, events)
        if self._bytes_per_s:
            self._refresh_all()
        return rung

    def _accept(self) -> None:
        assert self._listener is not None
        try:
            client, _ = self._listener.accept()
        except OSError:  # it went away again
            return
        if len(self._connections) >= _CONNECTIONS:
            client.close()
            return
        client.setblocking(False)
        connection = _Connection(client, None if self._weather == "half-open" else self._upstream())
        self._connections.add(connection)
        for end in connection.ends():
            end.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._refresh(connection)

    def _upstream(self) -> socket.socket:
        server = socket.socket()
        server.setblocking(False)
        server.connect_ex(("127.0.0.1", self._upstream_port))  # a refusal shows with the first read
        return server

    def _serve(self, end: _End, events: int) -> None:
        connection = end.connection
        try:
            if events & selectors.EVENT_READ:
                self._read(connection, end)
            if events & selectors.EVENT_WRITE and end.out:
                del end.out[: end.sock.send(end.out)]
        except BlockingIOError:
            pass
        except OSError:
            self._drop(connection)
            return
        if any(one.ended and not (connection.other(one) or one).out for one in connection.ends()):
            self._drop(connection)
        else:
            self._refresh(connection)

    def _read(self, connection: _Connection, end: _End) -> None:
        most = self._allowance(connection) if end.server else _CHUNK
        data = end.sock.recv(most)
        if not data:
            end.ended = True
            return
        if end.server and self._bytes_per_s:
            connection.tokens -= len(data)
        other = connection.other(end)
        if connection.swallowed or other is None:
            return
        if end.server:
            for unit in connection.units.feed(data):
                kept = unit.data
                if unit.channel is not None and self._edit is not None:
                    edited = self._edit(unit.channel, unit.data)
                    if edited is None:
                        continue
                    kept = edited
                other.out += type(unit)(unit.channel, kept).framed()
        else:
            other.out += data

    def _allowance(self, connection: _Connection) -> int:
        """Return how many bytes may be read from the server now."""
        if not self._bytes_per_s:
            return _CHUNK
        now_s = time.monotonic()
        earned = (now_s - connection.filled_s) * self._bytes_per_s
        connection.tokens = min(connection.tokens + earned, self._bytes_per_s * _TOKENS_S)
        connection.filled_s = now_s
        return max(0, min(_CHUNK, int(connection.tokens)))

    def _refresh_all(self) -> None:
        for connection in list(self._connections):
            self._refresh(connection)

    def _refresh(self, connection: _Connection) -> None:
        """Tell the selector what each socket is wanted for."""
        for end in connection.ends():
            interest = 0
            if self._weather != "stalled":
                other = connection.other(end)
                full = other is not None and len(other.out) >= _BUFFERED
                poor = end.server and self._allowance(connection) == 0
                if not (end.ended or full or poor):
                    interest |= selectors.EVENT_READ
                if end.out:
                    interest |= selectors.EVENT_WRITE
            if interest != end.interest:
                self._register(end, interest)

    def _register(self, end: _End, interest: int) -> None:
        if not interest:
            self.selector.unregister(end.sock)
        elif end.interest:
            self.selector.modify(end.sock, interest, end)
        else:
            self.selector.register(end.sock, interest, end)
        end.interest = interest

    def _drop(self, connection: _Connection) -> None:
        self._connections.discard(connection)
        for end in connection.ends():
            if end.interest:
                self._register(end, 0)
            end.sock.close()

    def _deafen(self) -> None:
        listener, self._listener = self._listener, None
        if listener is not None:
            self.selector.unregister(listener)
            listener.close()


def bound(port: int) -> socket.socket:
    """Return a socket that has a port on loopback, and does not listen yet; 0 takes one that is free."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock
