"""Channels within one process: for debugging, for tests, and what the other transports are compared with.

Messages are kept as they are, not as bytes, unless a link asks for JPEG; nothing is copied.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections import deque
from collections.abc import Callable, Sequence

from argus.flow.channels.freshness import Freshness
from argus.flow.channels.protocol import (
    ChannelClosed,
    Delivery,
    FreshReceiver,
    LinkCounts,
    ReliableReceiver,
    Sender,
)
from argus.flow.message import Header
from argus.flow.qos import Durable, Realtime
from argus.flow.wire import Packed, unlay

Dead = Callable[[str, bytes, str, int], None]
"""Takes a dead letter: its link, the message as it lies on a wire, why, and after how many tries."""


class _Waiting:
    """A message and how often it was tried."""

    __slots__ = ("aside", "data", "header", "not_before_s", "tries")

    def __init__(self, header: Header, data: bytes) -> None:
        self.header, self.data, self.tries, self.not_before_s, self.aside = header, data, 0, 0.0, False


class MemoryChannel:
    """One sending end and the receiving ends of several links; used by one thread. See `Channel`."""

    fds: tuple[int, ...] = ()

    def __init__(self, links: Sequence[tuple[str, Realtime | Durable]], dead: Dead | None = None) -> None:
        """Begin empty; `dead` takes dead letters."""
        self._ends: dict[str, MemoryFresh | MemoryReliable] = {
            link: MemoryFresh(link, qos) if isinstance(qos, Realtime) else MemoryReliable(link, qos, dead)
            for link, qos in links
        }
        self.closed = False

    def sender(self) -> MemorySender:
        """Return the sending end."""
        return MemorySender(tuple(self._ends.values()))

    def receiver(self, link: str) -> MemoryFresh | MemoryReliable:
        """Return the receiving end of a link."""
        return self._ends[link]

    def counts(self) -> dict[str, LinkCounts]:
        """Return what became of its messages, by link."""
        return {link: end.counts for link, end in self._ends.items()}

    def forget(self, link: str, replica: int, reason: str) -> None:
        """Take back what a receiver held: nobody dies alone in one process, but tests play it."""
        self._ends[link].take_back(reason)

    def close(self) -> None:
        """Free everything."""
        for end in self._ends.values():
            end.close()


class MemorySender(Sender):
    """See `Sender`."""

    def __init__(self, ends: Sequence[MemoryFresh | MemoryReliable]) -> None:
        """Send to all of `ends`."""
        self._ends = ends

    def send(self, packed: Packed, header: Header, stopping: Callable[[], bool]) -> None:
        """Send a message."""
        data = bytes(packed.to_bytes())
        for end in self._ends:
            while end.full:
                if stopping():
                    raise ChannelClosed(f"{end.link}: the system is ending, and the link is full")
                time.sleep(0.002)
            end.put(_Waiting(header, data))

    def close(self) -> None:
        """Nothing is held."""


class _End:
    """What both kinds do the same way."""

    def __init__(self, link: str) -> None:
        self.link = link
        self.counts = LinkCounts(dropped={})
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._out: dict[int, _Waiting] = {}

    def fileno(self) -> int:
        return self._event

    def close(self) -> None:
        if self._event >= 0:
            os.close(self._event)
            self._event = -1

    def _signal(self) -> None:
        if self._event >= 0:
            os.eventfd_write(self._event, 1)

    def _clear(self) -> None:
        with contextlib.suppress(BlockingIOError):
            os.eventfd_read(self._event)

    def _hand_out(self, item: _Waiting) -> Delivery:
        item.tries += 1
        item.aside = False
        self.counts.redelivered += item.tries > 1
        self._out[id(item)] = item
        data, buffers = unlay(memoryview(item.data))
        return Delivery(item.header, data, buffers, item.tries, item)

    def _drop(self, reason: str) -> None:
        self.counts.pending -= 1
        self.counts.dropped[reason] = self.counts.dropped.get(reason, 0) + 1

    def accept(self, delivery: Delivery) -> None:
        if self._out.pop(id(delivery.handle), None) is not None:
            self.counts.pending -= 1
            self.counts.delivered += 1


class MemoryFresh(_End, FreshReceiver):
    """See `FreshReceiver`."""

    full = False

    def __init__(self, link: str, qos: Realtime) -> None:
        """Begin empty."""
        super().__init__(link)
        self._freshness = Freshness(qos)
        self._newest: _Waiting | None = None

    def put(self, item: _Waiting) -> None:
        """Take the place of what waits."""
        self.counts.sent += 1
        self.counts.pending += 1
        if self._newest is not None:
            self._drop("newer")
        self._newest = item
        self._signal()

    def receive(self) -> Delivery | None:
        """Return the newest, if it is fresh."""
        self._clear()
        item, self._newest = self._newest, None
        if item is None:
            return None
        fault = self._freshness.fault(item.header)
        if fault is not None:
            self._drop(fault)
            return None
        return self._hand_out(item)

    def refuse(self, delivery: Delivery, reason: str) -> bool:
        """Drop it."""
        if self._out.pop(id(delivery.handle), None) is not None:
            self._drop("failed")
        return False

    def take_back(self, reason: str) -> None:
        """Drop what was being looked at."""
        for _ in range(len(self._out)):
            self._drop("failed")
        self._out.clear()


class MemoryReliable(_End, ReliableReceiver):
    """See `ReliableReceiver`."""

    def __init__(self, link: str, qos: Durable, dead: Dead | None) -> None:
        """Begin empty."""
        super().__init__(link)
        self._qos = qos
        self._dead = dead
        self._queue: deque[_Waiting] = deque()

    @property
    def full(self) -> bool:
        """Whether no more can wait."""
        return len(self._queue) + len(self._out) >= self._qos.capacity

    def put(self, item: _Waiting) -> None:
        """Wait behind the others."""
        self.counts.sent += 1
        self.counts.pending += 1
        self._queue.append(item)
        self._signal()

    def receive(self) -> Delivery | None:
        """Return the next, unless it must wait for another try."""
        self._clear()
        if not self._queue or self._queue[0].not_before_s > time.monotonic():
            return None
        item = self._queue.popleft()
        if self._queue:
            self._signal()
        return self._hand_out(item)

    def next_look_s(self) -> float | None:
        """Return when the first that waits may be tried again."""
        if not self._queue or not self._queue[0].not_before_s:
            return None
        return max(0.0, self._queue[0].not_before_s - time.monotonic())

    def drained(self, over_s: float | None) -> bool:
        """Return whether nothing waits, as nothing more will be sent."""
        return over_s is not None and not self._queue

    def refuse(self, delivery: Delivery, reason: str) -> bool:
        """Let it wait for another try, or make it a dead letter."""
        item = self._out.pop(id(delivery.handle), None)
        return item is not None and self._again(item, reason)

    def set_aside(self, delivery: Delivery) -> None:
        """Take its try back."""
        delivery.handle.aside = True

    def take_up(self, delivery: Delivery) -> None:
        """Count its try again."""
        delivery.handle.aside = False

    def take_back(self, reason: str) -> None:
        """Do so with what was being looked at."""
        for item in reversed(self._out.values()):
            if item.aside:
                item.tries -= 1
                self._queue.appendleft(item)
            else:
                self._again(item, reason)
        self._out.clear()
        self._signal()

    def _again(self, item: _Waiting, reason: str) -> bool:
        if item.tries >= self._qos.tries:
            if self._dead is not None:
                self._dead(self.link, item.data, reason, item.tries)
            self._drop("dead")
            return False
        item.not_before_s = time.monotonic() + self._qos.delay_s(item.tries)
        self._queue.appendleft(item)
        self._signal()
        return True
