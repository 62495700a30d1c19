"""The receiving end of a ring: it takes the newest message and shows it where it lies.

Arrays of a message are read-only views of its slot, which stays as it is for as long as any of them lives,
wherever it was handed on to. A reader that keeps views of `views` messages gets copies of further ones until
it lets go of some: it can never hold up the writer, nor see its own arrays change.

A message is taken by one change of the reader's account, so that whoever dies has either had it or not.
Replicas settle who takes a message by a lock on its number: one that is stopped there keeps that message
alone from its sisters, not the next.
"""

from __future__ import annotations

import os

from argus.core.late_logging import LateLogger
from argus.flow.channels.freshness import Freshness
from argus.flow.channels.protocol import Delivery, FreshReceiver
from argus.flow.channels.ring_cell import Cell, Fate
from argus.flow.channels.ring_memory import NEWEST, RingMemory, RingSpec
from argus.flow.channels.ring_views import Shown, Slot
from argus.flow.codec import peek
from argus.flow.message import Header
from argus.flow.wire import MessageDamaged

_LOOKS = 100
"""How often in a row the newest may have gone while it was reached for: then the others get a turn."""
_GLANCES = 200
"""How often who was behind looks for the next before it sleeps, some 20 µs in all: being woken takes
longer, on a virtual machine five times so."""


