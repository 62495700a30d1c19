"""What of a system is where in a cluster: who listens at which port, who talks to whom, who needs a broker.

Facts drawn from the graph and the nodes' outlines; the documents that say them are `manifests` and `network`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from argus.core.errors import SpecError
from argus.flow.deploy.names import object_names
from argus.flow.deploy.node_toml import NodeToml, read_node_toml
from argus.flow.graph import Graph, LinkSpec, NodeSpec
from argus.flow.outlines import outline_of
from argus.flow.placement import Placement, in_pods

WEB_PORT: Final = 8080
REDIS_PORT: Final = 6379
BROKER: Final = "redis"
"""What the system's own Redis is called among its nodes."""


@dataclass(frozen=True, slots=True)
class Place:
    """One node in the cluster."""

    node: NodeSpec
    name: str
    """Of its objects."""
    toml: NodeToml
    ports: Mapping[str, int]
    """Names and numbers of the ports that others take messages from."""
    web: int | None
    """The port that it shows the system at, where it is a gateway."""
    takes_from: tuple[str, ...]
    """Nodes whose ports it connects to."""
    given_to: tuple[str, ...]
    """Nodes that connect to its ports."""
    brokered: bool
    """It has a DURABLE link."""
    begins: bool
    """Nothing comes in by a link: what it takes comes from outside."""

    @property
    def gpu(self) -> bool:
        """Whether it asks for one."""
        return (self.node.device or self.toml.device) == "gpu"


@dataclass(frozen=True, slots=True)
class Layout:
    """A whole system in the cluster."""

    graph: Graph
    places: tuple[Place, ...]
    brokered: bool
    """Some link is DURABLE."""
    own_broker: bool
    """It goes through a Redis of the system's own, as the graph names none."""

    def place(self, node: str) -> Place:
        """Return the place of a node."""
        return next(place for place in self.places if place.node.name == node)


def layout_of(graph: Graph) -> Layout:
    """Return what is where, each node in pods of its own.

    Raises:
        SpecError: a `node.toml` is wrong, or the system cannot be in a cluster; every fault is listed.
    """
    faults = [_unknown_device(node) for node in graph.nodes if node.device not in {None, "gpu", "cpu"}]
    faults += [_unknown_arch(node) for node in graph.nodes if node.arch not in {None, "amd64", "arm64"}]
    faults += [
        f"link {link.id}: on_disk keeps messages in a file of one pod, which ends with it: "
        "leave it out, as the links of a cluster go through Redis"
        for link in graph.links
        if link.durable and getattr(link.qos, "on_disk", False)
    ]
    own_broker = any(link.durable for link in graph.links) and graph.broker.control is None
    if own_broker and any(node.name == BROKER for node in graph.nodes):
        faults.append(f"node {BROKER}: the Redis of the system is called so: give the node another name")
    if faults:
        raise SpecError("\n".join(faults))
    names = object_names(graph.name, [node.name for node in graph.nodes])
    places = tuple(_place(graph, node, names[node.name]) for node in graph.nodes)
    return Layout(graph, places, any(link.durable for link in graph.links), own_broker)


def folder_of(node: NodeSpec) -> Path | None:
    """Return the node's own folder; None where it has none."""
    if node.target.kind != "path":
        return None
    path = Path(node.target.where)
    return path if path.is_dir() else None


def _place(graph: Graph, node: NodeSpec, name: str) -> Place:
    folder = folder_of(node)
    fresh = [link for link in graph.links if not link.durable and link.source != link.target]
    placement = Placement(in_pods(graph))
    ports = {}
    for output in dict.fromkeys(link.output for link in fresh if link.source == node.name):
        number = placement.port(in_pods(graph).node(node.name), output, 0)
        ports[f"flow-{number}"] = number
    return Place(
        node=node,
        name=name,
        toml=NodeToml() if folder is None else read_node_toml(folder),
        ports=ports,
        web=_web(graph, node),
        takes_from=_distinct(fresh, "source", node.name),
        given_to=_distinct(fresh, "target", node.name),
        brokered=any(link.durable for link in (*graph.into(node.name), *graph.out_of(node.name))),
        begins=not graph.into(node.name),
    )


def _distinct(links: list[LinkSpec], end: str, node: str) -> tuple[str, ...]:
    other = "target" if end == "source" else "source"
    return tuple(dict.fromkeys(getattr(link, end) for link in links if getattr(link, other) == node))


def _web(graph: Graph, node: NodeSpec) -> int | None:
    outline = outline_of(node.target, graph.folder)
    if outline is None or outline.kind != "gateway":
        return None
    return int(node.params.get("port") or WEB_PORT)


def _unknown_device(node: NodeSpec) -> str:
    return f"node {node.name}: device {node.device!r}: a cluster is asked for `gpu`, or for nothing"


def _unknown_arch(node: NodeSpec) -> str:
    return f"node {node.name}: arch {node.arch!r}: it is `amd64` or `arm64`"
