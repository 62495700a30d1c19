"""The receiving end of a Redis channel: one thread reads ahead, another settles what was looked at.

What is handed out is first written down at the server (the *hand* of this consumer), without waiting
for it: after a kill it tells which message was in `loop`, and which had been accepted though the
server had not been told. Acknowledgements go in batches, as many as came together while the one
before was under way. While the server does not answer nothing is handed out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

from argus.flow.channels.protocol import ChannelDown, Delivery, ReliableReceiver
from argus.flow.channels.redis_connection import Line
from argus.flow.channels.redis_hand import Hand
from argus.flow.channels.redis_patience import ANSWER_S, Patience
from argus.flow.channels.redis_reader import Reader
from argus.flow.channels.redis_settler import Settler
from argus.flow.channels.redis_spec import RedisSpec


class RedisReceiver(ReliableReceiver):
    """See `ReliableReceiver`. A message that failed holds back those of its origin in its own replica."""

    def __init__(
        self, spec: RedisSpec, replica: int = 0, last_end: str = "", *, answer_s: float = ANSWER_S
    ) -> None:
        """Begin to read ahead.

        Args:
            spec: The channel.
            replica: Which of the consumer's replicas this is; one living process each.
            last_end: How the process before ended, where that is known.
            answer_s: Seconds without a sign of the server after which another connection is tried.
        """
        self.link = spec.link
        self._spec, self._answer_s = spec, answer_s
        me = spec.consumer(replica)
        self._hand = Hand(spec.qos, spec.replicas)
        self._reader = Reader(spec, me, self._hand, answer_s, last_end)
        self._settler = Settler(spec, me, self._hand, answer_s)
        self._down: dict[str, str | None] = {"read": None, "settle": None}
        """Why a thread has no connection; empty: it has, None: it never had one."""
        self._lines: dict[str, Line] = {}
        self._ending, self._killed = threading.Event(), False
        self._said_down = False
        self._log = structlog.get_logger().bind(link=spec.link, replica=replica)
        self._threads = {
            name: threading.Thread(
                target=self._keep, args=(name, work), name=f"argus-redis-{name}", daemon=True
            )
            for name, work in (("read", self._reader.read), ("settle", self._settle))
        }
        for thread in self._threads.values():
            thread.start()

    def fileno(self) -> int:
        """Return the descriptor that tells of something to receive."""
        return self._hand.fileno()

    def receive(self) -> Delivery | None:
        """Return the next message, if there is one.

        Raises:
            ChannelDown: Redis does not answer.
        """
        with self._hand.lock:
            reasons = [reason for reason in self._down.values() if reason != ""]
            if reasons or not self._settler.ready:
                self._hand.quiet()
                reason = next((reason for reason in reasons if reason), None)
                if reason is None:
                    return None
                raise ChannelDown(reason)
            item = self._hand.take()
            if item is None:
                return None
            try:
                self._settler.whisper()
            except ChannelDown as error:
                self._hand.put_back(item)
                self._fell("settle", str(error))
                raise
        return Delivery(item.header, item.data, item.buffers, item.failed + 1, item.id)

    def accept(self, delivery: Delivery) -> None:
        """Say that it was looked at; the server hears of it within moments."""
        self._hand.accept(delivery.handle)

    def refuse(self, delivery: Delivery, reason: str) -> bool:
        """Let it come again after a pause, or make it a dead letter."""
        return self._hand.refuse(delivery.handle, reason)

    def set_aside(self, delivery: Delivery) -> None:
        """Let the server know that it only waits; not while the server is away."""
        if self._hand.set_aside(delivery.handle):
            self._write_down()

    def take_up(self, delivery: Delivery) -> None:
        """Let the server know that it is looked at; not while the server is away."""
        if self._hand.take_up(delivery.handle):
            self._write_down()

    def next_look_s(self) -> float | None:
        """Return when the first that waits for another try may be had."""
        return self._hand.next_s()

    @property
    def up(self) -> bool:
        """Whether both threads have a connection that works."""
        with self._hand.lock:
            return self._settler.ready and not any(reason != "" for reason in self._down.values())

    @property
    def ended(self) -> bool:
        """Whether the producer has said that the stream is over, and everything of it was settled."""
        return self._reader.ended

    def drained(self, over_s: float | None) -> bool:
        """Return whether nothing waits here, nor at the server when it was asked after the stream's end."""
        with self._hand.lock:
            return self.up and not self._hand.has_more and self._reader.found_nothing(over_s)

    def flush(self, within_s: float = 5.0) -> bool:
        """Wait until the server knows what was accepted and refused; return whether it does."""
        return self._hand.await_told(within_s)

    def close(self, *, goodbye: bool = True) -> None:
        """Close this end; idempotent.

        Args:
            goodbye: False ends as a killed process does: the server is told nothing.
        """
        if self._ending.is_set():
            return
        with self._hand.lock:
            self._killed = not goodbye
            self._ending.set()
            for name, line in self._lines.items():
                if name == "read" or self._killed:
                    line.interrupt()
        self._hand.wake()
        for thread in self._threads.values():
            thread.join()
        self._settler.close()
        self._hand.close()

    def _write_down(self) -> None:
        with self._hand.lock:
            if self._settler.ready:
                try:
                    self._settler.whisper()
                except ChannelDown as error:
                    self._fell("settle", str(error))

    def _settle(self, line: Line, begun: Callable[[], None], ending: Callable[[], bool]) -> None:
        """Settle until the end, then give back what was not accepted."""
        self._settler.settle(line, begun, ending)
        if not self._killed:
            self._threads["read"].join()
            self._reader.leave(line, died=False, keep=[])

    def _keep(self, name: str, work: Callable[..., None]) -> None:
        """Do a thread's work for as long as this end is open, over as many connections as it takes."""
        patience = Patience()

        def begun() -> None:
            patience.reset()
            self._rose(name)

        while not self._ending.is_set():
            try:
                line = Line(self._spec.control, answer_s=self._answer_s)
            except ChannelDown as error:
                self._fell(name, str(error))
                self._ending.wait(patience.next_s())
                continue
            with self._hand.lock:
                self._lines[name] = line
            try:
                work(line, begun, self._ending.is_set)
            except ChannelDown as error:
                if not self._ending.is_set():
                    self._fell(name, str(error))
                    self._ending.wait(patience.next_s())
            finally:
                with self._hand.lock:
                    del self._lines[name]
                line.close()

    def _fell(self, name: str, reason: str) -> None:
        with self._hand.lock:
            self._down[name] = reason
            if not self._said_down:
                self._said_down = True
                self._log.warning("flow.redis_down", error=reason, in_hand=len(self._hand))
            self._hand.signal()

    def _rose(self, name: str) -> None:
        with self._hand.lock:
            self._down[name] = ""
            if not any(self._down.values()):
                if self._said_down:
                    self._said_down = False
                    self._log.info("flow.redis_back")
                self._hand.signal()
