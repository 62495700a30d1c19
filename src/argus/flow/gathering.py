"""What a node's `loop` is called with: each message, or of a fusion node those that belong together.

Which do `fusion` decides.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

from argus.flow.channels.protocol import Delivery
from argus.flow.fusion import Matcher
from argus.flow.inlets import Inlet, Inlets
from argus.flow.message import Message
from argus.flow.node import FusionNode, Node
from argus.flow.qos import COMES_AGAIN_S

Part = tuple[Inlet, Delivery]

_SLOW: Final = 10.0
"""Graces that a partner may take where a link is full of what waits for it: most such partners are only slow,
and what is let go is lost."""


@dataclass(slots=True)
class _Held:
    """What waits for partners, of one inlet."""

    count: int = 0
    size: int = 0
    """Bytes of all."""
    largest: int = 0
    """Bytes of the largest that ever came."""

    def add(self, size: int) -> None:
        self.count, self.size, self.largest = self.count + 1, self.size + size, max(self.largest, size)

    def remove(self, size: int) -> None:
        self.count, self.size = self.count - 1, self.size - size

    @property
    def figures(self) -> tuple[int, int, int]:
        return self.count, self.size, self.largest


class Gathering:
    """Used by one thread."""

    def __init__(self, node: Node, inputs: Sequence[str]) -> None:
        """Begin with nothing gathered."""
        self._matcher: Matcher[tuple[Inlet, Delivery, Any]] | None = None
        self._expected: dict[tuple[Inlet, str], tuple[str, float]] = {}
        """Input and time of what failed, by origin: nothing else of that may come before it comes again."""
        self._heard_s: dict[str, float] = {}
        self._grace_s = self._since_s = 0.0
        if isinstance(node, FusionNode):
            self._matcher = Matcher(inputs, node.slop, node.patience)
            self._grace_s, self._since_s = node.grace, time.monotonic()
        self._held: dict[Inlet, _Held] = {}

    def add(self, inlet: Inlet, delivery: Delivery, value: Any) -> Iterator[tuple[list[Part], Message, Any]]:
        """Yield what `loop` is to be called with now: parts, and message and value as the node sees them."""
        if self._matcher is None:
            message = Message(delivery.header, value, inlet.input, inlet.link, delivery.tries)
            yield [(inlet, delivery)], message, value
            return
        origin, item = delivery.header.origin, (inlet, delivery, value)
        self._heard_s[inlet.input] = time.monotonic()
        self._expect_no_more(self._matcher, (inlet, origin.source))
        self._matcher.add(inlet.input, origin.time_s, item, again=delivery.tries > 1)
        inlet.receiver.set_aside(delivery)
        self._held.setdefault(inlet, _Held()).add(delivery.size)
        while True:
            found, alone = self._matcher.next()
            for lone, given, _ in alone:
                self._accept(lone, given)
            if found is None:
                return
            parts = [(i, d) for i, d, _ in found.values()]
            for other, given in parts:
                other.receiver.take_up(given)
                self._held[other].remove(given.size)
            oldest = min(parts, key=lambda part: part[1].header.origin.born_ns)[1]
            values = {name: item for name, (_, _, item) in found.items()}
            yield parts, Message(oldest.header, values, "", ""), values
            self._since_s = time.monotonic()

    def full(self, inlets: Inlets) -> Collection[str]:
        """Return the inputs that are full while what is missing may still come.

        Where it does not for long, and a link is full of what waits for it, the oldest of that is let go:
        nothing more would come by that link, nor perhaps by others of the same sender.
        """
        matcher = self._matcher
        if matcher is None or not self._held:
            return ()
        full = matcher.full
        stuck = dict.fromkeys(i.input for i, held in self._held.items() if i.is_full_with(*held.figures))
        if not full and not stuck:
            return ()
        silent_s = self._silent_s(matcher, inlets)
        if silent_s >= max(_SLOW * self._grace_s, COMES_AGAIN_S if self._expected else 0.0):
            for name in stuck:
                if (lone := matcher.oldest(name)) is not None:
                    self._accept(lone[0], lone[1])
        return full if silent_s < (COMES_AGAIN_S if self._expected else self._grace_s) else ()

    def expect(self, parts: Sequence[Part]) -> None:
        """Hear which parts come again, as their set has failed."""
        if self._matcher is not None:
            for inlet, delivery in parts:
                origin = delivery.header.origin
                self._expect_no_more(self._matcher, (inlet, origin.source))
                self._matcher.expect(inlet.input, origin.time_s)
                self._expected[inlet, origin.source] = inlet.input, origin.time_s

    @property
    def waiting(self) -> bool:
        """Whether something waits for partners."""
        return self._matcher is not None and self._matcher.waiting > 0

    def let_go(self) -> None:
        """Accept what waits for partners that will not come."""
        for inlet, delivery, _ in () if self._matcher is None else self._matcher.rest():
            self._accept(inlet, delivery)
        self._expected.clear()

    def _silent_s(self, matcher: Matcher[Any], inlets: Inlets) -> float:
        """Return for how long the inputs that are missing have brought nothing, though they could have."""
        now_s = time.monotonic()
        if not inlets.up:
            self._since_s = now_s
        return now_s - max([self._since_s, *(self._heard_s.get(name, 0.0) for name in matcher.missing)])

    def _accept(self, inlet: Inlet, delivery: Delivery) -> None:
        """Be done with what stays alone."""
        inlet.receiver.accept(delivery)
        self._held[inlet].remove(delivery.size)

    def _expect_no_more(self, matcher: Matcher[Any], whose: tuple[Inlet, str]) -> None:
        expected = self._expected.pop(whose, None)
        if expected is not None:
            matcher.expect_no_more(*expected)
