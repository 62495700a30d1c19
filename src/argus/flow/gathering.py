"""What a node's `loop` is called with: each message, or of a fusion node those that belong together.

Which do `fusion` decides.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Sequence
from typing import Any

from argus.flow.channels.protocol import Delivery
from argus.flow.fusion import Matcher
from argus.flow.inlets import Inlet, Inlets
from argus.flow.message import Message
from argus.flow.node import FusionNode, Node
from argus.flow.qos import COMES_AGAIN_S

Part = tuple[Inlet, Delivery]


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
        while True:
            found, alone = self._matcher.next()
            for lone, given, _ in alone:
                lone.receiver.accept(given)
            if found is None:
                return
            parts = [(i, d) for i, d, _ in found.values()]
            for other, given in parts:
                other.receiver.take_up(given)
            oldest = min(parts, key=lambda part: part[1].header.origin.born_ns)[1]
            values = {name: item for name, (_, _, item) in found.items()}
            yield parts, Message(oldest.header, values, "", ""), values
            self._since_s = time.monotonic()

    def full(self, inlets: Inlets) -> Collection[str]:
        """Return the inputs that are full while what is missing may still come."""
        if self._matcher is None or not (full := self._matcher.full):
            return ()
        if not inlets.up:
            self._since_s = time.monotonic()
        heard_s = max([self._since_s, *(self._heard_s.get(name, 0.0) for name in self._matcher.missing)])
        patience_s = COMES_AGAIN_S if self._expected else self._grace_s
        return full if time.monotonic() - heard_s < patience_s else ()

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
            inlet.receiver.accept(delivery)
        self._expected.clear()

    def _expect_no_more(self, matcher: Matcher[Any], whose: tuple[Inlet, str]) -> None:
        expected = self._expected.pop(whose, None)
        if expected is not None:
            matcher.expect_no_more(*expected)
