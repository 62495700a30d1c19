"""Which transport each link gets, and the channels that follow: made by the process that outlives both ends.

Same host: shared memory for REALTIME, a log for DURABLE. Another host: TCP for REALTIME, Redis for
DURABLE. With a broker every DURABLE link goes through it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, cast

from argus.core.errors import ArgusError
from argus.flow.channels.log import Log
from argus.flow.channels.protocol import Channel, LinkCounts
from argus.flow.channels.redis_spec import RedisSpec
from argus.flow.channels.ring import Ring, RingLink
from argus.flow.channels.tcp import TcpChannel
from argus.flow.graph import Graph, LinkSpec, NodeSpec
from argus.flow.home import dead_of, made, state_of
from argus.flow.placement import Placement
from argus.flow.plan import EndSpec, InletPlan, SenderPlan
from argus.flow.qos import Durable, Realtime

if TYPE_CHECKING:
    from argus.flow.channels.redis_channel import RedisChannel

_REPLAY_S: Final = 5.0


class ReplayRefused(ArgusError):
    """A dead letter cannot be sent again from here."""


class Wiring:
    """All channels of the nodes that run here."""

    def __init__(self, graph: Graph, placement: Placement) -> None:
        """Make them."""
        self._graph = graph
        self._placement = placement
        self._senders: dict[tuple[str, int], list[SenderPlan]] = {}
        self._receivers: dict[tuple[str, str], list[EndSpec]] = {}
        self.channels: list[Channel] = []
        self._of: dict[str, list[Channel]] = {}
        self._inherited: dict[str, list[int]] = {}
        self._through_redis: dict[str, list[RedisChannel]] = {}
        self.transports: dict[str, str] = {}
        """The transport of each link, in words."""
        try:
            for node in graph.nodes:
                for replica in range(node.replicas):
                    self._wire(node, replica)
        except BaseException:
            self.close()
            raise

    def senders(self, node: NodeSpec, replica: int) -> tuple[SenderPlan, ...]:
        """Return the channels out of a replica."""
        return tuple(self._senders.get((node.name, replica), ()))

    def inlets(self, node: NodeSpec) -> tuple[InletPlan, ...]:
        """Return the links into a node."""
        return tuple(
            InletPlan(
                link=link.id,
                input=link.input,
                qos=link.qos,
                senders=self._graph.node(link.source).replicas,
                channels=tuple(self._receivers.get((node.name, link.id), ())),
            )
            for link in self._graph.into(node.name)
        )

    def fds(self, node: NodeSpec) -> tuple[int, ...]:
        """Return the descriptors that the processes of a node inherit."""
        return tuple(dict.fromkeys(self._inherited.get(node.name, ())))

    @property
    def brokered(self) -> tuple[RedisSpec, ...]:
        """The channels that go through a broker."""
        specs = (getattr(channel, "spec", None) for channel in self.channels)
        return tuple(spec for spec in specs if isinstance(spec, RedisSpec))

    def replay(self, link: str, data: bytes) -> None:
        """Send a dead letter again.

        Raises:
            ReplayRefused: its link has no channel here that takes one.
        """
        until_s = time.monotonic() + _REPLAY_S
        for channel in self._of.get(link, ()):
            if isinstance(channel, Log):
                channel.replay(data, lambda: time.monotonic() > until_s)
                return
        raise ReplayRefused(f"link {link} is not in {self._placement.name}: ask the part that it is in")

    def counts(self) -> dict[str, LinkCounts]:
        """Return what became of the messages of each link."""
        total = {link.id: LinkCounts(dropped={}) for link in self._graph.links}
        for channel in self.channels:
            for link, counts in channel.counts().items():
                total[link] = total[link].plus(counts)
        return total

    @property
    def stale(self) -> frozenset[str]:
        """The links of which `counts` last told how it was a while ago, as their broker does not answer."""
        return frozenset(li for li, channels in self._through_redis.items() if any(c.stale for c in channels))

    def forget(self, node: NodeSpec, replica: int, reason: str) -> None:
        """Hear that a replica has died: what it held of its inputs is free, or comes again."""
        for link in self._graph.into(node.name):
            for channel in self._of.get(link.id, ()):
                channel.forget(link.id, replica, reason)

    def heard(self, node: NodeSpec) -> None:
        """Hear that a node ends because its inputs have: an end that was had is no news to the next run."""
        for link in self._graph.into(node.name):
            for channel in self._through_redis.get(link.id, ()):
                channel.heard()

    def close(self) -> None:
        """Free everything; idempotent."""
        for channel in self.channels:
            channel.close()
        self.channels.clear()

    def _wire(self, node: NodeSpec, replica: int) -> None:
        links = self._graph.out_of(node.name)
        for output in dict.fromkeys(link.output for link in links):
            mine = [link for link in links if link.output == output]
            near = [link for link in mine if not link.durable and self._placement.together(link)]
            for quality in dict.fromkeys(link.qos.jpeg for link in near):
                self._ring(node, replica, output, [link for link in near if link.qos.jpeg == quality])
            far = [
                link
                for link in mine
                if not link.durable
                and not self._placement.together(link)
                and {link.source, link.target} & set(self._placement.here)
            ]
            for quality in dict.fromkeys(link.qos.jpeg for link in far):
                self._tcp(node, replica, output, [link for link in far if link.qos.jpeg == quality])
            for link in mine:
                if link.durable and {link.source, link.target} & set(self._placement.here):
                    self._durable(node, replica, output, link)

    def _ring(self, node: NodeSpec, replica: int, output: str | None, links: Sequence[LinkSpec]) -> None:
        ring = Ring.create([RingLink(*facts) for facts in self._facts(links)])
        self._add(node, replica, output, links, ring, ring.spec, "shared memory")

    def _durable(self, node: NodeSpec, replica: int, output: str | None, link: LinkSpec) -> None:
        [(_, _, replicas)] = self._facts([link])
        qos = cast("Durable", link.qos)
        if self._graph.broker.control is not None:
            from argus.flow.channels.redis_channel import RedisChannel

            source, target = self._graph.node(link.source), self._graph.node(link.target)
            channel = RedisChannel.create(
                self._graph.name,
                link.id,
                qos,
                replicas * target.pods,
                self._graph.broker,
                sender=replica,
                sender_pod=self._placement.one_of_several(source),
                consumer_pod=self._placement.one_of_several(target),
                senders=source.pods,
            )
            self._through_redis.setdefault(link.id, []).append(channel)
            self._add(node, replica, output, [link], channel, channel.spec, "redis")
            return
        file = None
        if qos.on_disk:
            stem = f"{link.id}.{replica}".replace("->", "_to_")
            file = made(state_of(self._graph.name)) / f"{stem}.log"
        log = Log.create(link.id, qos, replicas, file=file, dead=dead_of(self._graph.name))
        self._add(node, replica, output, [link], log, log.spec, "log on disk" if file else "log")

    def _tcp(self, node: NodeSpec, replica: int, output: str | None, links: Sequence[LinkSpec]) -> None:
        facts = zip(links, self._facts(links), strict=True)
        channel = TcpChannel.create(
            [(id_, qos, n * self._graph.node(link.target).pods) for link, (id_, qos, n) in facts],
            address=self._placement.address(node),
            port=self._placement.port(node, output, replica),
            sends=node.name in self._placement.here,
            several=self._placement.several(node),
            senders=node.pods,
        )
        self._add(node, replica, output, links, channel, channel.spec, "tcp")

    def _facts(self, links: Sequence[LinkSpec]) -> list[tuple[str, Realtime, int]]:
        """Return id, promise and the consumer's replicas of links."""
        return [
            (link.id, cast("Realtime", link.qos), self._graph.node(link.target).replicas) for link in links
        ]

    def _add(
        self,
        node: NodeSpec,
        replica: int,
        output: str | None,
        links: Sequence[LinkSpec],
        channel: Channel,
        spec: EndSpec,
        transport: str,
    ) -> None:
        self.channels.append(channel)
        for link in links:
            self._of.setdefault(link.id, []).append(channel)
            self.transports[link.id] = transport
        if node.name in self._placement.here:
            plan = SenderPlan(output=output, channel=spec, jpeg=links[0].qos.jpeg)
            self._senders.setdefault((node.name, replica), []).append(plan)
            self._inherited.setdefault(node.name, []).extend(channel.fds)
        for link in links:
            if link.target in self._placement.here:
                self._receivers.setdefault((link.target, link.id), []).append(spec)
                self._inherited.setdefault(link.target, []).extend(channel.fds)
