"""The receiving end of a TCP channel: asks for one message when its node is free, and checks that it is new.

A thread talks to the producer and rings an eventfd. A message that stood still on its way, or that waited
here while the node was busy, is handed out only when the producer has nothing newer, or does not answer. What
is said is `tcp_words`.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
import uuid
from typing import Final, Literal

import msgspec
import zmq

from argus.core.errors import SpecError
from argus.flow.channels.freshness import Freshness
from argus.flow.channels.protocol import ChannelDown, Delivery, FreshReceiver, LinkCounts, Reason
from argus.flow.channels.tcp_board import Board
from argus.flow.channels.tcp_key import KEY_VARIABLE, expect_key, flow_key
from argus.flow.channels.tcp_sockets import ReceiverSocket
from argus.flow.channels.tcp_spec import TcpSpec, row_of
from argus.flow.channels.tcp_tally import Tally
from argus.flow.channels.tcp_words import VERSION, Answer, Ask, Clocks, Pace, joined, on_our_clock
from argus.flow.message import Header
from argus.flow.wire import MessageDamaged, unlay

_FRESH_S: Final = 0.1
"""A message that has waited here no longer is handed out without a question."""
_CHECK_S: Final = 1.0
"""A producer that does not answer such a question within this, or within twice what the last message took,
has nothing newer to give."""
_LONGEST_CHECK_S: Final = 10.0
_SIGN_S: Final = 1.0
_REPORT_S: Final = 0.05
_DOWN_S: Final = 2.0
_RETRY_S: Final = 0.5
_answer: Final = msgspec.msgpack.Decoder(Answer)
_STRANGE: Final = "it is no Argus, or another version: install the same on all hosts"
_SILENT: Final = "it does not answer: check that it runs, its address, and the firewall between"


class _Held:
    """A message that is here and that the node has not got."""

    def __init__(
        self, sender: str, number: int, header: Header, data: bytes, buffers: tuple[memoryview, ...]
    ) -> None:
        self.sender, self.number = sender, number
        self.header, self.data, self.buffers = header, data, buffers
        self.good_until_s = 0.0
        """Until then it is handed out without a question."""


class TcpReceiver(FreshReceiver):
    """See `FreshReceiver`. A message's views are of memory that nothing else uses."""

    def __init__(self, spec: TcpSpec, link: str, replica: int = 0, *, key: str | None = None) -> None:
        """Connect, and go on trying for as long as it is open.

        Args:
            spec: The channel.
            link: Which of its links this is an end of.
            replica: Which replica of the consumer this is, first 0.
            key: What both hosts know; None: as `ARGUS_FLOW_KEY` says.

        Raises:
            SpecError: the channel is secured or another host's, and here is no key.
            UnknownName: the channel does not serve the link.
        """
        known = expect_key(spec.address, key)
        if spec.secured and not known:
            raise SpecError(f"{link}: {KEY_VARIABLE} is not set in the process that receives")
        self.link = link
        self._replica = replica
        self._where = f"{spec.address}:{spec.port}"
        self._session = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._freshness = Freshness(spec.of(link).qos)
        self._clocks, self._pace = Clocks(), Pace()
        kept = spec.board >= 0 and spec.listening < 0
        row = row_of(link, replica)
        self._tally = Tally(Board.inherited(spec.board, spec.rows) if kept else None, row)
        self._told = 0
        """Changes of the tally that the producer was told of."""
        self._sender = ""
        """The sending end that answers; empty: none has yet."""
        self._out: set[tuple[str, int]] = set()
        self._held: _Held | None = None
        self._number = 0
        self._asked: Literal["", "any", "newer"] = ""
        """What the request that is open wants."""
        self._asked_s = 0.0
        self._check_s = _CHECK_S
        self._unsaid = False
        """It has not been made on this connection."""
        self._said_s = 0.0
        self._connected = self._greets = False
        self._since_s = time.monotonic()
        self._why = _SILENT
        self._problem = ""
        self._closing = False
        self._ready = os.eventfd(1, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._bell = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._io = ReceiverSocket(spec, flow_key(key) if spec.secured else None)
        self._thread = threading.Thread(target=self._run, name="argus-flow-tcp-receiver", daemon=True)
        self._thread.start()

    def fileno(self) -> int:
        """Return a descriptor that `poll` finds readable when `receive` may have something."""
        return self._ready

    def receive(self) -> Delivery | None:
        """Return the newest message, if it is here; else ask for it.

        Raises:
            ChannelDown: the producer has not been there for two seconds, or does not serve us.
        """
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._ready)
        with self._lock:
            while (held := self._held) is not None:
                if time.monotonic() > held.good_until_s:
                    self._ask("newer")
                    return None
                self._held = None
                fault = self._freshness.fault(held.header)
                if fault is None:
                    handle = (held.sender, held.number)
                    self._out.add(handle)
                    return Delivery(held.header, held.data, held.buffers, 1, handle)
                self._finish(held.sender, fault)
            self._ask("any")
            if self._problem:
                raise ChannelDown(f"{self.link}: {self._where}: {self._problem}")
            away_s = 0.0 if self._connected else time.monotonic() - self._since_s
            if away_s > _DOWN_S or (away_s and self._why != _SILENT):
                raise ChannelDown(f"{self.link}: {self._where}: {self._why}")
        return None

    def next_look_s(self) -> float | None:
        """Return when to ask again while the producer is not there."""
        with self._lock:
            return None if self._connected and not self._problem else _RETRY_S

    def accept(self, delivery: Delivery) -> None:
        """Count it as delivered."""
        self._take_back(delivery, None)

    def refuse(self, delivery: Delivery, reason: str) -> None:
        """Drop it."""
        self._take_back(delivery, "failed")

    def close(self) -> None:
        """Say goodbye; what was here and not accepted is dropped. Idempotent."""
        with self._lock:
            first, self._closing = not self._closing, True
        if first:
            os.eventfd_write(self._bell, 1)
            self._thread.join()
            os.close(self._bell)
            os.close(self._ready)
            self._ready = -1
            self._tally.close()

    @property
    def totals(self) -> LinkCounts:
        """What became of messages here; the producer hears of it with the next request, or 50 ms later."""
        with self._lock:
            return self._tally.counts()

    @property
    def held(self) -> bool:
        """Whether a message is here that was not handed out."""
        with self._lock:
            return self._held is not None

    def _take_back(self, delivery: Delivery, reason: Reason | None) -> None:
        with self._lock:
            if delivery.handle in self._out and not self._closing:
                self._out.discard(delivery.handle)
                self._finish(delivery.handle[0], reason)
                os.eventfd_write(self._ready, 1)  # to be asked for the next one

    def _finish(self, sender: str, reason: Reason | None) -> None:
        self._tally.done(reason, ours=sender == self._sender)

    def _ask(self, what: Literal["any", "newer"]) -> None:
        if not self._asked:
            self._number += 1
            self._asked, self._asked_s, self._unsaid = what, time.monotonic(), True
            os.eventfd_write(self._bell, 1)

    def _run(self) -> None:
        io = self._io
        poller = zmq.Poller()
        for end in (io.dealer, io.events, self._bell):
            poller.register(end, zmq.POLLIN)
        try:
            while not self._closing:
                for end, _ in poller.poll(self._wait_ms()):
                    if end is io.dealer:
                        if heard := io.word():
                            self._hear(*heard)
                    elif end is io.events:
                        self._befell(*io.befell())
                    else:
                        with contextlib.suppress(BlockingIOError):
                            os.eventfd_read(self._bell)
                with self._lock:
                    self._speak(time.monotonic())
        finally:
            with self._lock:
                self._closing = True
                for sender, _ in [*self._out, *([(self._held.sender, 0)] if self._held else [])]:
                    self._finish(sender, "ended")
                self._out.clear()
                self._held = None
                io.say(self._word(-1))
            io.close()

    def _wait_ms(self) -> int:
        with self._lock:
            soon = self._out or self._told != self._tally.changes or self._asked == "newer"
            soon = soon or (self._connected and (self._unsaid or self._greets))
        return int((_REPORT_S if soon else _SIGN_S / 2) * 1000)

    def _speak(self, now_s: float) -> None:
        """Say what is due: a request, once per connection; what became of messages; a sign of life."""
        if self._asked == "newer" and now_s - self._asked_s > self._check_s:
            self._asked = ""
            self._good()
        if not self._connected:
            return
        if self._greets:
            # Before any request, so that the clocks are known when the first message comes.
            self._greets = not self._io.say(self._word(0))
        if self._asked and self._unsaid:
            self._unsaid = not self._io.say(self._word(self._number))
        elif now_s - self._said_s > _SIGN_S:
            self._io.say(self._word(self._number if self._asked else 0))
        elif self._told != self._tally.changes and now_s - self._said_s > _REPORT_S:
            self._io.say(self._word(0))
        else:
            return
        self._said_s = now_s

    def _word(self, number: int) -> Ask:
        self._told = self._tally.changes
        held = self._held.number if self._held is not None and self._held.sender == self._sender else 0
        return Ask(
            version=VERSION,
            link=self.link,
            session=self._session,
            number=number,
            newer_than=held if self._asked == "newer" else 0,
            part=self._pace.part,
            asked_ns=time.monotonic_ns(),
            sender=self._sender,
            delivered=self._tally.delivered,
            dropped=dict(self._tally.dropped),
            held=sum(1 for sender, _ in self._out if sender == self._sender) + (held > 0),
        )

    def _hear(self, word: memoryview, parts: list[memoryview]) -> None:
        """Take a word of the producer."""
        now_ns = time.monotonic_ns()
        try:
            answer = _answer.decode(word)
        except msgspec.MsgspecError:
            answer = Answer(0, 0, 0, 0, 0, "", _STRANGE)
        with self._lock:
            if answer.problem:
                self._problem = answer.problem
                return
            self._problem = ""
            if answer.sender != self._sender:
                self._sender = answer.sender
                self._tally.meet()
                self._clocks.forget()
            self._clocks.learn(answer.asked_ns, answer.heard_ns, answer.sent_ns, now_ns)
            if self._asked and answer.number == self._number:
                what, self._asked = self._asked, ""
                if answer.message:
                    self._take(answer, parts, now_ns, what)
                else:
                    self._good()

    def _take(
        self, answer: Answer, parts: list[memoryview], now_ns: int, what: Literal["any", "newer"]
    ) -> None:
        """Hold a message that has come, in place of the one before."""
        self._tally.came()
        ahead_ns = self._clocks.ahead_ns or 0
        try:
            whole = joined(parts)
            header, buffers = unlay(whole)
            ours, data = on_our_clock(header, ahead_ns)
        except (MessageDamaged, msgspec.MsgspecError):
            self._finish(answer.sender, "failed")
            self._ask("any")
            return
        if self._held is not None:
            self._finish(self._held.sender, "newer")
        self._held = _Held(answer.sender, answer.message, ours, data, buffers)
        took_s = (now_ns + ahead_ns - answer.sent_ns) / 1e9
        self._check_s = min(max(_CHECK_S, 2 * took_s), _LONGEST_CHECK_S)
        # A second one in a row that took so long is how long it takes here.
        if what == "any" and self._pace.is_late(whole.nbytes, took_s):
            self._ask("newer")
        else:
            self._pace.learn(whole.nbytes, took_s)
            self._good()

    def _good(self) -> None:
        """Let what is held be handed out: there is nothing newer."""
        if self._held is not None:
            self._held.good_until_s = time.monotonic() + _FRESH_S
        os.eventfd_write(self._ready, 1)

    def _befell(self, what: Literal["up", "down", "refused"], why: str) -> None:
        """Take note of what became of the connection."""
        with self._lock:
            if what == "up":
                self._connected, self._unsaid, self._greets, self._why = True, True, True, _SILENT
                os.eventfd_write(self._ready, 1)
                return
            if why:
                self._why = why
            if self._connected:
                self._connected, self._since_s = False, time.monotonic()
                self._pace.forget()
