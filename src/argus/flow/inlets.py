"""The links into one node, looked at in turn: none of them is left waiting for another.

What is done with a message is the runner's.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Final

from argus.flow.channels.protocol import ChannelDown, Delivery, Receiver, ReliableReceiver

_DOWN_S: Final = 0.2


@dataclass(frozen=True, slots=True)
class Inlet:
    """One channel of a link into the node."""

    receiver: Receiver
    input: str
    link: str

    def may_wait(self, full: Collection[str]) -> bool:
        """Return whether its messages stay in the link while its input is full, rather than being lost."""
        return self.input in full and isinstance(self.receiver, ReliableReceiver)


class Inlets:
    """Used by one thread, but for `ended_links`."""

    def __init__(self, inlets: Sequence[Inlet]) -> None:
        """Begin with the first."""
        self._inlets = list(inlets)
        self._start = 0
        self._faults: dict[int, str] = {}

    def next(self, full: Collection[str] = ()) -> tuple[Inlet, Delivery] | None:
        """Return the next message, or None where there is none; those to inputs that are full may wait."""
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

    def wait_s(self, longest_s: float) -> float:
        """Return how long to wait at most before the next look, though nothing is said."""
        looks = [s for inlet in self._inlets if (s := inlet.receiver.next_look_s()) is not None]
        return min([*looks, *([_DOWN_S] if self._faults else []), longest_s])

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
        return not self._faults and all(inlet.receiver.drained(over_s) for inlet in self._inlets)

    def close(self) -> None:
        """Close the receiving ends."""
        for inlet in self._inlets:
            inlet.receiver.close()
