"""A whole system in one process and one thread: breakpoints work, and errors end it where they happen.

Links are calls: what a node sends is looked at by those behind it before `send` returns, so nothing
waits, nothing is dropped for its age, and arrays are not copied. Values are handed on as another process
would get them. The promises of other modes that need two processes (retries, dead letters, restarts) do
not apply.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import structlog

from argus.flow.calling import Caller
from argus.flow.channels.protocol import LinkCounts
from argus.flow.codec import Encoder, decode
from argus.flow.fusion import Matcher
from argus.flow.graph import Graph, LinkSpec
from argus.flow.loading import first_params, from_object, make_node
from argus.flow.message import Header, Message
from argus.flow.node import EndOfStream, FusionNode, Node, ProducerNode, output_of
from argus.flow.stamp import Stamps

if TYPE_CHECKING:
    from numpy.typing import NDArray


class DebugSystem:
    """Runs a graph in the calling thread."""

    def __init__(self, graph: Graph, objects: Mapping[str, Any] | None = None) -> None:
        """Make all nodes.

        Args:
            graph: Checked.
            objects: Classes and functions by node name that the caller has at hand, instead of importing.

        Raises:
            NodeBroken: a node cannot be made.
        """
        self.graph = graph
        self.counts = {link.id: LinkCounts(dropped={}) for link in graph.links}
        self.life = time.time_ns() // 1_000_000
        self._stopping = False
        self._stations: dict[str, _Station] = {}
        for name in graph.order:
            spec = graph.node(name)
            found = None if objects is None else objects.get(name)
            if found is None:
                node = make_node(spec, graph.folder)
            else:
                node = from_object(found, name)
                node.name, node.params = name, first_params(node, spec)
            self._stations[name] = _Station(self, node, spec.fps)
        for name, station in self._stations.items():
            station.connect(graph.out_of(name), graph.into(name))

    def stop(self) -> None:
        """Let `run` return after the current round."""
        self._stopping = True

    def run(self) -> None:
        """Set all nodes up, call the producers in turn until every stream has ended, and tear down.

        Raises:
            Exception: what a node raised, from where it raised it.
        """
        begun: list[_Station] = []
        try:
            for station in self._stations.values():
                station.caller.call(station.node.setup)
                begun.append(station)
            running = [s for s in self._stations.values() if isinstance(s.node, ProducerNode)]
            while running and not self._stopping:
                running = [station for station in running if station.turn()]
        finally:
            with contextlib.ExitStack() as ending:
                # The last that is pushed ends first, and all do, whatever one of them raises.
                for station in reversed(begun):
                    ending.callback(station.caller.close)
                    ending.callback(station.caller.call, station.node.teardown)

    @property
    def stopping(self) -> bool:
        """True when the nodes shall come to an end."""
        return self._stopping


class _Station:
    """One node with its links, as its `Host`."""

    def __init__(self, system: DebugSystem, node: Node, fps: float | None) -> None:
        self.system = system
        self.node = node
        self.caller = Caller()
        self.message: Message | None = None
        self._fps = fps
        self._next_s = 0.0
        self._stamps = Stamps(node.name, life=system.life)
        self._received_ns = 0
        self._encoder = Encoder()
        self._wires: dict[str, list[tuple[_Station, LinkSpec, LinkCounts]]] = {}
        self._matcher: Matcher[tuple[Header, Any, LinkCounts]] | None = None
        node.host = self
        node.log = structlog.get_logger().bind(node=node.name)

    @property
    def stopping(self) -> bool:
        return self.system.stopping

    def connect(self, out: Sequence[LinkSpec], into: Sequence[LinkSpec]) -> None:
        for link in out:
            target = self.system._stations[link.target]
            output = link.output or self.node.outputs[0]
            self._wires.setdefault(output, []).append((target, link, self.system.counts[link.id]))
        if isinstance(self.node, FusionNode):
            self._matcher = Matcher([link.input for link in into], self.node.slop, self.node.patience)

    def turn(self) -> bool:
        """Call a producer's `loop` once; return whether it goes on."""
        if self._fps is not None:
            now_s = time.monotonic()
            self._next_s = max(self._next_s, now_s)
            if self._next_s > now_s:
                time.sleep(self._next_s - now_s)
            self._next_s += 1.0 / self._fps
        try:
            self._call()
        except EndOfStream:
            return False
        return True

    def take(self, header: Header, value: Any, link: LinkSpec, counts: LinkCounts) -> None:
        """Look at what a link brings."""
        if self._matcher is None:
            self._look(Message(header, value, link.input, link.id), value, (counts,))
            return
        self._matcher.add(link.input, header.origin.time_s, (header, value, counts))
        found: dict[str, tuple[Header, Any, LinkCounts]] | None = {}
        while found is not None:
            found, alone = self._matcher.next()
            for _, _, lone in alone:
                lone.pending -= 1
                lone.delivered += 1
            if found:
                oldest = min((h for h, _, _ in found.values()), key=lambda h: h.origin.born_ns)
                values = {name: item for name, (_, item, _) in found.items()}
                self._look(Message(oldest, values, "", ""), values, tuple(c for _, _, c in found.values()))

    def send(self, value: Any, output: str, *, time_s: float | None = None, index: int | None = None) -> None:
        wires = self._wires.get(output)
        if wires is None:
            if output not in self.node.outputs:
                known = ", ".join(self.node.outputs)
                raise ValueError(f"{self.node.name} has no output {output!r}: it has {known}")
            return
        header = self._stamps.header(value, self.message, self._received_ns, time_s=time_s, index=index)
        # As another process would get it: what cannot travel fails here too, and so does writing into it.
        _, value = decode(*self._encoder.encode(header, value))
        for target, link, counts in wires:
            counts.sent += 1
            counts.pending += 1
            target.take(header, value, link, counts)

    def loan(self, shape: tuple[int, ...], dtype: Any, output: str) -> NDArray[Any]:
        import numpy as np

        return np.empty(shape, dtype)

    def pause(self, seconds: float) -> bool:
        time.sleep(seconds)
        return self.stopping

    def _look(self, message: Message, value: Any, counts: Sequence[LinkCounts]) -> None:
        before, self.message = self.message, message
        self._received_ns = time.monotonic_ns()
        try:
            self._call(value)
        except EndOfStream:
            self.system.stop()
        except BaseException:
            for count in counts:
                count.pending -= 1
                count.dropped["failed"] = count.dropped.get("failed", 0) + 1
            raise
        finally:
            self.message = before
        for count in counts:
            count.pending -= 1
            count.delivered += 1

    def _call(self, *arguments: Any) -> None:
        """Call `loop`, and send what it gives."""
        for value in self.caller.results(self.node.loop, *arguments):  # type: ignore[attr-defined]  # all have one
            self.send(value, output_of(self.node))
