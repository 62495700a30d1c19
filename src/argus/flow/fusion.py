"""Which messages of several inputs belong together: those whose times are close.

Pure matching over times; what a message is, is the caller's.

Source: approximate time synchronisation as in ROS `message_filters` (the idea of a slop), here with the
oldest unmatched head as pivot.
"""

from __future__ import annotations

from bisect import insort_right
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Place(Generic[T]):
    """A place in the queue of an input."""

    time_s: float
    items: tuple[T, ...]
    """One; none where it was here, has failed, and comes again."""
    again: bool
    """Whether it failed before."""


class Matcher(Generic[T]):
    """Holds what waits for partners, by time; used by one thread."""

    def __init__(self, inputs: Sequence[str], slop_s: float, patience: int) -> None:
        """Begin with nothing.

        Args:
            inputs: Their names.
            slop_s: Messages of a set are at most so many seconds apart.
            patience: So many may wait per input, besides those that failed before; then the oldest goes.
        """
        self._waiting: dict[str, deque[_Place[T]]] = {name: deque() for name in inputs}
        self._slop_s = slop_s
        self._patience = patience
        self._expected = 0

    @property
    def waiting(self) -> int:
        """How many messages wait, over all inputs."""
        return sum(map(len, self._waiting.values())) - self._expected

    @property
    def missing(self) -> list[str]:
        """The inputs of which nothing waits."""
        return [name for name, queue in self._waiting.items() if not any(place.items for place in queue)]

    @property
    def full(self) -> list[str]:
        """The inputs of which no more may wait: with the next message the oldest goes.

        Not those of which something comes again, as it comes before all others.
        """
        full = {name: queue for name, queue in self._waiting.items() if self._fresh(queue) >= self._patience}
        return [name for name, queue in full.items() if all(place.items for place in queue)]

    def add(self, name: str, time_s: float, item: T, *, again: bool = False) -> None:
        """Take a message.

        Args:
            name: Its input.
            time_s: Its time.
            item: The message.
            again: Whether it had failed before: it waits for its partners however many wait beside it.
        """
        self._put(name, _Place(time_s, (item,), again))

    def expect(self, name: str, time_s: float) -> None:
        """Hear that a message which was here comes again: until then nothing is matched past it."""
        self._put(name, _Place(time_s, (), again=True))
        self._expected += 1

    def expect_no_more(self, name: str, time_s: float) -> None:
        """Hear that it has come, or never will."""
        queue = self._waiting[name]
        queue.remove(next(place for place in queue if not place.items and place.time_s == time_s))
        self._expected -= 1

    def next(self) -> tuple[dict[str, T] | None, list[T]]:
        """Return the oldest set that is complete, or None, and what is found to stay alone."""
        alone: list[T] = []
        while all(self._waiting.values()):
            newest_head = max(queue[0].time_s for queue in self._waiting.values())
            if self._expected and self._comes_again(newest_head + self._slop_s):
                break
            late = [q for q in self._waiting.values() if q[0].time_s < newest_head - self._slop_s]
            if not late:
                return {n: self._nearest(q, newest_head, alone) for n, q in self._waiting.items()}, alone
            alone += [_taken(queue) for queue in late]
        for queue in self._waiting.values():
            if len(queue) > self._patience:
                alone += self._impatient(queue)
        return None, alone

    def oldest(self, name: str) -> T | None:
        """Take the oldest message of an input out; None: it has none, or something of it comes again."""
        queue = self._waiting[name]
        return _taken(queue) if queue and all(place.items for place in queue) else None

    def rest(self) -> list[T]:
        """Return what still waits, and forget it."""
        items = [item for queue in self._waiting.values() for place in queue for item in place.items]
        for queue in self._waiting.values():
            queue.clear()
        self._expected = 0
        return items

    def _put(self, name: str, place: _Place[T]) -> None:
        queue = self._waiting[name]
        if not queue or queue[-1].time_s <= place.time_s:
            queue.append(place)
        else:
            insort_right(queue, place, key=lambda other: other.time_s)

    def _comes_again(self, until_s: float) -> bool:
        """Return whether something up to a time does."""
        places = (place for queue in self._waiting.values() for place in queue)
        return any(not place.items and place.time_s <= until_s for place in places)

    def _impatient(self, queue: deque[_Place[T]]) -> list[T]:
        """Take those out that are too many, the oldest first."""
        gone = [place for place in queue if not place.again][: max(0, self._fresh(queue) - self._patience)]
        for place in gone:
            queue.remove(place)
        return [place.items[0] for place in gone]

    @staticmethod
    def _fresh(queue: deque[_Place[T]]) -> int:
        """Return how many wait that have not failed before."""
        return sum(not place.again for place in queue)

    @staticmethod
    def _nearest(queue: deque[_Place[T]], time_s: float, alone: list[T]) -> T:
        """Take the message nearest to a time; those before it are alone."""
        while len(queue) > 1 and abs(queue[1].time_s - time_s) <= abs(queue[0].time_s - time_s):
            alone.append(_taken(queue))
        return _taken(queue)


def _taken(queue: deque[_Place[T]]) -> T:
    return queue.popleft().items[0]
