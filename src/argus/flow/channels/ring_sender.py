"""The sending end of a ring: it writes each message once, for all readers of all links, and waits for nobody.

A slot is written to only while it is neither the newest nor held:

    the writer   marks it (generation 0), settles, then looks who holds it, when it has sent the one before;
    a reader     says that it holds it, settles, then looks whether it still has the generation it came for.

Whichever settles later sees what the other wrote. So the writer finds the hold and leaves the slot alone, or
the reader finds the mark and takes the newest anew, or both; never neither. A writer that dies half-way
leaves a marked slot that no reader takes and its successor may write to. One word, the newest, makes a
message sent: before it nothing was, after it all of it.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argus.flow.channels.protocol import MessageTooBig, Sender
from argus.flow.channels.ring_memory import NEWEST, TOO_BIG, RingMemory, RingSpec
from argus.flow.channels.ring_views import LOAN_AT, Loans, Slot, address, plan
from argus.flow.message import Header
from argus.flow.wire import Packed

MOST_LOANS: Final = 4
"""Arrays that a sender may have lent out at once; further ones are ordinary arrays, and copied when sent."""
_TURN: Final = 3
"""Slots that take turns while nobody holds any: fewer stay warmer, more give readers longer."""


class RingSender(Sender):
    """See `Sender`; there may be one at a time. `send` never waits."""

    def __init__(self, spec: RingSpec) -> None:
        """Open it in the process that made the ring, or in one that inherited its descriptors.

        Numbers go on where a predecessor stopped.

        Raises:
            RingNotHere: the descriptors were not inherited.
        """
        self._spec = spec
        self._memory = memory = RingMemory(spec, 1, writes=True)
        size = self._size = spec.slot_bytes
        self._slots = [Slot(memory.slots, at * size, size) for at in range(spec.slots)]
        self._loans = Loans(spec.slots)
        self._unsent: dict[int, int] = {}
        """Bytes of the array in each slot that was lent and not sent."""
        self._last_shape: Any = None
        self._last_dtype: Any = None
        self._last_length = 0
        self._base = address(self._slots[0].bytes)
        self._closed = False
        self._number, self._newest = divmod(memory.words[NEWEST], 256)
        used = [at for at in range(spec.slots) if memory.generations[at]]
        self._used = max([_TURN - 1, *used]) + 1
        self._last = -1
        self._held = 0
        """A bit for each slot that a reader held when we last looked."""
        self._ready = -1
        """A slot that is marked as being written already, or -1."""
        self._events = spec.events
        self._told = [0] * spec.readers
        self._wake()

    def send(self, packed: Packed, header: Header, stopping: Callable[[], bool]) -> None:
        """Send a message to all links; returns at once.

        An array of `loan` stays where it is and becomes read-only; all else is copied.

        Raises:
            MessageTooBig: it does not fit a slot.
        """
        head, buffers = packed
        parts: tuple[bytes | memoryview, ...] = (head, *buffers)
        mine, slot, skip, place = None, -1, -1, 0
        if self._unsent and (mine := self._filled_in_place(buffers)) is not None:
            slot, skip, place = mine
        table = plan(parts, skip, place)
        if table[0] > self._size and mine is not None:  # what goes with it does not fit beside it
            mine, slot, skip = None, -1, -1
            table = plan(parts)
        if table[0] > self._size:
            self._memory.words[TOO_BIG] += 1
            raise MessageTooBig(
                f"a message of {table[0]:,} bytes does not fit a slot of {self._size:,}: "
                "send less at once, or give the ring larger slots"
            )
        if slot < 0:
            if self._loans.ended:
                self._collect()
            slot = self._choose()
        self._slots[slot].write(parts, table, skip)
        if mine is not None:
            # Sent once, it is the readers'. Whoever sends it again sends a copy.
            del self._unsent[slot]
            self._loans.freeze(slot)
        self._publish(slot)

    def loan(self, shape: tuple[int, ...], dtype: Any) -> NDArray[Any]:
        """Return an array in a slot, to be filled and sent; what it holds now is whatever was there.

        One that is dropped, not sent, is given back. One that does not fit, or is asked for while
        `MOST_LOANS` others live, is an ordinary array, which `send` copies.
        """
        if dtype is not self._last_dtype or shape != self._last_shape:
            kind = np.dtype(dtype)
            self._last_shape, self._last_dtype = shape, dtype
            self._last_length = 0 if kind.hasobject else kind.itemsize * math.prod(shape)
        length = self._last_length
        if self._loans.ended:
            self._collect()
        if self._loans.count >= MOST_LOANS or not 0 < length <= self._size - LOAN_AT:
            return np.empty(shape, dtype)
        slot = self._choose()
        root: NDArray[Any] = np.ndarray(shape, dtype, self._memory.slots, slot * self._size + LOAN_AT)
        self._loans.lend(slot, root)
        self._unsent[slot] = length
        return root

    def close(self) -> None:
        """Close this end."""
        if not self._closed:
            self._closed = True
            self._slots.clear()
            self._memory.close()

    def _collect(self) -> None:
        """Take back what was lent and dropped."""
        self._loans.collect()
        if self._unsent:
            lent = self._loans.slots
            self._unsent = {slot: size for slot, size in self._unsent.items() if lent >> slot & 1}

    def _filled_in_place(self, buffers: Sequence[memoryview]) -> tuple[int, int, int] | None:
        """Return slot, index among the parts, and place of the first array that lies in a slot we lent."""
        if 16 * (len(buffers) + 2) > LOAN_AT:
            return None
        for index, buffer in enumerate(buffers, 1):
            size = buffer.nbytes
            whose: Any = buffer.obj
            for slot, length in self._unsent.items():
                if size != length:
                    continue
                root = self._loans.root(slot)
                if root is not None and (whose is root or getattr(whose, "base", None) is root):
                    return slot, index, LOAN_AT  # the whole array: nearly always
            if size:
                slot, place = divmod(address(buffer) - self._base, self._size)
                length = self._unsent.get(slot, -1)
                if place >= LOAN_AT and place + size <= LOAN_AT + length:
                    return slot, index, place
        return None

    def _choose(self) -> int:
        """Return a slot that nobody reads and nobody will, marked as being written."""
        slot, self._ready = self._ready, -1
        if slot >= 0:
            return slot
        memory = self._memory
        generations = memory.generations
        ours = self._loans.slots | 1 << self._newest
        while True:
            slot = self._next(self._held | ours)
            if slot < 0:  # as far as we last saw; what was held then may be free now
                self._held = self._holds()
                slot = self._next(self._held | ours)
                assert slot >= 0, "a ring has more slots than its readers may hold"
            generation = generations[slot]
            generations[slot] = 0
            memory.settle()
            self._held = self._holds()
            if not self._held >> slot & 1:
                return slot
            generations[slot] = generation

    def _next(self, busy: int) -> int:
        """Return the next free slot, in turn, or a new one, or -1."""
        slot, used = self._last, self._used
        for _ in range(used):
            slot = slot + 1 if slot + 1 < used else 0
            if not busy >> slot & 1:
                self._last = slot
                return slot
        if used < self._spec.slots:
            self._used, self._last = used + 1, used
            return used
        return -1

    def _holds(self) -> int:
        result = 0
        for word in self._memory.held.tolist():
            result |= word
        return result

    def _publish(self, slot: int) -> None:
        memory = self._memory
        number = self._number + 1
        memory.order()
        memory.generations[slot] = number
        memory.order()
        memory.words[NEWEST] = number * 256 + slot
        self._number, self._newest = number, slot
        # The next one is marked here, so that one settling does for both, and nobody waits for it.
        ready, generation = self._next(self._holds() | self._loans.slots | 1 << slot), 0
        if ready >= 0:
            generation, memory.generations[ready] = memory.generations[ready], 0
        memory.settle()
        self._wake()
        self._held = self._holds()
        if ready >= 0 and self._held >> ready & 1:
            memory.generations[ready] = generation
            ready = -1
        self._ready = ready

    def _wake(self) -> None:
        """Wake those who have fallen asleep since they were last woken: one that is busy costs nothing."""
        asleep = self._memory.asleep.tolist()
        if asleep != self._told:
            told = self._told
            for reader, now in enumerate(asleep):
                if now and now != told[reader]:
                    os.eventfd_write(self._events[reader], 1)
            self._told = asleep