class RingReceiver(FreshReceiver):
    """See `FreshReceiver`; one per replica of the consumer of a link."""

    def __init__(
        self, spec: RingSpec, link: str, replica: int = 0, *, freshness: Freshness | None = None
    ) -> None:
        """Open it in the process that made the ring, or in one that inherited its descriptors.

        What a predecessor was looking at when it died counts as failed. A message that nobody has taken
        yet is received.

        Args:
            spec: The ring.
            link: Which of its links this is an end of.
            replica: Which replica of the consumer this is, first 0.
            freshness: What the node has had of the link by its other channels; None: there are none.

        Raises:
            UnknownName: the ring does not serve the link, or it has no such replica.
            RingNotHere: the descriptors were not inherited.
        """
        self.link = link
        first, facts = spec.group(link)
        self._reader = reader = spec.reader(link, replica)
        self._spec = spec
        self._memory = memory = RingMemory(spec, 2 + reader)
        size = spec.slot_bytes
        self._slots = [Slot(memory.slots, at * size, size) for at in range(spec.slots)]
        self._views = spec.views
        self._freshness = freshness or Freshness(facts.qos)
        self._group = first
        self._sisters = [Cell(memory, spec.cell(first + at)) for at in range(facts.replicas) if at != replica]
        self._cell = Cell(memory, spec.cell(reader))
        self._cell.begin_life()
        self._sleeps = self._cell.life << 32
        self._event = spec.events[reader]
        self._shown = Shown(self._slots)
        self._held = 0
        memory.held[reader] = 0
        self._seen = self._cell.read().last
        self._out: set[int] = set()
        self._awake = False
        """Whether a message has come since it last fell asleep: then its wake-up is still to be had."""
        self._hurried = False
        """Whether a newer one was there when the last was accepted: then another may follow soon."""
        self._closed = False
        os.eventfd_write(self._event, 1)

    def fileno(self) -> int:
        """Return its wake-up; readable from the first message after a `receive` that found none."""
        return self._event

    def receive(self) -> Delivery | None:
        """Return the newest message, if this link has not had it and it is fresh."""
        if self._closed:
            return None
        words, seen = self._memory.words, self._seen
        if words[NEWEST] >> 8 > seen:
            found = self._look()
            if found is not None:
                self._awake = True
                return found
        self._settle()
        if self._hurried:
            for _ in range(_GLANCES):
                if words[NEWEST] >> 8 > seen:
                    return self._look()
            self._hurried = False
        return self._look() if self._sleep() else None

    def accept(self, delivery: Delivery) -> None:
        """Count it as delivered; views of it live on."""
        if delivery.handle not in self._out:
            return
        self._out.remove(delivery.handle)
        self._cell.count("delivered")
        # Done here rather than when the next is there: it costs that no time.
        self._settle()
        if self._memory.words[NEWEST] >> 8 > self._seen:
            self._hurried = True
        elif self._awake and not self._hurried and self._sleep():  # spares it a look for nothing
            os.eventfd_write(self._event, 1)

    def refuse(self, delivery: Delivery, reason: str) -> bool:
        """Count it as failed."""
        if delivery.handle in self._out:
            self._out.remove(delivery.handle)
            self._cell.count("failed")
        return False

    def close(self) -> None:
        """Close this end; views of messages live on, in slots that stay as they are until `forget`."""
        if self._closed:
            return
        self._closed = True
        self._cell.count("failed", len(self._out))
        self._out.clear()
        self._shown.settle()
        if self._cell.ours:
            self._hold(self._shown.slots)
        self._shown.close()
        for cell in (self._cell, *self._sisters):
            cell.close()
        self._slots.clear()
        self._memory.close()

    def _sleep(self) -> bool:
        """Ask to be woken for the next message; return whether it is there already."""
        try:  # noqa: SIM105 - once per picture, and what is run rarely is slow
            os.eventfd_read(self._event)
        except BlockingIOError:
            pass
        self._awake = False
        # Said before the last look: who sends after it sees that we sleep, what was sent before it we see.
        self._sleeps += 1
        self._memory.asleep[self._reader] = self._sleeps
        self._memory.settle()
        return self._memory.words[NEWEST] >> 8 > self._seen

    def _look(self) -> Delivery | None:
        memory = self._memory
        for _ in range(_LOOKS):
            newest = memory.words[NEWEST]
            number, slot = newest >> 8, newest & 255
            if number <= self._seen:
                return None
            self._hold(self._shown.slots | 1 << slot)
            memory.settle()
            if memory.generations[slot] != number:  # it went while we reached for it
                self._hold(self._shown.slots)
                continue
            memory.order()
            if self._sisters and not self._claim(number):
                self._hold(self._shown.slots)
                return None
            delivery = self._take(number, slot)
            if delivery is not None:
                return delivery
        os.eventfd_write(self._event, 1)
        return None

    def _settle(self) -> None:
        """Let go of what is shown no more."""
        self._shown.settle()
        if self._held != self._shown.slots:
            self._hold(self._shown.slots)

    def _hold(self, slots: int) -> None:
        self._memory.order()
        self._memory.held[self._reader] = self._held = slots

    def _claim(self, number: int) -> bool:
        """Return whether a message is ours; it is written to our account before anybody else can claim it."""
        if not self._memory.try_claim(self._group, number):
            return False
        try:
            if max(sister.read().last for sister in self._sisters) >= number:
                self._seen = number
                return False
            self._seen = number
            self._cell.take(number)
        finally:
            self._memory.unclaim(self._group, number)
        return True

    def _take(self, number: int, slot: int) -> Delivery | None:
        """Return a message that we hold and may take, unless it is not worth it."""
        if not self._sisters:
            self._seen = number
            self._cell.take(number)
        lies = self._slots[slot]
        table = lies.read()
        place, length = table[2], table[3]
        header: Header | None = None
        if self._freshness.looks:
            fault: Fate | None = "failed"
            try:
                header = peek(lies.view[place : place + length])
                fault = self._freshness.fault(header)
            except MessageDamaged as error:
                LateLogger(link=self.link).warning("flow.message_damaged", error=str(error))
            if fault is not None:
                self._cell.count(fault)
                self._hold(self._shown.slots)
                return None
        self._out.add(number)
        shown, count = self._shown, table[1]
        if len(shown.all) >= self._views:
            shown.settle()
        if count > 1 and len(shown.all) < self._views:
            view = shown.show(slot)
        else:  # without buffers it is not worth a slot
            copy = lies.bytes[: table[0]].copy()
            copy.setflags(write=False)
            view = copy.data
        if self._held != shown.slots:
            self._hold(shown.slots)
        data = view[place : place + length]
        if count == 2:  # nearly always
            parts: tuple[memoryview, ...] = (view[table[4] : table[4] + table[5]],)
        else:
            places = zip(table[4 : 2 + 2 * count : 2], table[5 : 2 + 2 * count : 2], strict=True)
            parts = tuple([view[at : at + size] for at, size in places])
        return Delivery(header, data, parts, 1, number)
