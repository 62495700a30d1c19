"""The account of one reader of a ring, in the memory that the ends share.

What the memory is, and in which order its words are seen, is `ring_memory`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final, Literal, NamedTuple, Protocol

from argus.flow.channels.protocol import Reason

CELL_WORDS: Final = 16
"""Of each account."""


class Account(NamedTuple):
    """What a reader has done so far."""

    last: int
    """Number of the newest message that it took."""
    taken: int
    delivered: int
    failed: int
    stale: int
    overtaken: int

    @property
    def looked_at(self) -> int:
        """How many of those it took it has not said a word of yet."""
        return self.taken - self.delivered - self.failed - self.stale - self.overtaken


Fate = Reason | Literal["delivered"]


class Words(Protocol):
    """Memory that several processes share, as words of 8 bytes."""

    words: memoryview
    order: Callable[[], object]
    """Returns when what was read and written before is so for all."""


class Cell:
    """The account of one reader, in memory; whoever dies at any point has taken a message or has not.

    What a message became is one word that counts. That one was taken is two words, which lie twice, and a
    version that says by its last bit which of them hold.
    """

    _LIFE: Final = 1
    _TAKEN: Final = 2
    _FATES: Final[Mapping[str, int]] = {"delivered": 6, "failed": 7, "stale": 8, "overtaken": 9}

    def __init__(self, memory: Words, at: int) -> None:
        """Look at the words from index `at` on."""
        self._memory = memory
        self._words = memory.words[at : at + CELL_WORDS]
        self._life = 0

    def begin_life(self) -> None:
        """Take the reader over: what it was looking at has failed, who had it before has no say any more."""
        self._words[self._LIFE] = self._life = self._words[self._LIFE] + 1
        self.count("failed", self.read().looked_at)

    @property
    def life(self) -> int:
        """How many processes have been this reader, us included."""
        return self._life

    @property
    def ours(self) -> bool:
        """Whether nobody has taken it over since `begin_life`."""
        return self._words[self._LIFE] == self._life

    def read(self) -> Account:
        """Return it as it was at one moment, or as if what is being counted were being looked at."""
        words = self._words
        while True:
            fates = words[6:10].tolist()
            self._memory.order()
            version = words[0]
            self._memory.order()
            at = self._TAKEN + 2 * (version & 1)
            last, taken = words[at], words[at + 1]
            self._memory.order()
            if words[0] == version:
                return Account(last, taken, *fates)

    def take(self, number: int) -> None:
        """Count a message as taken."""
        words = self._words
        if words[self._LIFE] != self._life:
            return
        version = words[0]
        at, then = self._TAKEN + 2 * (version & 1), self._TAKEN + 2 * (version + 1 & 1)
        words[then] = number
        words[then + 1] = words[at + 1] + 1
        self._memory.order()
        words[0] = version + 1

    def count(self, fate: Fate, count: int = 1) -> None:
        """Count what became of messages that were taken: one of the four of `Account`."""
        words = self._words
        if words[self._LIFE] == self._life:
            self._memory.order()
            words[self._FATES[fate]] += count

    def close(self) -> None:
        """Let go of the memory."""
        self._words.release()
