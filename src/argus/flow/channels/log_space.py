"""Where the next message goes: the free room of a log, lowest first.

Arithmetic over offsets; what is free is known from the log's index, never from here.
Lowest first keeps a log that is mostly empty in few pages, which stay in the processor's cache.
"""

from __future__ import annotations

import bisect
from collections.abc import Iterable


class Space:
    """The free extents of an area, in order, none touching the next."""

    def __init__(self, size: int, taken: Iterable[tuple[int, int]] = ()) -> None:
        """Begin with all of `size` bytes free but what is taken, as (offset, length)."""
        self._starts: list[int] = []
        self._ends: list[int] = []
        at = 0
        for offset, length in sorted(taken):
            if offset > at:
                self._starts.append(at)
                self._ends.append(offset)
            at = max(at, offset + length)
        if at < size:
            self._starts.append(at)
            self._ends.append(size)

    def take(self, length: int, align: int) -> int | None:
        """Return the lowest free place for `length` bytes at a multiple of `align`, or None."""
        for i, start in enumerate(self._starts):
            place = -(-start // align) * align
            end = self._ends[i]
            if place + length > end:
                continue
            if place == start:
                if place + length == end:
                    del self._starts[i], self._ends[i]
                else:
                    self._starts[i] = place + length
            else:
                self._ends[i] = place
                if place + length < end:
                    self._starts.insert(i + 1, place + length)
                    self._ends.insert(i + 1, end)
            return place
        return None

    def give(self, offset: int, length: int) -> None:
        """Take back what `take` gave."""
        end = offset + length
        i = bisect.bisect_right(self._starts, offset)
        before = i > 0 and self._ends[i - 1] == offset
        behind = i < len(self._starts) and self._starts[i] == end
        if before and behind:
            self._ends[i - 1] = self._ends[i]
            del self._starts[i], self._ends[i]
        elif before:
            self._ends[i - 1] = end
        elif behind:
            self._starts[i] = offset
        else:
            self._starts.insert(i, offset)
            self._ends.insert(i, end)

    @property
    def extents(self) -> list[tuple[int, int]]:
        """The free extents as (start, end)."""
        return list(zip(self._starts, self._ends, strict=True))
