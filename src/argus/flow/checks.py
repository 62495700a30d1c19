"""What is wrong with a system, all of it at once, before anything starts.

Nothing is imported: what a node's class says is read from its file (`argus.flow.outlines`), and where that
leaves a doubt, nothing is said here; the node itself will say it when it starts.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Collection, Iterator, Mapping
from typing import Final

import msgspec

from argus.core.errors import SpecError, did_you_mean
from argus.flow.graph import Graph, LinkSpec, NodeSpec
from argus.flow.outlines import Outline, TargetUnreadable, outline_of
from argus.flow.qos import Durable

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")


def check(graph: Graph, at_hand: Collection[str] = ()) -> None:
    """Return when nothing is wrong with a system.

    Args:
        graph: The system.
        at_hand: Nodes whose class or function the caller has, so that nothing needs to find them.

    Raises:
        SpecError: with everything that is wrong, one thing a line.
    """
    found = faults(graph, at_hand)
    if len(found) == 1:
        raise SpecError(f"system {graph.name}: {found[0]}")
    if found:
        raise SpecError(
            f"system {graph.name}: {len(found)} things are wrong:\n" + "\n".join(f"- {f}" for f in found)
        )


def faults(graph: Graph, at_hand: Collection[str] = ()) -> list[str]:
    """Return what is wrong with a system, in the order of its file: names, nodes, links, cycles."""
    outlines: dict[str, Outline] = {}
    found = [*_names(graph)]
    for node in graph.nodes:
        found += _node(graph, node, outlines, node.name in at_hand)
    for link in graph.links:
        found += _link(graph, link, outlines)
    found += _twins(graph)
    found += [
        f"nodes form a cycle: {' -> '.join(cycle)}: take out one of its links" for cycle in cycles(graph)
    ]
    return list(dict.fromkeys(found))


def cycles(graph: Graph) -> list[tuple[str, ...]]:
    """Return circles of nodes, each from a node back to itself; of those that overlap, a shortest."""
    after: dict[str, list[str]] = {node.name: [] for node in graph.nodes}
    for link in graph.links:
        if link.source in after and link.target in after and link.target not in after[link.source]:
            after[link.source].append(link.target)
    found: list[tuple[str, ...]] = []
    seen: set[str] = set()
    for name in after:
        way = None if name in seen else _way_back(name, after)
        if way is not None and not seen & set(way):
            found.append(way)
            seen |= set(way)
    return found


def _way_back(name: str, after: Mapping[str, list[str]]) -> tuple[str, ...] | None:
    """Return a shortest way from a node to itself."""
    before: dict[str, str] = {}
    left = deque([name])
    while left:
        here = left.popleft()
        for following in after[here]:
            if following == name:
                way = [name, here]
                while way[-1] != name:
                    way.append(before[way[-1]])
                return (*reversed(way[1:]), name)
            if following not in before:
                before[following] = here
                left.append(following)
    return None


def _names(graph: Graph) -> Iterator[str]:
    if not _LABEL.fullmatch(graph.name):
        yield f"the name {graph.name!r} of the system: {_LABEL_RULE}"
    if not graph.nodes:
        yield "it has no nodes: add one with `system.node(…)`"
    for name, count in Counter(node.name for node in graph.nodes).items():
        if count > 1:
            places = ", ".join(node.target.where for node in graph.nodes if node.name == name)
            yield f"{_times(count)} nodes are called {name!r} ({places}): give each its own name with `name=`"
    for name in dict.fromkeys(node.name for node in graph.nodes):
        if not _LABEL.fullmatch(name):
            yield f"node {name!r}: {_LABEL_RULE}"


_LABEL_RULE: Final = "a name is of small letters, digits and `-`, 63 at most, with no `-` at its ends"


def _node(graph: Graph, node: NodeSpec, outlines: dict[str, Outline], at_hand: bool) -> Iterator[str]:
    who = f"node {node.name!r}"
    if strange := list(_strange(node, at_hand)):
        yield from (f"{who}: {fault}" for fault in strange)
        return
    if node.replicas < 1:
        yield f"{who}: replicas is {node.replicas}: it must be at least 1; take the node out to run none"
    if node.fps is not None and not node.fps > 0:
        yield f"{who}: fps is {node.fps:g}: it must be above 0"
    if node.host is not None and node.host not in graph.hosts:
        known = (
            f"; known: {', '.join(sorted(graph.hosts))}"
            if graph.hosts
            else ": name hosts in `System(hosts=…)`"
        )
        yield f"{who}: unknown host {node.host!r}{did_you_mean(node.host, graph.hosts)}{known}"
    try:
        outline = outline_of(node.target, graph.folder)
    except TargetUnreadable as error:
        if not at_hand:
            yield f"{who}: {error}"
        return
    if outline is None:
        return
    outlines.setdefault(node.name, outline)
    yield from _outline(graph, node, outline)


def _strange(node: NodeSpec, at_hand: bool) -> Iterator[str]:
    """Yield what of a node cannot be told to its processes, which have nothing but what they are told."""
    for name, value in {} if at_hand else node.params.items():
        try:
            msgspec.msgpack.encode(value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            kind = type(value).__qualname__
            yield f"param {name} ({kind}) cannot be told to its process: give text, 64-bit numbers or lists"
    if fault := _mistyped(msgspec.structs.replace(node, params={})):
        yield fault
        return
    for name, value in node.env.items():
        if not name or "=" in name or "\0" in name + value:
            yield f"env {name!r} cannot be set: a name is not empty and has no `=`, and there is no NUL"


def _mistyped(spec: NodeSpec | LinkSpec) -> str:
    """Return which of its settings is of another type than it must be; empty: none."""
    try:
        msgspec.msgpack.decode(msgspec.msgpack.encode(spec), type=type(spec))
    except (TypeError, ValueError, OverflowError) as error:
        return str(error)
    return ""


def _outline(graph: Graph, node: NodeSpec, outline: Outline) -> Iterator[str]:
    """Yield what does not go together with the node's class."""
    who, what = f"node {node.name!r}", f"{outline.name} ({outline.file.name})"
    if outline.params is not None:
        for param in node.params:
            if param not in outline.params:
                known = f"known: {', '.join(sorted(outline.params))}" if outline.params else "it has none"
                hint = did_you_mean(param, outline.params)
                yield f"{who}: {what} has no param {param!r}{hint}; {known}"
    if outline.kind == "producer" and (into := graph.into(node.name)):
        sources = ", ".join(dict.fromkeys(link.source for link in into))
        yield f"{who}: {what} is a producer and takes nothing, but there are links from {sources}"
    if outline.kind == "fusion":
        inputs = dict.fromkeys(link.input for link in graph.into(node.name))
        if len(inputs) < 2:
            taken = f"only {next(iter(inputs))!r} is" if inputs else "none is"
            yield f"{who}: {what} puts several inputs together, but {taken} linked: link another"
        if node.replicas > 1:
            yield f"{who}: {what} cannot have replicas: what belongs together would go to different ones"
    if outline.outputs == () and (out := graph.out_of(node.name)):
        targets = ", ".join(dict.fromkeys(link.target for link in out))
        yield f"{who}: {what} sends nothing, but there are links to {targets}: make it a ConsumerNode"


