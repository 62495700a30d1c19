"""What one receiving end has: read ahead, in hand, accepted and not told, failed and not told.

Three threads share it: the consumer's, the one that reads ahead and the one that settles. No byte is moved
here; who waits, waits on its conditions.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Sequence
from typing import NamedTuple

from argus.flow.channels.redis_fetched import Fetched, Shelf
from argus.flow.qos import Durable


class Failed(NamedTuple):
    """A failed try that the server is to hear of."""

    item: Fetched
    reason: str
    tries: int
    """Which try it was."""
    last: bool
    """Whether it becomes a dead letter whatever its tries are: it cannot be read."""


class Hand:
    """See the module. Safe from any thread; methods hold the lock while they work."""

    def __init__(self, qos: Durable, replicas: int) -> None:
        """Begin empty."""
        self._qos = qos
        self.lock = threading.RLock()
        self._room = threading.Condition(self.lock)
        self._work = threading.Condition(self.lock)
        self._told = threading.Condition(self.lock)
        self._shelf = Shelf(replicas)
        self._out: dict[bytes, Fetched] = {}
        self._aside: dict[bytes, Fetched] = {}
        self._accepted: deque[Fetched] = deque()
        self._failed: deque[Failed] = deque()
        self._settling: dict[bytes, Fetched] = {}
        self._event = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._signalled = self._hungry = False

    def fileno(self) -> int:
        """Return a descriptor that is readable until `quiet`."""
        return self._event

    def signal(self) -> None:
        """Make the descriptor readable."""
        with self.lock:
            if self._event >= 0 and not self._signalled:
                self._signalled = True
                os.eventfd_write(self._event, 1)

    def quiet(self) -> None:
        """Make it silent."""
        with self.lock:
            if self._signalled:
                self._signalled = False
                os.eventfd_read(self._event)

    def close(self) -> None:
        """Close the descriptor."""
        with self.lock:
            os.close(self._event)
            self._event = -1

    def take(self) -> Fetched | None:
        """Take the next message in hand, if there is one."""
        with self.lock:
            item = self._shelf.take(time.monotonic())
            if item is None:
                self.quiet()
            else:
                self._out[item.id] = item
                if self._hungry:
                    self._room.notify()
            return item

    def put_back(self, item: Fetched) -> None:
        """Put one back that could not be handed out."""
        with self.lock:
            del self._out[item.id]
            self._shelf.add(item)

    @property
    def has_more(self) -> bool:
        """Whether something was read that waits to be handed out, for the first time or again."""
        return len(self._shelf) > 0

    def said(self) -> bytes:
        """Return what is looked at, and what was accepted that the server may not know of."""
        with self.lock:
            return b" ".join(self._out) + b"|" + b" ".join([item.id for item in self._accepted])

    def set_aside(self, id_: bytes) -> bool:
        """Note that one waits for others; return whether it is here."""
        return self._move(id_, self._out, self._aside)

    def take_up(self, id_: bytes) -> bool:
        """Note that one does not any more; return whether it is here."""
        return self._move(id_, self._aside, self._out)

    def accept(self, id_: bytes) -> None:
        """Let one go that was looked at, or that waited for others in vain."""
        with self.lock:
            item = self._out.pop(id_, None) or self._aside.pop(id_, None)
            if item is not None:
                self._accepted.append(item)
                self._settling[item.id] = item
                if len(self._accepted) == 1:
                    self._work.notify()
                if self._hungry:
                    self._room.notify()

    def refuse(self, id_: bytes, reason: str) -> bool:
        """Let one come again after a pause, or not at all; return whether it does."""
        with self.lock:
            item = self._out.pop(id_, None)
            if item is None:
                return False
            tries = item.failed + 1
            again = tries < self._qos.tries
            self._fail(Failed(item, reason, tries, last=False))
            if again:
                item.failed = tries
                item.not_before_s = time.monotonic() + self._qos.delay_s(tries)
                self._shelf.add(item)
            self._room.notify()
            self.signal()
            return again

    def next_s(self) -> float | None:
        """Return in how many seconds the first retry may be had; None: none waits."""
        with self.lock:
            return self._shelf.next_s(time.monotonic())

    def room(self) -> int:
        """Return how many more may be read ahead."""
        with self.lock:
            return self._shelf.room(len(self))

    def await_room(self, within_s: float) -> None:
        """Wait until more may be read ahead, or `wake`."""
        with self._room:
            if self.room() <= 0:
                self._hungry = True
                self._room.wait(within_s)
                self._hungry = False

    def kept(self) -> list[bytes]:
        """Drop what was read ahead, and return what stays ours: in hand, or to be told of."""
        with self.lock:
            self._shelf.keep(self._settling)
            return [*self._out, *self._aside, *self._settling]

    def put(self, items: Sequence[Fetched], waiting: int) -> None:
        """Add what was read; what is ours already is left out, what cannot be read has failed."""
        with self.lock:
            self._shelf.waiting = waiting
            for item in items:
                ours = item.id in self._out or item.id in self._aside or item.id in self._settling
                if ours or item in self._shelf:
                    continue
                if item.fault:
                    self._fail(Failed(item, item.fault, item.failed + 1, last=True))
                else:
                    if item.failed:
                        item.not_before_s = time.monotonic() + self._qos.delay_s(item.failed)
                    self._shelf.add(item)
            if items:
                self.signal()

    def await_work(self, within_s: float) -> None:
        """Wait until the server is to be told something, or `wake`."""
        with self._work:
            if not self._accepted and not self._failed:
                self._work.wait(within_s)

    def to_tell(self, most: int) -> tuple[list[Fetched], Failed | None]:
        """Return what was accepted, so many at most, and the first failure, that the server is to hear of."""
        with self.lock:
            accepted = [self._accepted[at] for at in range(min(most, len(self._accepted)))]
            return accepted, self._failed[0] if self._failed else None

    def told_accepted(self, items: Sequence[Fetched]) -> None:
        """Hear that the server knows what was accepted."""
        with self.lock:
            for item in items:
                self._accepted.popleft()
                self._settling.pop(item.id, None)
            self._told.notify_all()

    def told_failed(self, failure: Failed, *, over: bool) -> None:
        """Hear that the server knows of the first failure; `over`: it does not come again."""
        with self.lock:
            self._failed.popleft()
            if all(other.item.id != failure.item.id for other in self._failed):
                self._settling.pop(failure.item.id, None)
            if over:
                self._shelf.discard(failure.item)
            self._told.notify_all()

    @property
    def all_told(self) -> bool:
        """Whether the server knows everything."""
        return not self._accepted and not self._failed

    def await_told(self, within_s: float) -> bool:
        """Wait until the server knows everything; return whether it does."""
        with self._told:
            return self._told.wait_for(lambda: self.all_told, within_s)

    def wake(self) -> None:
        """Let whoever waits look around."""
        with self.lock:
            self._work.notify_all()
            self._room.notify_all()

    def __len__(self) -> int:
        """Return how many messages are in hand."""
        return len(self._out) + len(self._aside)

    def _move(self, id_: bytes, source: dict[bytes, Fetched], target: dict[bytes, Fetched]) -> bool:
        with self.lock:
            item = source.pop(id_, None)
            if item is not None:
                target[id_] = item
            return item is not None

    def _fail(self, failure: Failed) -> None:
        self._settling[failure.item.id] = failure.item
        self._failed.append(failure)
        self._work.notify()
