"""Which nodes of a graph run here, and where the others are.

Looked at from one machine, or from one pod of a cluster. What travels between them is `transport`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Final

import msgspec

from argus.core.errors import SpecError
from argus.flow.graph import Graph, LinkSpec, NodeSpec
from argus.flow.plan import source_name

FIRST_PORT: Final = 7400
"""Nodes that are taken from over TCP listen from here on, one port per output and replica."""
HOSTS: Final = "ARGUS_FLOW_HOSTS"
"""Addresses of hosts, or of nodes that run alone, over those of the file: `gpu=10.0.0.5,camera=cam-0`.
Several of one node are joined by `+`."""
POD: Final = "ARGUS_FLOW_POD"
"""Set where a cluster keeps the replicas: each of its pods runs one, and is called so."""


def in_pods(graph: Graph) -> Graph:
    """Return a graph in which every node is one process, of as many pods as it has replicas."""
    nodes = tuple(msgspec.structs.replace(n, replicas=1, pods=n.replicas * n.pods) for n in graph.nodes)
    return msgspec.structs.replace(graph, nodes=nodes)


class Placement:
    """Which nodes run here, and where the others are."""

    def __init__(
        self, graph: Graph, only: Sequence[str] = (), host: str | None = None, pod: str | None = None
    ) -> None:
        """Look at a graph from one machine, or from a pod.

        Raises:
            SpecError: `only` or `host` names what is not there.
        """
        names = [n.name for n in graph.nodes]
        strange = [name for name in only if name not in names]
        if strange:
            raise SpecError(f"{graph.name}: there is no node {', '.join(strange)}: it has {', '.join(names)}")
        if host is not None and host not in {n.host for n in graph.nodes} | set(graph.hosts):
            raise SpecError(f"{graph.name}: no node runs on {host!r}")
        self._graph = graph
        self._host = host
        self.pod = pod
        """The name of the pod; None: this is none."""
        self.here = tuple(
            n.name
            for n in graph.nodes
            if (not only or n.name in only) and (host is None or n.host in {None, host})
        )
        """The nodes that run here."""
        self.alone = len(self.here) == len(names)
        """True where all nodes run on this machine."""
        said = os.environ.get(HOSTS, "")
        self._addresses = {
            **graph.hosts,
            **dict(part.split("=", 1) for part in said.split(",") if "=" in part),
        }

    @property
    def name(self) -> str:
        """What the part of the system that runs here is called."""
        part = self._host or ("" if self.alone else "+".join(self.here))
        return f"{self._graph.name}.{part}" if part else self._graph.name

    def together(self, link: LinkSpec) -> bool:
        """Return whether both ends of a link run here."""
        return link.source in self.here and link.target in self.here

    def address(self, node: NodeSpec) -> str:
        """Return where a node is reached: its host's address, or its own name, as in a cluster."""
        return (
            self._addresses.get(node.name) or self._addresses.get(node.host or "") or node.host or node.name
        )

    def several(self, node: NodeSpec) -> bool:
        """Return whether its address may lead to several processes of it."""
        return self.pod is not None or "+" in self.address(node)

    def port(self, node: NodeSpec, output: str | None, replica: int) -> int:
        """Return the port that a replica's output is taken from; the same on every machine."""
        at = FIRST_PORT
        for other in self._graph.nodes:
            outputs = list(dict.fromkeys(link.output for link in self._graph.out_of(other.name)))
            if other.name == node.name:
                return at + outputs.index(output) * node.replicas + replica
            at += len(outputs) * other.replicas
        raise KeyError(node.name)

    def one_of_several(self, node: NodeSpec) -> str:
        """Return the name of this pod where other pods run the node as well; empty elsewhere."""
        return self.pod if self.pod is not None and node.pods > 1 else ""

    def source(self, node: NodeSpec, replica: int) -> str:
        """Return what a replica is called in origins and ids: no two of a system are called the same."""
        pod = self.one_of_several(node)
        return f"{node.name}.{pod}" if pod else source_name(node, replica)
