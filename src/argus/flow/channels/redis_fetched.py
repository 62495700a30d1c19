"""What a receiving end has read ahead: messages in order, those held back by a retry among them.

Decisions over times that are given; nothing is fetched or waited for here.
"""

from __future__ import annotations

from bisect import insort
from collections.abc import Collection
from typing import Any, Final

import msgspec

from argus.flow.channels.redis_clock import Clock
from argus.flow.codec import peek
from argus.flow.message import Header, Hop
from argus.flow.wire import MessageDamaged, unlay

_AHEAD: Final = 128
"""Messages that may be read ahead."""
_AHEAD_BYTES: Final = 16 * 1024 * 1024
"""Bytes that may be; at least one message is."""
_SOON_S: Final = 0.25
"""One of several replicas has messages for so long ahead, at the pace it has taken them lately."""
_HELD_BACK: Final = 1000
"""Messages of origins with a retry that may lie here too."""


class Fetched:
    """An entry, read."""

    __slots__ = (
        *(
            "at",
            "blob",
            "buffers",
            "data",
            "failed",
            "fault",
            "header",
            "id",
            "not_before_s",
            "size",
            "stamp",
        ),
    )

    header: Header
    data: memoryview
    buffers: tuple[memoryview, ...]

    def __init__(self, id_: bytes, failed: int, size: int, stamp: bytes, blob: bytes) -> None:
        """Begin with what an entry says of its message."""
        self.id, self.failed, self.size, self.stamp, self.blob = id_, failed, size, stamp, blob
        ms, _, number = id_.partition(b"-")
        self.at = (int(ms), int(number))
        self.not_before_s = 0.0
        self.fault = ""
        """Why it can never be read."""

    @classmethod
    def of(cls, entry: Any, failed: int, clock: Clock) -> Fetched:
        """Return an entry as the server gives it; a blob is still to be read."""
        id_, fields = entry
        named = dict(zip(fields[::2], fields[1::2], strict=True))
        size = size_in(named.get(b"s", b""))
        item = cls(id_, failed, size, named.get(b"k", b""), named.get(b"b", b""))
        if not item.blob:
            item.read(named.get(b"m", b""), clock)
        return item

    def read(self, message: bytes | None, clock: Clock) -> None:
        """Read the message; `fault` says why where that cannot be."""
        if message is None:
            self.fault = (
                "its bytes are gone from the data Redis: it was restarted without a file, or it evicts keys"
            )
            return
        try:
            self.data, self.buffers = unlay(memoryview(message))
            header = peek(self.data)
            shift_ns = clock.shift_ns(self.stamp) if self.stamp else 0
        except (MessageDamaged, ValueError) as error:
            self.fault = f"{type(error).__name__}: {error}"
            return
        self.header = _shifted(header, shift_ns) if shift_ns else header

    def __lt__(self, other: Fetched) -> bool:
        """Order by the time of sending."""
        return self.at < other.at


class Shelf:
    """Messages that were read and not handed out yet; used under its owner's lock."""

    def __init__(self, replicas: int) -> None:
        """Begin empty."""
        self._replicas = replicas
        self._items: list[Fetched] = []
        self._ids: set[bytes] = set()
        self._bytes = 0
        self._retries = 0
        self._pace_s, self._taken_s = 0.05, 0.0
        self.waiting = 0
        """What waits in the channel, ours and others' too, as last heard."""

    def __len__(self) -> int:
        """Return how many lie here."""
        return len(self._items)

    def __contains__(self, item: Fetched) -> bool:
        """Return whether an entry of that id lies here."""
        return item.id in self._ids

    def add(self, item: Fetched) -> None:
        """Put one in its place."""
        if not self._items or self._items[-1].at < item.at:
            self._items.append(item)
        else:
            insort(self._items, item)
        self._ids.add(item.id)
        self._bytes += item.size
        self._retries += item.failed > 0

    put_back = add

    def discard(self, item: Fetched) -> None:
        """Take one out, if it is here."""
        if item.id in self._ids:
            self._pop(next(at for at, other in enumerate(self._items) if other.id == item.id))

    def keep(self, ids: Collection[bytes]) -> None:
        """Take all out but these."""
        kept = [item for item in self._items if item.id in ids]
        self._items.clear()
        self._ids.clear()
        self._bytes = self._retries = 0
        for item in kept:
            self.add(item)

    def take(self, now_s: float) -> Fetched | None:
        """Take the first out that may be handed out now."""
        at = self._first(now_s)
        if at is None:
            return None
        self._pace_s += 0.2 * (min(1.0, now_s - self._taken_s) - self._pace_s)
        self._taken_s = now_s
        return self._pop(at)

    def next_s(self, now_s: float) -> float | None:
        """Return in how many seconds the first retry may be taken; None: none waits."""
        if not self._retries:
            return None
        return max(0.0, min(i.not_before_s for i in self._items if i.failed) - now_s)

    def room(self, out: int) -> int:
        """Return how many more may be read while so many are handed out.

        One of several replicas reads ahead only while there is plenty, and only what it will soon look at:
        what it has another cannot do.
        """
        if self._replicas == 1:
            ahead = _AHEAD
            free = len(self._items) - (self._held_back() if self._retries else 0)
        else:
            soon = int(_SOON_S / max(self._pace_s, 1e-6))
            ahead = min(_AHEAD, self.waiting // (4 * self._replicas), soon)
            free = len(self._items) - self._retries
        if len(self._items) >= _HELD_BACK or (self._bytes >= _AHEAD_BYTES and self._items):
            return 0
        want = ahead - free
        # Read when half of what was ahead is gone: few large answers cost less than many small ones.
        return max(want if 2 * want >= ahead else 0, 1 - free - out)

    def _held_back(self) -> int:
        """Return how many wait for a retry of their origin, the retries with them."""
        sources = {i.header.origin.source for i in self._items if i.failed}
        return sum(i.header.origin.source in sources for i in self._items)

    def _first(self, now_s: float) -> int | None:
        if not self._retries:
            return 0 if self._items else None
        blocked = set()
        for at, item in enumerate(self._items):
            source = item.header.origin.source
            if source in blocked:
                continue
            if item.not_before_s <= now_s:
                return at
            blocked.add(source)
        return None

    def _pop(self, at: int) -> Fetched:
        item = self._items.pop(at)
        self._ids.discard(item.id)
        self._bytes -= item.size
        self._retries -= item.failed > 0
        return item


def size_in(said: str | bytes) -> int:
    """Return the bytes that an entry says it has; 0 where it says what cannot be, as somebody else's may."""
    return int(said) if said.isdigit() and said.isascii() and len(said) < 15 else 0


def _shifted(header: Header, ns: int) -> Header:
    """Return a header with its times in this host's clock."""
    hops = tuple(Hop(h.node, h.received_ns + ns, h.sent_ns + ns) for h in header.hops)
    origin = msgspec.structs.replace(header.origin, born_ns=header.origin.born_ns + ns)
    return Header(header.id, origin, hops)
