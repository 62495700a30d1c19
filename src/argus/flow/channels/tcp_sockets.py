"""ZeroMQ's sockets as the two ends of a TCP channel use them: settings, keys, and what befalls a connection.

Each is used by one thread after it was made. What is said over them is `tcp_words`.

Source: ZMTP 3.1 (ZeroMQ RFC 23), CURVE (RFC 26), ZAP (RFC 27).
"""

from __future__ import annotations

import contextlib
import errno
import os
from typing import Any, Final, Literal

import msgspec
import zmq
from zmq.utils import z85
from zmq.utils.monitor import recv_monitor_message

from argus.flow.channels.tcp_key import KEY_VARIABLE, CurveKeys, curve_keys
from argus.flow.channels.tcp_spec import TcpSpec
from argus.flow.channels.tcp_words import HEARTBEAT_MS, SILENCE_MS, Answer, Ask

_LONGEST_WORD: Final = 65_536
_RECONNECT_MS: Final = 100
_RECONNECT_MOST_MS: Final = 1000
_LINGER_MS: Final = 500
_encode: Final = msgspec.msgpack.Encoder().encode
_BOTH: Final[dict[int, Any]] = {
    zmq.LINGER: _LINGER_MS,
    zmq.HEARTBEAT_IVL: HEARTBEAT_MS,
    zmq.HEARTBEAT_TIMEOUT: SILENCE_MS,
    zmq.HANDSHAKE_IVL: SILENCE_MS,
}
_REFUSALS: Final = zmq.EVENT_HANDSHAKE_FAILED_AUTH | zmq.EVENT_HANDSHAKE_FAILED_PROTOCOL


class SenderSocket:
    """Listens; tells who came in."""

    def __init__(self, spec: TcpSpec, key: str | None) -> None:
        """Listen on the inherited socket, with a key or without."""
        self._context = zmq.Context()
        self._keys: CurveKeys | None = None
        self.door: zmq.Socket[bytes] | None = None
        """Readable when somebody wants to come in; None where anybody may."""
        self.router = self._context.socket(zmq.ROUTER)
        settings = {**_BOTH, zmq.ROUTER_MANDATORY: 1, zmq.MAXMSGSIZE: _LONGEST_WORD}
        settings[zmq.IPV6] = int(":" in spec.listen)
        if key is not None:
            self._keys = curve_keys(key, sends=True)
            settings |= {zmq.CURVE_SERVER: 1, zmq.CURVE_SECRETKEY: self._keys.secret}
            settings[zmq.ZAP_DOMAIN] = b"argus-flow"
            self.door = self._context.socket(zmq.REP)
            self.door.linger = 0
            self.door.bind("inproc://zeromq.zap.01")
        _set(self.router, settings)
        self.events = self.router.get_monitor_socket(_REFUSALS)
        # ZeroMQ closes it with the router; the parent's stays, and with it the port.
        mine = os.dup(spec.listening)
        self.router.setsockopt(zmq.USE_FD, mine)
        self.router.bind(_endpoint(spec.listen, spec.port))

    def word(self) -> tuple[bytes, bytes] | None:
        """Return the next word after the connection it came by; None where none came that makes sense."""
        with contextlib.suppress(zmq.Again):
            frames = self.router.recv_multipart(zmq.NOBLOCK)
            if len(frames) == 2:
                return frames[0], frames[1]
        return None

    def say(self, way: bytes, answer: Answer, parts: list[zmq.Frame] | None = None) -> bool:
        """Say something on a connection; return False where it is gone."""
        try:
            self.router.send_multipart([way, _encode(answer), *(parts or [])], zmq.NOBLOCK, copy=False)
        except zmq.ZMQError as error:
            if error.errno in {zmq.EAGAIN, errno.EHOSTUNREACH}:
                return False
            raise
        return True

    def refused(self) -> str:
        """Return why somebody was refused, of whom `events` has told."""
        recv_monitor_message(self.events)
        if self.door is not None:
            return f"somebody came with another {KEY_VARIABLE}, or with none: set the same on all hosts"
        return f"somebody came with {KEY_VARIABLE}, and it is not set here: set the same on all hosts"

    def open_door(self) -> None:
        """Let in who has the consumers' key, and nobody else."""
        assert self.door is not None
        assert self._keys is not None
        version, request, _domain, _address, _identity, mechanism, *proof = self.door.recv_multipart()
        good = mechanism == b"CURVE" and [z85.encode(each) for each in proof] == [self._keys.other]
        status, text, name = (b"200", b"OK", b"consumer") if good else (b"400", b"another key", b"")
        self.door.send_multipart([version, request, status, text, name, b""])

    def close(self) -> None:
        """Close; what was said is still sent, for half a second at most."""
        self.router.disable_monitor()
        self.events.close(0)
        self.router.close()
        if self.door is not None:
            self.door.close(0)
        self._context.term()


