"""Another system made of one: with other params, recorded, or fed from a recording.

From graph to graph; what is recorded and played is the work of `argus.flow.nodes.recorder` and `player`.
A topic is what an output sends: `camera`, or `camera.mask` for one of several.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import msgspec

from argus.core.errors import SpecError, UnknownName
from argus.core.paths import expanded
from argus.flow.graph import Graph, LinkSpec, NodeSpec, Target
from argus.flow.qos import QoS

_RECORDER: Final = Target(kind="module", where="argus.flow.nodes.recorder", attribute="Recorder")
_PLAYER: Final = Target(kind="module", where="argus.flow.nodes.player", attribute="Player")


def with_params(graph: Graph, changes: Mapping[str, Mapping[str, Any]]) -> Graph:
    """Return a system whose nodes begin with other params.

    Args:
        graph: The system.
        changes: Params by node; those not named stay.

    Raises:
        UnknownName: there is no such node.
    """
    for name in changes:
        if name not in {node.name for node in graph.nodes}:
            raise UnknownName("node", name, (node.name for node in graph.nodes))
    nodes = [
        msgspec.structs.replace(node, params={**node.params, **changes.get(node.name, {})})
        for node in graph.nodes
    ]
    return msgspec.structs.replace(graph, nodes=tuple(nodes))


def recorded(graph: Graph, topics: Sequence[str], path: str | Path) -> Graph:
    """Return a system with a recorder behind some of its outputs, which misses nothing.

    Raises:
        SpecError: there is no such topic.
    """
    ends = [_end_of(graph, topic) for topic in dict.fromkeys(topics)]
    name = _free("recorder", graph)
    file = str(expanded(path).absolute())
    recorder = NodeSpec(name=name, target=_RECORDER, params={"path": file})
    links = [
        LinkSpec(source=node, target=name, output=output, input=_joined(node, output), qos=QoS.DURABLE)
        for node, output in ends
    ]
    return msgspec.structs.replace(graph, nodes=(*graph.nodes, recorder), links=(*graph.links, *links))


def played(
    graph: Graph, topics: Sequence[str], path: str | Path, *, rate: float | None = 1.0, loop: bool = False
) -> Graph:
    """Return a system in which a recording stands for some of its nodes.

    The nodes of the topics do not run, nor do those whose work nobody would take any more. What such a node
    sends besides the topics is not sent.

    Args:
        graph: The system.
        topics: What is played; each was recorded.
        path: The recording.
        rate: Times as fast as it happened; None: as fast as it is taken.
        loop: Begin again at the end.

    Raises:
        SpecError: there is no such topic, or nobody takes it.
    """
    ends = [_end_of(graph, topic) for topic in dict.fromkeys(topics)]
    gone = {node for node, _ in ends}
    players: dict[tuple[str, str | None], NodeSpec] = {}
    for node, output in ends:
        if not any((link.source, link.output) == (node, output) for link in graph.links):
            raise SpecError(
                f"topic {_joined(node, output)}: nobody takes it, so there is nothing to play it for"
            )
        first = node not in {player.name for player in players.values()}
        params = {
            "path": str(expanded(path).absolute()),
            "topic": _joined(node, output),
            "rate": rate,
            "loop": loop,
            # Several keep the distance that they had.
            "start": "file" if len(ends) > 1 else "topic",
        }
        name = node if first else _free(f"{node}-{output}", graph)
        players[node, output] = NodeSpec(name=name, target=_PLAYER, params=params, host=graph.node(node).host)
    links = [
        link
        if link.source not in gone
        else msgspec.structs.replace(link, source=players[link.source, link.output].name, output=None)
        for link in graph.links
        if link.target not in gone and (link.source not in gone or (link.source, link.output) in players)
    ]
    kept = [node for node in graph.nodes if node.name not in gone]
    idle = _idle(kept, graph.links, links)
    return msgspec.structs.replace(
        graph,
        nodes=(*players.values(), *(node for node in kept if node.name not in idle)),
        links=tuple(link for link in links if link.source not in idle and link.target not in idle),
    )


def _idle(nodes: Iterable[NodeSpec], before: Sequence[LinkSpec], after: Sequence[LinkSpec]) -> set[str]:
    """Return the nodes that gave to others and have nobody left to give to, or took and have nothing left."""
    idle: set[str] = set()
    names = [node.name for node in nodes]
    while True:
        left = [link for link in after if link.source not in idle and link.target not in idle]
        more = {
            name
            for name in names
            if name not in idle
            and (
                (
                    any(link.source == name for link in before)
                    and not any(link.source == name for link in left)
                )
                or (
                    any(link.target == name for link in before)
                    and not any(link.target == name for link in left)
                )
            )
        }
        if not more:
            return idle
        idle |= more


def _end_of(graph: Graph, topic: str) -> tuple[str, str | None]:
    """Return the node and the output that a topic names."""
    node, _, output = topic.partition(".")
    known = sorted(
        {_joined(link.source, link.output) for link in graph.links} | {n.name for n in graph.nodes}
    )
    if node not in {n.name for n in graph.nodes}:
        raise UnknownName("topic", topic, known)
    return node, output or None


def _joined(node: str, output: str | None) -> str:
    return node if output is None else f"{node}.{output}"


def _free(name: str, graph: Graph) -> str:
    """Return the name, or the first one like it that no node has."""
    taken = {node.name for node in graph.nodes}
    number = 2
    free = name
    while free in taken:
        free, number = f"{name}-{number}", number + 1
    return free
