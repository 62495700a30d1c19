"""The sending end of a TCP channel: `send` replaces the newest message, a thread serves those who ask.

A consumer is served only when it asks, and asks for one message, so one that stands still costs one message
of memory and no time. What is said is `tcp_words`, who has asked `tcp_requests`, and what is counted
`tcp_accounts`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from collections.abc import Callable
from typing import Final

import msgspec
import structlog
import zmq

from argus.core.errors import SpecError
from argus.flow.channels.protocol import ChannelClosed, Sender
from argus.flow.channels.tcp_accounts import Account
from argus.flow.channels.tcp_board import Board
from argus.flow.channels.tcp_buffers import Piece, Pieces
from argus.flow.channels.tcp_key import KEY_VARIABLE, flow_key
from argus.flow.channels.tcp_requests import Requests
from argus.flow.channels.tcp_sockets import SenderSocket
from argus.flow.channels.tcp_spec import TcpSpec
from argus.flow.channels.tcp_words import VERSION, Answer, Ask, parts_of
from argus.flow.message import Header
from argus.flow.wire import Packed

_LOOK_MS: Final = 500
_CLOSING_LOOK_MS: Final = 20
_LINGER_S: Final = 2.0
_THERE_S: Final = 2.0
_SAY_AGAIN_S: Final = 30.0
_ask: Final = msgspec.msgpack.Decoder(Ask)


class _Newest:
    """The newest message, and where it lies."""

    def __init__(self, number: int, header: Header, piece: Piece, size: int) -> None:
        self.number, self.header, self.piece, self.size = number, header, piece, size


class _Link:
    """One link: who asks, what became of its messages, and which was the last that somebody got."""

    def __init__(self, name: str, max_age: float | None, account: Account) -> None:
        self.name, self.max_age, self.account = name, max_age, account
        self.requests = Requests()
        self.taken = 0


class TcpSender(Sender):
    """See `Sender`; never waits."""

    def __init__(self, spec: TcpSpec, *, key: str | None = None) -> None:
        """Serve whoever connects, from now on; the counts go on where a predecessor's stopped.

        Args:
            spec: What `TcpChannel.create` made, in this process or its parent.
            key: What both hosts know; None: as `ARGUS_FLOW_KEY` says.

        Raises:
            SpecError: the channel is secured, and here is no key.
        """
        key = flow_key(key)
        if spec.secured and key is None:
            raise SpecError(f"{spec.listen}:{spec.port}: {KEY_VARIABLE} is not set in the process that sends")
        self._name = uuid.uuid4().hex
        self._where = f"{spec.listen}:{spec.port}"
        self._board = Board.inherited(spec.board, spec.rows)
        before = self._board.read()
        self._links = {
            served.link: _Link(served.link, served.qos.max_age, Account(before[served.link]))
            for served in spec.links
        }
        self._lock = threading.Lock()
        self._pieces = Pieces()
        self._newest: _Newest | None = None
        self._number = 0
        self._closing_s: float | None = None
        self._refused_s = -_SAY_AGAIN_S
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._io = SenderSocket(spec, key if spec.secured else None)
        for link in self._links.values():
            self._publish(link)
        self._thread = threading.Thread(target=self._run, name="argus-flow-tcp-sender", daemon=True)
        self._thread.start()

    def send(self, packed: Packed, header: Header, stopping: Callable[[], bool]) -> None:
        """Replace the newest message."""
        size = packed.size
        with self._lock:
            if self._closing_s is not None:
                raise ChannelClosed(f"{self._where}: the channel to other hosts is closed")
            piece = self._pieces.take(size)
            piece.kept = True
        packed.lay(piece.memory)
        with self._lock:
            if self._newest is not None:
                self._newest.piece.kept = False
            self._number += 1
            self._newest = _Newest(self._number, header, piece, size)
            for link in self._links.values():
                link.account.sent()
                self._publish(link)
            asked = any(link.requests.waiting for link in self._links.values())
        if asked:
            os.eventfd_write(self._bell, 1)

    @property
    def pieces(self) -> int:
        """How many pieces of memory it holds messages in."""
        return len(self._pieces)

    def close(self) -> None:
        """Let consumers that are there have the last message, for two seconds at most; idempotent."""
        with self._lock:
            first = self._closing_s is None
            if first:
                self._closing_s = time.monotonic()
        if first:
            os.eventfd_write(self._bell, 1)
            self._thread.join()
            os.close(self._bell)
            self._board.close()

    def _run(self) -> None:
        io = self._io
        poller = zmq.Poller()
        for end in (io.router, io.events, self._bell, *([] if io.door is None else [io.door])):
            poller.register(end, zmq.POLLIN)
        try:
            while not self._done():
                for end, _ in poller.poll(_LOOK_MS if self._closing_s is None else _CLOSING_LOOK_MS):
                    if end is io.router:
                        if heard := io.word():
                            self._hear(*heard)
                    elif end is io.events:
                        self._refused(io.refused())
                    elif end is io.door:
                        io.open_door()
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.eventfd_read(self._bell)
                with self._lock:
                    for link in self._links.values():
                        self._serve(link)
                        self._write_off(link)
        finally:
            with self._lock:
                self._closing_s = self._closing_s or time.monotonic()
                for link in self._links.values():
                    link.account.ended()
                    self._publish(link)
            io.close()

    def _done(self) -> bool:
        """Return whether nobody is to be served any more."""
        if self._closing_s is None:
            return False
        if time.monotonic() - self._closing_s > _LINGER_S:
            return True
        with self._lock:
            return not any(self._owes(link) for link in self._links.values())

    def _owes(self, link: _Link) -> bool:
        """Return whether somebody is there who may have the last message, or tell what became of one."""
        waits = self._newest is not None and self._newest.number > link.taken
        return bool(link.account.under_way) or (waits and link.requests.heard_within(_THERE_S))

    def _hear(self, way: bytes, word: bytes) -> None:
        """Take a word of a consumer."""
        heard_ns = time.monotonic_ns()
        try:
            ask = _ask.decode(word)
        except msgspec.MsgspecError:
            self._io.say(way, Answer(0, 0, 0, 0, 0, self._name, _OTHER_VERSION))
            return
        link = self._links.get(ask.link)
        if ask.version != VERSION or link is None:
            problem = _OTHER_VERSION if link else f"it has no link {ask.link}: start all hosts from one file"
            self._io.say(way, self._answer(ask, heard_ns, 0, problem))
            return
        with self._lock:
            if ask.number < 0:
                self._told(link, ask)
                self._gone(link, ask.session)
            else:
                self._take(link, ask, way, heard_ns)
            self._publish(link)

    def _take(self, link: _Link, ask: Ask, way: bytes, heard_ns: int) -> None:
        """Take a word that is no goodbye."""
        for session in link.requests.too_many(ask.session):
            self._gone(link, session)
        asker, news = link.requests.hear(ask, way, heard_ns)
        self._told(link, ask)
        if news == "new" and ask.sender == self._name:
            link.account.holds(ask.session, ask.held)
        if news == "sign":
            self._io.say(way, self._answer(ask, heard_ns, 0))
            return
        self._serve(link)
        if ask.session not in link.requests.waiting:
            return
        if ask.newer_than:
            link.requests.answered(asker)
            self._io.say(way, self._answer(ask, heard_ns, 0))
        elif news == "again" or not ask.sender:
            # It waits; meanwhile it hears that somebody is there, and of our clock.
            self._io.say(way, msgspec.structs.replace(self._answer(ask, heard_ns, 0), number=0))

    def _serve(self, link: _Link) -> None:
        """Give the newest message, if nobody has had it, to whoever has asked first."""
        newest = self._newest
        if newest is None or newest.number <= link.taken or not link.requests.waiting:
            return
        if link.max_age is not None and newest.header.age_s() > link.max_age:
            link.taken = newest.number
            link.account.dropped("stale")
            self._publish(link)
            return
        data = newest.piece.memory[: newest.size]
        for asker in list(link.requests.waiting.values()):
            ask = asker.ask
            if ask.sender == self._name and ask.newer_than >= newest.number:
                continue
            link.requests.answered(asker)
            parts = [newest.piece.frame(part) for part in parts_of(data, ask.part)]
            if self._io.say(asker.way, self._answer(ask, asker.heard_ns, newest.number), parts):
                link.taken = newest.number
                link.account.handed(ask.session)
                self._publish(link)
                return
            asker.answered = 0  # that connection is gone; it will ask on another

    def _told(self, link: _Link, ask: Ask) -> None:
        ours = ask.sender == self._name
        link.account.told(ask.session, ask.delivered if ours else 0, ask.dropped if ours else {})

    def _write_off(self, link: _Link) -> None:
        for session in link.requests.silent():
            link.account.silent(session)
            self._publish(link)

    def _gone(self, link: _Link, session: str) -> None:
        link.requests.forget(session)
        link.account.gone(session)

    def _publish(self, link: _Link) -> None:
        self._board.write(link.name, link.account.counts())

    def _answer(self, ask: Ask, heard_ns: int, message: int, problem: str = "") -> Answer:
        return Answer(ask.number, message, ask.asked_ns, heard_ns, time.monotonic_ns(), self._name, problem)

    def _refused(self, why: str) -> None:
        now_s = time.monotonic()
        if now_s - self._refused_s >= _SAY_AGAIN_S:
            self._refused_s = now_s
            structlog.get_logger().warning("flow.consumer_refused", address=self._where, reason=why)


_OTHER_VERSION: Final = "it runs another version of Argus: install the same on all hosts"
