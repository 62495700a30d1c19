"""The counts of a channel's links, in memory that the sending process writes and its parent reads.

Each link has two copies and a byte that says which one is whole, so a writer may be killed at any moment. How
the counts come about is `tcp_accounts`.
"""

from __future__ import annotations

import mmap
import os
import struct
from collections.abc import Mapping, Sequence
from typing import Final, Self, get_args

from argus.flow.channels.protocol import LinkCounts, Reason

_REASONS: Final[tuple[str, ...]] = get_args(Reason)
_COUNTS: Final = struct.Struct(f"<{4 + len(_REASONS)}Q")
_SLOT: Final = 512
_COPIES: Final = (64, 64 + 224)
_TRIES: Final = 100

assert _COUNTS.size <= 224


class Board:
    """Counts by link; one process writes, any read."""

    def __init__(self, fd: int, links: Sequence[str]) -> None:
        """Look at memory that `make` made, and that this process owns from now on."""
        self.fd = fd
        self._links = tuple(links)
        self._memory = mmap.mmap(fd, max(1, len(links)) * _SLOT)

    @classmethod
    def make(cls, links: Sequence[str]) -> Self:
        """Return a new one, all zero."""
        fd = os.memfd_create("argus-flow-counts", os.MFD_CLOEXEC)
        os.ftruncate(fd, max(1, len(links)) * _SLOT)
        return cls(fd, links)

    @classmethod
    def inherited(cls, fd: int, links: Sequence[str]) -> Self:
        """Return one that the parent made; its descriptor stays as it is."""
        return cls(os.dup(fd), links)

    def write(self, link: str, counts: LinkCounts) -> None:
        """Replace the counts of a link."""
        start = self._links.index(link) * _SLOT
        free = 1 - self._memory[start]
        dropped = (counts.dropped.get(reason, 0) for reason in _REASONS)
        _COUNTS.pack_into(
            self._memory,
            start + _COPIES[free],
            counts.sent,
            counts.delivered,
            counts.pending,
            counts.redelivered,
            *dropped,
        )
        self._memory[start] = free

    def read(self) -> dict[str, LinkCounts]:
        """Return the counts of all links, each as it was at one moment."""
        return {link: self._read(number * _SLOT) for number, link in enumerate(self._links)}

    def _read(self, start: int) -> LinkCounts:
        for _ in range(_TRIES):
            whole = self._memory[start]
            values = _COUNTS.unpack_from(self._memory, start + _COPIES[whole])
            if self._memory[start] == whole:
                break
        sent, delivered, pending, redelivered, *dropped = values
        return LinkCounts(
            sent=sent,
            delivered=delivered,
            dropped={reason: n for reason, n in zip(_REASONS, dropped, strict=True) if n},
            pending=pending,
            redelivered=redelivered,
        )

    def close(self) -> None:
        """Let go; idempotent."""
        if self.fd >= 0:
            self._memory.close()
            os.close(self.fd)
            self.fd = -1


def counted(counts: Mapping[str, int]) -> dict[str, int]:
    """Return counts by reason, of those reasons that a channel knows and that occurred."""
    return {reason: counts[reason] for reason in _REASONS if counts.get(reason, 0) > 0}
