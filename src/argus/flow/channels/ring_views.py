"""Which slots of a ring this process shows to somebody, and how a message lies in one.

Whatever is made of a slot's view (slices, casts, arrays) keeps the array behind it, or the object by which
CPython has one buffer for all that is cut from a memoryview. A receiver asks how many references these two
have; a sender lends an array of its own, whose end is noticed. Who may overwrite a slot is the ends'
business.
"""

from __future__ import annotations

import gc
import mmap
import weakref
from collections import deque
from collections.abc import Sequence
from sys import getrefcount
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argus.flow.channels.ring_memory import PAGE

Bytes = NDArray[np.uint8]

LOAN_AT: Final = 16 * PAGE
"""Where an array that is filled in place begins in its slot: headers find room before it."""
_ALIGN: Final = 64
_SHORT: Final = 8


class _Loan(weakref.ref[Bytes]):
    __slots__ = ("slot",)
    slot: int


class Loans:
    """The slots that are lent; they may end in any thread, what is asked and told here comes from one."""

    def __init__(self, slots: int) -> None:
        """Begin with none of so many."""
        self._loans: list[_Loan | None] = [None] * slots
        # Views die wherever the collector finds them, also in the middle of our own work: `append` is the one
        # thing done there.
        self.ended: deque[weakref.ref[Bytes]] = deque()
        """Those that `collect` has not seen: where it is empty, there is nothing to collect."""
        self.slots = 0
        """A bit for each slot that is lent, as `collect` last saw it."""
        self.count = 0
        """How many are lent, as `collect` last saw it."""

    def lend(self, slot: int, root: Bytes) -> None:
        """Count a slot that is not lent as lent for as long as its array, or anything made of it, lives."""
        loan = _Loan(root, self.ended.append)
        loan.slot = slot
        self._loans[slot] = loan
        self.slots |= 1 << slot
        self.count += 1

    def root(self, slot: int) -> Bytes | None:
        """Return the array of a slot, if it still lives."""
        loan = self._loans[slot]
        return None if loan is None else loan()

    def freeze(self, slot: int) -> None:
        """Make the array of a slot read-only: a later change through it is an error, not a torn picture."""
        root = self.root(slot)
        if root is not None:
            root.setflags(write=False)

    def collect(self) -> bool:
        """Look which have ended; return whether any has."""
        ended = self.ended
        if not ended:
            return False
        while ended:
            loan: Any = ended.popleft()
            slot = loan.slot
            if self._loans[slot] is loan:
                self._loans[slot] = None
                self.slots &= ~(1 << slot)
                self.count -= 1
        return True


class Shown:
    """The slots that a receiver shows, each for as long as any view of it lives, whoever has it now."""

    def __init__(self, slots: Sequence[Slot]) -> None:
        """Show nothing of these yet; nobody else may keep more of them, or less, from now on."""
        self._views = [slot.view for slot in slots]
        # Cut from a view, they have its buffer; NumPy, given a buffer to fill, keeps what lies behind that.
        self._buffers: list[Any] = [gc.get_referents(view)[0] for view in self._views]
        self._arrays = [slot.bytes for slot in slots]
        self._unseen = [self._references(at) for at in range(len(slots))]
        """That each has of itself."""
        self.all: list[int] = []
        """Which are shown, as `settle` last saw it."""
        self.slots = 0
        """A bit for each of them."""

    def show(self, slot: int) -> memoryview:
        """Return a view of a slot that is not shown; what is cut from it is what counts."""
        self.all.append(slot)
        self.slots |= 1 << slot
        return self._views[slot]

    def close(self) -> None:
        """Let go of all of them; views stay."""
        for kept in (self._views, self._buffers, self._arrays):
            kept.clear()

    def settle(self) -> None:
        """Look which are shown no more."""
        still = [slot for slot in self.all if self._references(slot) != self._unseen[slot]]
        if len(still) != len(self.all):
            self.all = still
            self.slots = sum([1 << slot for slot in still])

    def _references(self, slot: int) -> int:
        return getrefcount(self._buffers[slot]) + getrefcount(self._arrays[slot])


class Slot:
    """The memory of one slot: a table of where its message's parts are, then the parts.

    The table is: where the message ends, how many parts there are, then place and length of each.
    """

    __slots__ = ("_begin", "_table", "bytes", "view", "words")

    def __init__(self, memory: mmap.mmap, at: int, size: int) -> None:
        """Look at `size` bytes from `at` on."""
        self.bytes: Bytes = np.frombuffer(memory, np.uint8, size, at)
        self.view = self.bytes.data
        self.words = self.view.cast("Q")
        self._begin = self.words[:_SHORT]
        self._table: list[int] = []
        """That we wrote last."""

    def write(self, parts: Sequence[bytes | memoryview], table: list[int], skip: int) -> None:
        """Lay parts at their places, all but the one with index `skip` (-1: all); nobody else writes here."""
        view = self.view
        if table != self._table:
            words = self.words
            for index, word in enumerate(table):
                words[index] = word
            self._table = table
        at = 2
        for part in parts:
            if at != 2 + 2 * skip:
                place = table[at]
                view[place : place + table[at + 1]] = part
            at += 2

    def read(self) -> list[int]:
        """Return the table; numbers that mean nothing may follow."""
        table = self._begin.tolist()
        return table if table[1] <= _SHORT // 2 - 1 else self.words[: 2 + 2 * table[1]].tolist()


def plan(parts: Sequence[bytes | memoryview], skip: int = -1, lain: int = 0) -> list[int]:
    """Return the table of a message.

    Args:
        parts: What it consists of.
        skip: Index of the part that lies in the slot already, or -1.
        lain: Where that one lies; the others go before it as far as there is room, then behind it.
    """
    if len(parts) == 2:  # nearly always
        header, size = len(parts[0]), len(parts[1])
        if skip < 0:
            lain = _ALIGN + header + _ALIGN - 1 & -_ALIGN
        if skip != 0 and _ALIGN + header <= lain:
            return [lain + size, 2, _ALIGN, header, lain, size]
    at = 16 + 16 * len(parts)
    end = 0
    table = [0, len(parts)]
    for index, part in enumerate(parts):
        size = len(part)
        if index == skip:
            table += (lain, size)
            end = lain + size
            continue
        at = -(-at // _ALIGN) * _ALIGN
        if skip >= 0 and at <= lain < at + size:
            at = -(-(lain + len(parts[skip])) // _ALIGN) * _ALIGN
        table += (at, size)
        at += size
    table[0] = max(at, end)
    return table


def address(data: Any) -> int:
    """Return where an array, or a memoryview of one, lies in this process."""
    return int(np.asarray(data).__array_interface__["data"][0])
