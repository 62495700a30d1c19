"""What a node's `loop` is called with: each message, or of a fusion node those that belong together.

Which do `fusion` decides.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from argus.flow.channels.protocol import Delivery
from argus.flow.fusion import Matcher
from argus.flow.inlets import Inlet
from argus.flow.message import Message
from argus.flow.node import FusionNode, Node

Part = tuple[Inlet, Delivery]


class Gathering:
    """Used by one thread."""

    def __init__(self, node: Node, inputs: Sequence[str]) -> None:
        """Begin with nothing gathered."""
        self._matcher: Matcher[tuple[Inlet, Delivery, Any]] | None = None
        if isinstance(node, FusionNode):
            self._matcher = Matcher(inputs, node.slop, node.patience)

    def add(self, inlet: Inlet, delivery: Delivery, value: Any) -> Iterator[tuple[list[Part], Message, Any]]:
        """Yield what `loop` is to be called with now: parts, and message and value as the node sees them."""
        if self._matcher is None:
            message = Message(delivery.header, value, inlet.input, inlet.link, delivery.tries)
            yield [(inlet, delivery)], message, value
            return
        time_s = delivery.header.origin.time_s
        complete, alone = self._matcher.add(inlet.input, time_s, (inlet, delivery, value))
        for set_ in complete:
            parts = [(i, d) for i, d, _ in set_.values()]
            oldest = min(parts, key=lambda part: part[1].header.origin.born_ns)[1]
            values = {name: item for name, (_, _, item) in set_.items()}
            yield parts, Message(oldest.header, values, "", ""), values
        for lone, given, _ in alone:
            lone.receiver.accept(given)

    @property
    def waiting(self) -> bool:
        """Whether something waits for partners."""
        return self._matcher is not None and self._matcher.waiting > 0

    def let_go(self) -> None:
        """Accept what waits for partners that will not come."""
        for inlet, delivery, _ in () if self._matcher is None else self._matcher.rest():
            inlet.receiver.accept(delivery)
