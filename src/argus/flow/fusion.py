"""Which messages of several inputs belong together: those whose times are close.

Pure matching over times; what a message is, is the caller's.

Source: approximate time synchronisation as in ROS `message_filters` (the idea of a slop), here with the
oldest unmatched head as pivot.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence
from typing import Generic, TypeVar

T = TypeVar("T")


class Matcher(Generic[T]):
    """Holds what waits for partners; used by one thread. Each input's times must not decrease."""

    def __init__(self, inputs: Sequence[str], slop_s: float, patience: int) -> None:
        """Begin with nothing.

        Args:
            inputs: Their names.
            slop_s: Messages of a set are at most so many seconds apart.
            patience: So many may wait per input; then the oldest goes.
        """
        self._waiting: dict[str, deque[tuple[float, T]]] = {name: deque() for name in inputs}
        self._slop_s = slop_s
        self._patience = patience

    @property
    def waiting(self) -> int:
        """How many messages wait, over all inputs."""
        return sum(map(len, self._waiting.values()))

    def add(self, name: str, time_s: float, item: T) -> tuple[list[dict[str, T]], list[T]]:
        """Take a message; return the sets that are complete now, in order, and what stays alone."""
        self._waiting[name].append((time_s, item))
        complete: list[dict[str, T]] = []
        alone: list[T] = []
        while all(self._waiting.values()):
            newest_head = max(queue[0][0] for queue in self._waiting.values())
            late = [q for q in self._waiting.values() if q[0][0] < newest_head - self._slop_s]
            if late:
                alone += [queue.popleft()[1] for queue in late]
                continue
            complete.append({n: self._nearest(q, newest_head, alone) for n, q in self._waiting.items()})
        queue = self._waiting[name]
        while len(queue) > self._patience:
            alone.append(queue.popleft()[1])
        return complete, alone

    def rest(self) -> list[T]:
        """Return what still waits, and forget it."""
        items = [item for queue in self._waiting.values() for _, item in queue]
        for queue in self._waiting.values():
            queue.clear()
        return items

    @staticmethod
    def _nearest(queue: deque[tuple[float, T]], time_s: float, alone: list[T]) -> T:
        """Take the message nearest to a time; those before it are alone."""
        while len(queue) > 1 and abs(queue[1][0] - time_s) <= abs(queue[0][0] - time_s):
            alone.append(queue.popleft()[1])
        return queue.popleft()[1]
