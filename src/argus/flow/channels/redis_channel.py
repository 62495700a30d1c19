"""A DURABLE link over Redis Streams, as its owner holds it: the counts, and what follows a death.

What is in Redis stays there when a system ends and goes on with the next of its name; nobody else's keys are
read or changed. The ends are `redis_sender` and `redis_receiver`, the layout is decision 19.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
import structlog

from argus.flow.channels.protocol import ChannelDown, LinkCounts
from argus.flow.channels.redis_connection import Line
from argus.flow.channels.redis_patience import Patience
from argus.flow.channels.redis_scripts import COUNTS, ENDED, LEAVE, OPEN
from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.graph import Broker
from argus.flow.qos import Durable

_ANSWER_S: Final = 1.0
"""Seconds that the owner waits for an answer: it has others to look after."""

_T = TypeVar("_T")


class RedisChannel:
    """One sending end and the receiving ends of one link. See `Channel`. Safe from any thread."""

    fds: tuple[int, ...] = ()

    def __init__(self, spec: RedisSpec, line: Line) -> None:
        """Begin to count at what waits now; `create` is how to make one."""
        self.spec = spec
        """What the processes with an end of it are told."""
        self._lock = threading.Lock()
        self._line: Line | None = line
        self._patience = Patience()
        self._not_before_s = 0.0
        self._closed = False
        self.stale = False
        """Whether the counts are those of a while ago, as Redis does not answer."""
        self._log = structlog.get_logger().bind(link=spec.link)
        self._before = LinkCounts()
        now = self._asked(line)
        # What the runs before this one did is not told; what they left waiting is.
        self._before = LinkCounts(
            sent=now.sent - now.pending,
            delivered=now.delivered,
            dropped=now.dropped,
            redelivered=now.redelivered,
        )
        self._last = LinkCounts(sent=now.pending, pending=now.pending)

    @classmethod
    def create(
        cls,
        system: str,
        link: str,
        qos: Durable,
        replicas: int,
        broker: Broker,
        *,
        sender: int = 0,
        sender_pod: str = "",
        consumer_pod: str = "",
        senders: int = 1,
        within_s: float = 10.0,
    ) -> RedisChannel:
        """Make the channel, or take it up where it is there already.

        Args:
            system: The system's name: two of one name on one Redis are parts of the same system.
            link: Its id.
            qos: What it promises.
            replicas: Of the consumer.
            broker: Where Redis is.
            sender: The producer's replica.
            sender_pod: Which pod it is of, where several send by this channel.
            consumer_pod: Which pod the consumer is of, where several receive.
            senders: How many send by this channel.
            within_s: Seconds that Redis may take to be there.

        Raises:
            ChannelDown: it is not there.
        """
        assert broker.control is not None
        spec = RedisSpec(
            system=system,
            link=link,
            sender=sender,
            sender_pod=sender_pod,
            consumer_pod=consumer_pod,
            senders=senders,
            qos=qos,
            replicas=replicas,
            control=broker.control,
            data=broker.data,
        )
        until_s, patience = time.monotonic() + within_s, Patience()
        while True:
            try:
                line = Line(spec.control, answer_s=_ANSWER_S)
                line.run(OPEN, spec.keys.all)
                _look_at_policy(line)
                if spec.data is not None:
                    Line(spec.data).close()
                end, had = line.run(ENDED, spec.keys.all, *_asking(spec), b"0")
                return cls(msgspec.structs.replace(spec, heard=end.decode() if had else ""), line)
            except ChannelDown:
                if time.monotonic() > until_s:
                    raise
                time.sleep(patience.next_s())

    def counts(self) -> dict[str, LinkCounts]:
        """Return what became of its messages since then; the last known where Redis does not answer."""
        with self._lock:
            self.stale = True
            with contextlib.suppress(ChannelDown):
                self._last = self._ask(self._asked)
                self.stale = False
            return {self.spec.link: self._last}

    def heard(self) -> None:
        """Hear that the consumer ends because the stream is over: whoever comes later waits for a new one.

        Where Redis does not answer, a later run may take this end for its own, and have nothing to do.
        """
        with self._lock, contextlib.suppress(ChannelDown):
            self._ask(lambda line: line.run(ENDED, self.spec.keys.all, *_asking(self.spec), b"1"))

    def forget(self, link: str, replica: int, reason: str) -> None:
        """Hear that a receiving process has died: what it had in hand has failed, the rest is anybody's.

        Where Redis does not answer, its successor says so itself, without the reason.
        """
        most, consumer = b"%d" % self.spec.qos.tries, self.spec.consumer(replica)
        why = reason.encode(errors="replace")
        told = (self.spec.keys.all, consumer, b"1", why, most, _now().encode(), link.encode())
        with self._lock:
            try:
                self._ask(lambda line: line.run(LEAVE, *told))
            except ChannelDown:
                self._log.warning("flow.redis_not_told", replica=replica, reason=reason)

    def close(self) -> None:
        """Leave it; what waits stays in Redis. Idempotent."""
        with self._lock:
            self._closed = True
            if self._line is not None:
                self._line.close()
                self._line = None

    def _ask(self, question: Callable[[Line], _T]) -> _T:
        """Return an answer; a connection that has broken since the last question is made anew, once.

        Raises:
            ChannelDown: Redis does not answer.
        """
        if self._line is None and time.monotonic() < self._not_before_s:
            raise ChannelDown(f"redis at {self.spec.where} is not reachable: it is tried again")
        old = self._line is not None
        began_s = time.monotonic()
        try:
            return question(self._connected())
        except ChannelDown as error:
            self._lost(error)
            if not old or time.monotonic() - began_s > _ANSWER_S / 2:
                raise
        try:
            return question(self._connected())
        except ChannelDown as error:
            self._lost(error)
            raise

    def _connected(self) -> Line:
        if self._closed:
            raise ChannelDown(f"{self.spec.link}: the channel is closed")
        if self._line is None:
            self._line = Line(self.spec.control, answer_s=_ANSWER_S)
            self._line.run(OPEN, self.spec.keys.all)
            self._patience.reset()
        return self._line

    def _lost(self, error: ChannelDown) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None
            self._log.warning("flow.redis_down", error=str(error))
        self._not_before_s = time.monotonic() + self._patience.next_s()

    def _asked(self, line: Line) -> LinkCounts:
        pending, told = line.run(COUNTS, self.spec.keys.all)
        return _since(self._before, pending, [int(n or 0) for n in told])


def _asking(spec: RedisSpec) -> tuple[bytes, bytes]:
    """Return what tells whether the stream is over: how many must say so, and after how long one is dead."""
    return b"%d" % spec.senders, b"%d" % int(spec.silent_s * 1000)


def _since(before: LinkCounts, pending: int, told: list[Any]) -> LinkCounts:
    sent, delivered, dead, redelivered = told
    dead -= before.dropped.get("dead", 0)
    return LinkCounts(
        sent=sent - before.sent,
        delivered=delivered - before.delivered,
        dropped={"dead": dead} if dead else {},
        pending=pending,
        redelivered=redelivered - before.redelivered,
    )


def _look_at_policy(line: Line) -> None:
    """Warn of a server that throws keys away when its memory is full."""
    try:
        policy = line.call(b"CONFIG", b"GET", b"maxmemory-policy")
    except ChannelDown:  # not everybody may ask
        return
    if len(policy) == 2 and policy[1].startswith(b"allkeys"):
        structlog.get_logger().warning(
            "flow.redis_evicts",
            policy=policy[1].decode(),
            follows="messages are lost when its memory is full",
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
