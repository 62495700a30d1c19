"""The receiving end of a TCP channel: asks for one message when its node is free, and checks that it is new.

A thread talks to the producer and rings an eventfd. A message that stood still on its way, or that waited
here while the node was busy, is handed out only when the producer has nothing newer, or does not answer. What
is said is `tcp_words`; messages that are here are `tcp_arrivals`.
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
from argus.flow.channels.tcp_arrivals import Arrivals
from argus.flow.channels.tcp_inquiry import Inquiry, Want
from argus.flow.channels.tcp_key import KEY_VARIABLE, expect_key, flow_key
from argus.flow.channels.tcp_sockets import ReceiverSocket
from argus.flow.channels.tcp_spec import TcpSpec
from argus.flow.channels.tcp_standing import Standing
from argus.flow.channels.tcp_tally import Ledger, Tally
from argus.flow.channels.tcp_words import VERSION, Answer, Ask, Clocks, Pace, joined

_SIGN_S: Final = 1.0
_REPORT_S: Final = 0.05
_RETRY_S: Final = 0.5
_answer: Final = msgspec.msgpack.Decoder(Answer)
_STRANGE: Final = "it is no Argus, or another version: install the same on all hosts"


class TcpReceiver(FreshReceiver):
    """See `FreshReceiver`. A message's views are of memory that nothing else uses."""

    def __init__(
        self,
        spec: TcpSpec,
        link: str,
        replica: int = 0,
        *,
        key: str | None = None,
        freshness: Freshness | None = None,
        ledger: Ledger | None = None,
    ) -> None:
        """Connect, and go on trying for as long as it is open.

        Args:
            spec: The channel.
            link: Which of its links this is an end of.
            replica: Which replica of the consumer this is, first 0.
            key: What both hosts know; None: as `ARGUS_FLOW_KEY` says.
            freshness: What the node has had of the link by its other channels; None: there are none.
            ledger: Where messages are counted; None: on the board of the channel.

        Raises:
            SpecError: the channel is secured or another host's, and here is no key.
            UnknownName: the channel does not serve the link.
        """
        known = expect_key(spec.address, key)
        if spec.secured and not known:
            raise SpecError(f"{link}: {KEY_VARIABLE} is not set in the process that receives")
        self.link = link
        self._where = f"{spec.address}:{spec.port}"
        self._session = uuid.uuid4().hex
        self._lock = threading.Lock()
        self._clocks, self._pace = Clocks(), Pace()
        self._own = Ledger.of(spec, link, replica) if ledger is None else None
        self._tally = Tally(ledger or self._own)
        self._arrivals = Arrivals(freshness or Freshness(spec.of(link).qos), self._tally)
        self._told = 0
        """Changes of the tally that the producer was told of."""
        self._inquiry = Inquiry()
        self._said_s = 0.0
        self._standing = Standing()
        self._greets = False
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
            while self._arrivals.holds:
                if self._arrivals.doubtful:
                    self._ask("newer")
                    return None
                if delivery := self._arrivals.hand_out():
                    return delivery
            if self._arrivals.over:
                return None
            self._ask("any")
            if fault := self._standing.fault:
                raise ChannelDown(f"{self.link}: {self._where}: {fault}")
        return None

    def next_look_s(self) -> float | None:
        """Return when to ask again while the producer is not there."""
        with self._lock:
            return None if self._arrivals.over or self._standing.good else _RETRY_S

    @property
    def ended(self) -> bool:
        """Whether the producer has said that the stream is over, and nothing of it is here any more."""
        with self._lock:
            return self._arrivals.over and self._arrivals.idle

    def drained(self, over_s: float | None) -> bool:
        """Return whether the producer has said that the stream is over, and all of it was handed out."""
        return self._arrivals.over and not self.held

    @property
    def gone(self) -> bool:
        """Whether nobody answers, and nothing of it is here: the end may be closed without a loss."""
        with self._lock:
            return self._arrivals.idle and not self._standing.good

    def accept(self, delivery: Delivery) -> None:
        """Count it as delivered."""
        self._take_back(delivery, None)

    def refuse(self, delivery: Delivery, reason: str) -> bool:
        """Drop it."""
        self._take_back(delivery, "failed")
        return False

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
            if self._own is not None:
                self._own.close()

    @property
    def totals(self) -> LinkCounts:
        """What became of messages here; the producer hears of it with the next request, or 50 ms later."""
        with self._lock:
            return self._tally.counts()

    @property
    def held(self) -> bool:
        """Whether a message is here that was not handed out."""
        with self._lock:
            return self._arrivals.holds

    def _take_back(self, delivery: Delivery, reason: Reason | None) -> None:
        with self._lock:
            if not self._closing and self._arrivals.done(delivery, reason):
                os.eventfd_write(self._ready, 1)  # to be asked for the next one

    def _ask(self, what: Literal["any", "newer"]) -> None:
        if self._inquiry.open(what, time.monotonic()):
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
                self._arrivals.end()
                io.say(self._word(-1))
            io.close()

    def _wait_ms(self) -> int:
        with self._lock:
            soon = self._arrivals.busy or self._told != self._tally.changes or self._inquiry.want == "newer"
            soon = soon or (self._standing.connected and (self._inquiry.unsaid or self._greets))
        return int((_REPORT_S if soon else _SIGN_S / 2) * 1000)

    def _speak(self, now_s: float) -> None:
        """Say what is due: a request, once per connection; what became of messages; a sign of life."""
        inquiry = self._inquiry
        if inquiry.in_vain(now_s):
            self._good()
        if not self._standing.connected:
            return
        if self._greets:
            # Before any request, so that the clocks are known when the first message comes.
            self._greets = not self._io.say(self._word(0))
        if inquiry.want and inquiry.unsaid:
            inquiry.unsaid = not self._io.say(self._word(inquiry.number))
        elif now_s - self._said_s > _SIGN_S:
            self._io.say(self._word(inquiry.number if inquiry.want else 0))
        elif self._told != self._tally.changes and now_s - self._said_s > _REPORT_S:
            self._io.say(self._word(0))
        else:
            return
        self._said_s = now_s

    def _word(self, number: int) -> Ask:
        self._told = self._tally.changes
        arrivals = self._arrivals
        return Ask(
            version=VERSION,
            link=self.link,
            session=self._session,
            number=number,
            newer_than=arrivals.newest if self._inquiry.want == "newer" else 0,
            part=self._pace.part,
            asked_ns=time.monotonic_ns(),
            sender=arrivals.sender,
            delivered=self._tally.delivered,
            dropped=dict(self._tally.dropped),
            held=arrivals.unfinished,
            heard=arrivals.over,
        )

    def _hear(self, word: memoryview, parts: list[memoryview]) -> None:
        """Take a word of the producer."""
        now_ns = time.monotonic_ns()
        try:
            answer = _answer.decode(word)
        except msgspec.MsgspecError:
            answer = Answer(0, 0, 0, 0, 0, "", _STRANGE)
        with self._lock:
            self._standing.problem = answer.problem
            if answer.problem:
                return
            if answer.sender != self._arrivals.sender:
                self._arrivals.meet(answer.sender)
                self._clocks.forget()
            self._clocks.learn(answer.asked_ns, answer.heard_ns, answer.sent_ns, now_ns)
            if answer.over and not self._arrivals.over:
                self._arrivals.over, self._told = True, -1  # which is to be said
            want = self._inquiry.answered(answer.number)
            if want and answer.message:
                self._take(answer, parts, now_ns, want)
            elif want:
                self._good()

    def _take(self, answer: Answer, parts: list[memoryview], now_ns: int, want: Want) -> None:
        """Hold a message that has come, in place of the one before."""
        ahead_ns = self._clocks.ahead_ns or 0
        whole = joined(parts)
        if not self._arrivals.come(answer, whole, ahead_ns):
            self._ask("any")
            return
        took_s = (now_ns + ahead_ns - answer.sent_ns) / 1e9
        self._inquiry.learn(took_s)
        # A second one in a row that took so long is how long it takes here.
        if want == "any" and self._pace.is_late(whole.nbytes, took_s):
            self._ask("newer")
        else:
            self._pace.learn(whole.nbytes, took_s)
            self._good()

    def _good(self) -> None:
        """Let what is held be handed out: there is nothing newer."""
        self._arrivals.confirm()
        os.eventfd_write(self._ready, 1)

    def _befell(self, what: Literal["up", "down", "refused"], why: str) -> None:
        """Take note of what became of the connection."""
        with self._lock:
            if what == "up":
                self._standing.up()
                self._greets = self._inquiry.unsaid = True
                os.eventfd_write(self._ready, 1)
            elif self._standing.down(why):
                self._pace.forget()
