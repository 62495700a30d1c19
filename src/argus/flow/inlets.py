"""The links into one node, looked at in turn: none of them is left waiting for another.

What is done with a message is the runner's.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from argus.flow.channels.protocol import ChannelDown, Delivery, Receiver, ReliableReceiver
from argus.flow.ordering import Ordering
from argus.flow.qos import Durable, Promise, QoS

_DOWN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Inlet:
    """One channel of a link into the node."""

    receiver: Receiver
    input: str
    link: str
    order: Ordering[tuple[Inlet, Delivery]] | None = None
    """Where what came too early waits, of all channels of the link; None: nothing does."""
    qos: Promise = QoS.REALTIME
    """What the link promises."""

    def may_wait(self, full: Collection[str]) -> bool:
        """Return whether its messages stay in the link while its input is full, rather than being lost."""
        return self.input in full and isinstance(self.receiver, ReliableReceiver)

    def is_full_with(self, count: int, size: int, largest: int) -> bool:
        """Return whether nothing more is sent while so much of it has not been accepted.

        Args:
            count: How many messages.
            size: How many bytes they have together.
            largest: The bytes of the largest that came: twice as many may be too many for the next.
        """
        if not isinstance(self.qos, Durable):
            return False
        return count >= self.qos.capacity or size + 2 * largest > self.qos.max_bytes


_Found = tuple[Inlet, Delivery]


class Inlets:
    """Used by one thread, but for `ended_links`."""

    def __init__(self, inlets: Sequence[Inlet]) -> None:
        """Begin with the first."""
        self._inlets = list(inlets)
        self._start = 0
        self._faults: dict[int, str] = {}
        self._orders = list({id(i.order): (i.order, i) for i in inlets if i.order is not None}.values())
        """Each with one of the channels it is for."""

    def next(self, full: Collection[str] = ()) -> tuple[Inlet, Delivery] | None:
        """Return the next message, or None where there is none; those to inputs that are full may wait."""
        if not self._orders:
            return self._received(full)
        found = self._in_order(full)
        while found is None and (came := self._received(full)) is not None:
            found = came if came[0].order is None else self._ordered(came, came[0].order)
        return found

    def expect(self, parts: Iterable[tuple[Inlet, Delivery]]) -> None:
        """Hear which messages come again: nothing younger of their origins shall come before."""
        for inlet, delivery in parts:
            if inlet.order is not None:
                origin = delivery.header.origin
                inlet.order.expect(origin.source, (origin.life, origin.index), time.monotonic())

    def _in_order(self, full: Collection[str]) -> tuple[Inlet, Delivery] | None:
        """Return a message whose turn has come."""
        now_s = time.monotonic()
        for order, of in self._orders:
            found = None if of.may_wait(full) else order.next(now_s)
            if found is not None:
                found[0].receiver.take_up(found[1])
                return found
        return None

    @staticmethod
    def _ordered(came: _Found, order: Ordering[_Found]) -> tuple[Inlet, Delivery] | None:
        """Return what has its turn now that a message has come, mostly that."""
        inlet, delivery = came
        at, now_s = delivery.header.origin, time.monotonic()
        order.add(at.source, (at.life, at.index), delivery.size, came, now_s)
        found = order.next(now_s)
        if found is not came:
            inlet.receiver.set_aside(delivery)
            if found is not None:
                found[0].receiver.take_up(found[1])
        return found

    def _received(self, full: Collection[str]) -> tuple[Inlet, Delivery] | None:
        count = len(self._inlets)
        for at in range(count):
            which = (self._start + at) % count
            if full and self._inlets[which].may_wait(full):
                continue
            try:
                delivery = self._inlets[which].receiver.receive()
            except ChannelDown as error:
                self._faults[which] = str(error)
                continue
            if self._faults:
                self._faults.pop(which, None)
            if delivery is not None:
                # Who had its turn comes last in the next round.
                self._start = (which + 1) % count
                return self._inlets[which], delivery
        return None

    @property
    def fault(self) -> str:
        """Why one of them could not be looked at when it was its turn; empty: all could."""
        return next(iter(self._faults.values()), "")

    def descriptors(self, full: Collection[str] = ()) -> list[int]:
        """Return what `poll` finds readable when there may be something, for inputs that are not full."""
        return [inlet.receiver.fileno() for inlet in self._inlets if not inlet.may_wait(full)]

    def wait_s(self, longest_s: float, full: Collection[str] = ()) -> float:
        """Return how long to wait at most before the next look, though nothing is said."""
        looks = [inlet.receiver.next_look_s() for inlet in self._inlets if not inlet.may_wait(full)]
        now_s = time.monotonic()
        looks += [order.wait_s(now_s) for order, of in self._orders if not of.may_wait(full)]
        known = [s for s in looks if s is not None]
        return min([*known, *([_DOWN_S] if self._faults else []), longest_s])

    @property
    def ended_links(self) -> list[str]:
        """The links whose streams are over, as their sending ends have said, and had; from any thread."""
        links = dict.fromkeys(inlet.link for inlet in self._inlets)
        return [link for link in links if all(i.receiver.ended for i in self._inlets if i.link == link)]

    @property
    def over_links(self) -> list[str]:
        """The links whose streams are over, and handed out; some of it may be held still. From any thread."""
        links = dict.fromkeys(inlet.link for inlet in self._inlets)
        return [li for li in links if all(i.receiver.drained(None) for i in self._inlets if i.link == li)]

    @property
    def up(self) -> bool:
        """Whether what was sent can come, by all of them."""
        return not self._faults and all(inlet.receiver.up for inlet in self._inlets)

    def drained(self, over_s: float | None) -> bool:
        """Return whether all streams are over, and nothing of them waits; see `Receiver.drained`."""
        if self._faults or any(len(order) for order, _ in self._orders):
            return False
        return all(inlet.receiver.drained(over_s) for inlet in self._inlets)

    def close(self) -> None:
        """Close the receiving ends."""
        for inlet in self._inlets:
            inlet.receiver.close()
