"""Putting what several replicas hand on into the order of its origin again.

Decisions over times that are given; what a message is, is the caller's.

The idea of a bounded wait for what is late is that of allowed lateness in stream processing (Akidau et al.,
"The Dataflow Model", 2015). It is rarely needed: a step between messages that is as long as the least, but
not twice as long, hides nothing.
"""

from __future__ import annotations

from bisect import insort_right
from collections import deque
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from argus.flow.qos import COMES_AGAIN_S

T = TypeVar("T")

At = tuple[int, int]
"""Where a message stands: life and index of its origin."""

_ROOM: Final = 256
_ROOM_BYTES: Final = 64 * 1024 * 1024
_STEPS: Final = 16


@dataclass(slots=True, eq=False)
class _Early(Generic[T]):
    """A message that waits for its turn."""

    at: At
    since_s: float
    size: int
    item: T


@dataclass(slots=True)
class _Origin(Generic[T]):
    """What is known of one source."""

    waiting: list[_Early[T]] = field(default_factory=list)
    last: At | None = None
    steps: deque[int] = field(default_factory=lambda: deque(maxlen=_STEPS))
    awaited: At | None = None
    awaited_until_s: float = 0.0


class Ordering(Generic[T]):
    """Holds what came early; used by one thread."""

    def __init__(self, lateness_s: float) -> None:
        """Begin with nothing.

        Args:
            lateness_s: How long something that is early waits at most for what is missing.
        """
        self._lateness_s = lateness_s
        self._origins: dict[str, _Origin[T]] = {}
        self._count = self._bytes = 0

    def __len__(self) -> int:
        """Return how many messages wait for their turn."""
        return self._count

    def add(self, source: str, at: At, size: int, item: T, now_s: float) -> None:
        """Take a message.

        Args:
            source: Whose order is kept.
            at: Its place in that.
            size: Its bytes.
            item: The message.
            now_s: The time, as for the other methods.
        """
        one = self._origins.setdefault(source, _Origin())
        insort_right(one.waiting, _Early(at, now_s, size, item), key=lambda early: early.at)
        if one.awaited is not None and at <= one.awaited:
            one.awaited = None
        self._count += 1
        self._bytes += size

    def expect(self, source: str, at: At, now_s: float) -> None:
        """Hear that a message that was given comes again: nothing younger of its source is given before."""
        one = self._origins.setdefault(source, _Origin())
        one.awaited, one.awaited_until_s = at, now_s + COMES_AGAIN_S

    def next(self, now_s: float) -> T | None:
        """Return a message whose turn it is, or None."""
        if not self._count:
            return None
        for one in self._origins.values():
            if one.waiting and self._due_s(one, now_s) <= now_s:
                return self._taken(one)
        return None

    def wait_s(self, now_s: float) -> float | None:
        """Return for how long nothing is given unless something comes; None: for ever."""
        due = [self._due_s(one, now_s) for one in self._origins.values() if one.waiting]
        return max(0.0, min(due) - now_s) if due else None

    def _due_s(self, one: _Origin[T], now_s: float) -> float:
        """Return when the first that waits is given at the latest."""
        first = one.waiting[0]
        if one.awaited is not None and one.awaited < first.at and now_s < one.awaited_until_s:
            return one.awaited_until_s
        if self._follows(one, first.at) or len(one.waiting) > _ROOM or self._bytes > _ROOM_BYTES:
            return now_s
        return first.since_s + self._lateness_s

    @staticmethod
    def _follows(one: _Origin[T], at: At) -> bool:
        """Return whether nothing can be missing before it; True as well where its turn is over."""
        if one.last is None or one.last[0] != at[0]:
            return at[1] == 0 or (one.last is not None and at < one.last)
        step, least = at[1] - one.last[1], min(one.steps, default=1)
        return step <= 1 or least <= step < 2 * least

    def _taken(self, one: _Origin[T]) -> T:
        first = one.waiting.pop(0)
        if one.last is None or first.at > one.last:
            if one.last is not None and one.last[0] == first.at[0]:
                one.steps.append(first.at[1] - one.last[1])
            one.last = first.at
        self._count -= 1
        self._bytes -= first.size
        return first.item