def _link(graph: Graph, link: LinkSpec, outlines: Mapping[str, Outline]) -> Iterator[str]:
    known = {node.name: node for node in reversed(graph.nodes)}
    if fault := _mistyped(link):
        yield f"link {link.id}: {fault}"
    for end, name in (("from", link.source), ("to", link.target)):
        if name not in known:
            yield f"link {link.id}: it leads {end} {name!r}, which is no node{did_you_mean(name, known)}"
    outputs = outlines[link.source].outputs if link.source in outlines else None
    if link.output is not None and outputs and link.output not in outputs:
        known_ones = f"{did_you_mean(link.output, outputs)}; known: {', '.join(outputs)}"
        yield f"link {link.id}: {link.source} has no output {link.output!r}{known_ones}"
    if not isinstance(link.qos, Durable):
        return
    broker = graph.broker.control is not None
    if link.qos.ordered and link.target in known and known[link.target].replicas > 1:
        yield (
            f"link {link.id}: DURABLE with ordered leads to {known[link.target].replicas} replicas, which"
            " share what comes: make it one, or order what they send"
        )
    if link.qos.on_disk and broker:
        yield (
            f"link {link.id}: DURABLE with on_disk goes through a file, but the system has a broker, which"
            " keeps its messages: take out one of the two"
        )
    source, target = known.get(link.source), known.get(link.target)
    if source is not None and target is not None and not broker and _apart(source, target):
        yield (
            f"link {link.id}: DURABLE between hosts ({_place(source)} and {_place(target)}) needs a broker:"
            " System(broker='redis://…'), or make it REALTIME"
        )


def _apart(source: NodeSpec, target: NodeSpec) -> bool:
    return source.host != target.host


def _place(node: NodeSpec) -> str:
    return node.host or "where it is started"


def _twins(graph: Graph) -> Iterator[str]:
    for id_, count in Counter(link.id for link in graph.links).items():
        if count > 1:
            yield f"link {id_}: it is there {_times(count)} times: keep one, with the QoS that you mean"


def _times(count: int) -> str:
    return {2: "two", 3: "three", 4: "four"}.get(count, str(count))