class ReceiverSocket:
    """Connects, again and again where it must."""

    def __init__(self, spec: TcpSpec, key: str | None) -> None:
        """Begin to connect, with a key or without."""
        self._secured = key is not None
        self._context = zmq.Context()
        self.dealer = self._context.socket(zmq.DEALER)
        settings: dict[int, Any] = {
            **_BOTH,
            zmq.IMMEDIATE: 1,  # nothing is kept for a connection that is not there
            zmq.SNDHWM: 16,
            zmq.RCVHWM: 4,
            zmq.CONNECT_TIMEOUT: SILENCE_MS,
            zmq.RECONNECT_IVL: _RECONNECT_MS,
            zmq.RECONNECT_IVL_MAX: _RECONNECT_MOST_MS,
            zmq.IPV6: int(":" in spec.address),
        }
        if key is not None:
            keys = curve_keys(key, sends=False)
            settings |= {zmq.CURVE_SERVERKEY: keys.other, zmq.CURVE_PUBLICKEY: keys.public}
            settings[zmq.CURVE_SECRETKEY] = keys.secret
        _set(self.dealer, settings)
        self.events = self.dealer.get_monitor_socket(
            _REFUSALS
            | zmq.EVENT_HANDSHAKE_SUCCEEDED
            | zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
            | zmq.EVENT_DISCONNECTED
        )
        self.dealer.connect(_endpoint(spec.address, spec.port))

    def word(self) -> tuple[memoryview, list[memoryview]] | None:
        """Return the next word and the parts of its message, which lie where ZeroMQ has put them."""
        with contextlib.suppress(zmq.Again):
            first, *rest = self.dealer.recv_multipart(zmq.NOBLOCK, copy=False)
            return first.buffer, [frame.buffer for frame in rest]
        return None

    def say(self, word: Ask) -> bool:
        """Say something; return False where nobody is there to hear it."""
        try:
            self.dealer.send(_encode(word), zmq.NOBLOCK)
        except zmq.Again:
            return False
        return True

    def befell(self) -> tuple[Literal["up", "down", "refused"], str]:
        """Return what became of the connection, of which `events` has told; why it was refused, in words."""
        event = recv_monitor_message(self.events)
        kind = event["event"]
        if kind == zmq.EVENT_HANDSHAKE_SUCCEEDED:
            return "up", ""
        hung = kind == zmq.EVENT_HANDSHAKE_FAILED_NO_DETAIL
        if kind == zmq.EVENT_DISCONNECTED or (hung and event["value"] == errno.ETIMEDOUT):
            return "down", ""
        if self._secured:
            return "refused", f"it refuses our key: set the same {KEY_VARIABLE} on both hosts"
        return "refused", f"it does not let us in: set the same {KEY_VARIABLE} on both hosts"

    def close(self) -> None:
        """Close; what was said is still sent, for half a second at most."""
        self.dealer.disable_monitor()
        self.events.close(0)
        self.dealer.close()
        self._context.term()


def _set(sock: zmq.Socket[bytes], settings: dict[int, Any]) -> None:
    for option, value in settings.items():
        sock.setsockopt(option, value)


def _endpoint(address: str, port: int) -> str:
    host = "127.0.0.1" if address == "localhost" else address
    return f"tcp://[{host}]:{port}" if ":" in host else f"tcp://{host}:{port}"
