"""The sending end of a TCP channel: `send` replaces the newest message, a thread serves those who ask.

A consumer is served only when it asks, and asks for one message, so one that stands still costs one message
of memory and no time. What is said is `tcp_words`; what is known of a link and its consumers, `tcp_served`.
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
from argus.flow.channels.tcp_board import Board
from argus.flow.channels.tcp_buffers import Piece, Pieces
from argus.flow.channels.tcp_key import KEY_VARIABLE, flow_key
from argus.flow.channels.tcp_served import ServedLink
from argus.flow.channels.tcp_sockets import SenderSocket
from argus.flow.channels.tcp_spec import TcpSpec
from argus.flow.channels.tcp_words import VERSION, Answer, Ask, parts_of
from argus.flow.message import Header
from argus.flow.wire import Packed

_LOOK_MS: Final = 500
_CLOSING_LOOK_MS: Final = 20
_LINGER_S: Final = 2.0
_SAY_AGAIN_S: Final = 30.0
_ask: Final = msgspec.msgpack.Decoder(Ask)


class _Newest:
    """The newest message, and where it lies."""

    def __init__(self, number: int, header: Header, piece: Piece, size: int) -> None:
        self.number, self.header, self.piece, self.size = number, header, piece, size


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
        self._links = {served.link: ServedLink(served, self._board) for served in spec.links}
        self._lock = threading.Lock()
        self._pieces = Pieces()
        self._newest: _Newest | None = None
        self._number = 0
        self._over = False
        self._all_told = threading.Event()
        self._closing_s: float | None = None
        self._refused_s = -_SAY_AGAIN_S
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._io = SenderSocket(spec, key if spec.secured else None)
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
                link.publish()
            asked = any(link.requests.waiting for link in self._links.values())
        if asked:
            os.eventfd_write(self._bell, 1)

    def end(self, stopping: Callable[[], bool]) -> None:
        """Tell every consumer that was there that the stream is over, when it has had the last message.

        Who is away is waited for for half a minute.

        Raises:
            ChannelClosed: `stopping` said so, and somebody does not know of it.
        """
        with self._lock:
            self._over = True
        os.eventfd_write(self._bell, 1)
        while not self._all_told.wait(_LOOK_MS / 1000):
            if stopping():
                raise ChannelClosed(f"{self._where}: the system is ending, and a consumer is not told of it")

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
                for end, _ in poller.poll(self._look_ms()):
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
                        link.write_off()
                    if self._over and not any(link.owes_end for link in self._links.values()):
                        self._all_told.set()
        finally:
            self._all_told.set()
            with self._lock:
                self._closing_s = self._closing_s or time.monotonic()
                for link in self._links.values():
                    link.account.ended()
                    link.publish()
            io.close()

    def _look_ms(self) -> int:
        return _LOOK_MS if self._closing_s is None and not self._over else _CLOSING_LOOK_MS

    def _done(self) -> bool:
        """Return whether nobody is to be served any more."""
        if self._closing_s is None:
            return False
        if time.monotonic() - self._closing_s > _LINGER_S:
            return True
        with self._lock:
            return not any(link.owes(self._number) for link in self._links.values())

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
                link.told(ask, self._name)
                link.gone(ask.session)
            else:
                self._take(link, ask, way, heard_ns)
            link.publish()

    def _take(self, link: ServedLink, ask: Ask, way: bytes, heard_ns: int) -> None:
        """Take a word that is no goodbye."""
        for session in link.requests.too_many(ask.session):
            link.gone(session)
        asker, news = link.requests.hear(ask, way, heard_ns)
        link.told(ask, self._name)
        if ask.heard and ask.sender == self._name:
            link.requests.knows(asker)
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

    def _serve(self, link: ServedLink) -> None:
        """Give the newest message to whoever has asked first; say that it is over where nothing comes."""
        self._give(link)
        if self._is_over(link):
            for asker in list(link.requests.waiting.values()):
                link.requests.answered(asker)
                self._io.say(asker.way, self._answer(asker.ask, asker.heard_ns, 0))

    def _is_over(self, link: ServedLink) -> bool:
        """Return whether nothing will come and nothing waits."""
        return self._over and self._number <= link.taken

    def _give(self, link: ServedLink) -> None:
        newest = self._newest
        if newest is None or newest.number <= link.taken or not link.requests.waiting:
            return
        if link.max_age is not None and newest.header.age_s() > link.max_age:
            link.taken = newest.number
            link.account.dropped("stale")
            link.publish()
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
                link.publish()
                return
            asker.answered = 0  # that connection is gone; it will ask on another

    def _answer(self, ask: Ask, heard_ns: int, message: int, problem: str = "") -> Answer:
        link = self._links.get(ask.link)
        over = link is not None and not message and self._is_over(link)
        return Answer(
            ask.number, message, ask.asked_ns, heard_ns, time.monotonic_ns(), self._name, problem, over
        )

    def _refused(self, why: str) -> None:
        now_s = time.monotonic()
        if now_s - self._refused_s >= _SAY_AGAIN_S:
            self._refused_s = now_s
            structlog.get_logger().warning("flow.consumer_refused", address=self._where, reason=why)


_OTHER_VERSION: Final = "it runs another version of Argus: install the same on all hosts"
