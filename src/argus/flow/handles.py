"""What a user links nodes with: `sys.link(camera["mask"]).to(detector)`.

The system that the nodes and links are of is `system`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from argus.flow.qos import Promise, QoS

if TYPE_CHECKING:
    from argus.flow.system import System


class NodeHandle:
    """A node of a system, for linking."""

    def __init__(self, system: System, name: str, output: str | None = None) -> None:
        """Stand for the node's output (None: the first)."""
        self.system, self.name, self.output = system, name, output

    def __getitem__(self, output: str) -> NodeHandle:
        """Return it with another of its outputs: `sys.link(camera["mask"]).to(…)`."""
        return NodeHandle(self.system, self.name, output)


class LinkChain:
    """Where a link begins; `to` says where it leads and returns where the next one begins."""

    def __init__(self, system: System, source: NodeHandle) -> None:
        """Begin at a node."""
        self._system, self._source = system, source

    def to(
        self,
        target: NodeHandle,
        qos: Promise = QoS.REALTIME,
        *,
        input: str | None = None,  # noqa: A002
    ) -> LinkChain:
        """Link to a node.

        Args:
            target: Who takes the messages.
            qos: `QoS.REALTIME` (the newest only) or `QoS.DURABLE` (all); call it to change its settings.
            input: What the target calls this input; None: the source's name.
        """
        self._system.add_link(self._source, target, qos, input)
        return LinkChain(self._system, target)
