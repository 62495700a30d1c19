"""How long to wait for a Redis: before the next try to connect, and for an answer on a slow way."""

from __future__ import annotations

import time
from typing import Protocol

from argus.flow.channels.protocol import ChannelDown

ANSWER_S = 4.0
"""Seconds without a byte either way after which a connection is taken for dead."""


class Way(Protocol):
    """A connection that is waited for."""

    @property
    def unsent(self) -> int:
        """Bytes that were written and have not reached the other side."""
        ...

    def down(self, error: object) -> ChannelDown:
        """Return what to raise where the server cannot be reached."""
        ...


class Patience:
    """How long to wait before the next try to connect."""

    def __init__(self, first_s: float = 0.05, longest_s: float = 2.0) -> None:
        """Begin with the first wait."""
        self._first_s, self._longest_s = first_s, longest_s
        self._tries = 0

    def next_s(self) -> float:
        """Return the next wait in seconds: twice the one before it."""
        self._tries += 1
        return float(min(self._longest_s, self._first_s * 2.0 ** min(self._tries - 1, 16)))

    def reset(self) -> None:
        """Begin again: it has worked."""
        self._tries = 0


class Tardy:
    """Tells a server that does not answer from a slow way to it."""

    def __init__(self, line: Way, answer_s: float = ANSWER_S) -> None:
        """Begin to count."""
        self._line, self._answer_s = line, answer_s
        self._unsent, self._since_s = line.unsent, time.monotonic()

    def check(self) -> None:
        """Raise where nothing has moved for too long.

        Raises:
            ChannelDown: neither an answer came, nor did bytes leave.
        """
        unsent, now_s = self._line.unsent, time.monotonic()
        if unsent < self._unsent:
            self._since_s = now_s
        self._unsent = unsent
        if now_s - self._since_s > self._answer_s:
            raise self._line.down(f"no answer for {self._answer_s:g} s")
