"""Where frames wait for their turn: the newest alone, or every one in order.

A box holds frames and says which it lets go. Not safe from several threads by itself: `feed` holds
the lock. Nothing is counted here.
"""

from __future__ import annotations

from collections import deque
from typing import NamedTuple, Protocol

from argus.core.frame import Frame


class Waiting(NamedTuple):
    """A frame and since when it exists."""

    frame: Frame
    born_s: float
    """`time.monotonic()` at which it arrived from the camera, or was decoded where that is not known."""


class Box(Protocol):
    """Frames of one pipeline that wait."""

    def __len__(self) -> int:
        """How many wait."""
        ...

    @property
    def capacity(self) -> int:
        """How many may wait."""
        ...

    @property
    def full(self) -> bool:
        """True where `put` would have to let a frame go."""
        ...

    def put(self, item: Waiting) -> Waiting | None:
        """Take a frame; return the one that had to go for it, which may be the same."""
        ...

    def take(self) -> Waiting | None:
        """Give the next frame."""
        ...

    def put_back(self, item: Waiting) -> bool:
        """Take a frame back that was taken and not looked at; False where it is no longer wanted."""
        ...

    def empty(self) -> int:
        """Let all go and return how many they were."""
        ...


class Newest:
    """A single slot: a slow reader loses frames, never time."""

    capacity = 1

    def __init__(self) -> None:
        self._item: Waiting | None = None

    def __len__(self) -> int:
        return self._item is not None

    @property
    def full(self) -> bool:
        """True where a frame waits."""
        return self._item is not None

    def put(self, item: Waiting) -> Waiting | None:
        """Take a frame in place of the one that waits."""
        before, self._item = self._item, item
        return before

    def take(self) -> Waiting | None:
        """Give the frame."""
        item, self._item = self._item, None
        return item

    def put_back(self, item: Waiting) -> bool:
        """Take a frame back, unless a newer one has come."""
        if self._item is not None:
            return False
        self._item = item
        return True

    def empty(self) -> int:
        """Let it go."""
        return self.take() is not None


class Every:
    """A bounded queue, in order."""

    def __init__(self, capacity: int) -> None:
        self.capacity = capacity
        self._items: deque[Waiting] = deque()

    def __len__(self) -> int:
        return len(self._items)

    @property
    def full(self) -> bool:
        """True where no further frame has room."""
        return len(self._items) >= self.capacity

    def put(self, item: Waiting) -> Waiting | None:
        """Take a frame at the end; it goes itself where there is no room."""
        if self.full:
            return item
        self._items.append(item)
        return None

    def take(self) -> Waiting | None:
        """Give the oldest frame."""
        return self._items.popleft() if self._items else None

    def put_back(self, item: Waiting) -> bool:
        """Take a frame back before those that follow it in the stream; there is always room for it."""
        before = sum(other.frame.index < item.frame.index for other in self._items)
        self._items.insert(before, item)
        return True

    def empty(self) -> int:
        """Let all go."""
        count = len(self._items)
        self._items.clear()
        return count
