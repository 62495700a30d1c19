"""Where the boxes and wires of a directed graph go: in columns, left to right, with few crossings.

Geometry only, in pixels; what the boxes are is `argus.flow.drawing`'s.

Source: K. Sugiyama, S. Tagawa, M. Toda, "Methods for Visual Understanding of Hierarchical System
Structures", IEEE SMC 11(2), 1981: layers, then order by barycentres, then places. Heights are settled by
isotonic regression (pooling of adjacent violators), which is exact for the order given.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

PORT_GAP: Final = 15.0
"""Between wires at the side of a box, if it is as high as that takes."""
_GAP_X: Final = 84.0
_SWING: Final = 50.0
"""What a wire needs beside what is written on it."""
_GAP_Y: Final = 26.0
_BEND_HEIGHT: Final = 6.0
_SWEEPS: Final = 12

Size = tuple[float, float]
Point = tuple[float, float]


@dataclass(frozen=True, slots=True)
class Box:
    """Where a node is; x and y of its upper left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Layout:
    """Where everything is."""

    boxes: dict[str, Box]
    wires: list[list[Point]]
    """One for each edge given, in that order, from its source to its target; two points for each column that
    it crosses, between which it is level. Empty for an edge from a node to itself."""
    width: float
    height: float


def lay_out(
    sizes: Mapping[str, Size], edges: Sequence[tuple[str, str]], rooms: Sequence[float] = ()
) -> Layout:
    """Return where nodes and edges go.

    Args:
        sizes: Width and height of each node, in the order that decides where nothing else does.
        edges: Source and target of each, all of them nodes.
        rooms: The width that each edge needs, behind its source, for what is written on it; none: no width.
    """
    plain = [_Edge(i, *edge) for i, edge in enumerate(edges) if edge[0] != edge[1]]
    _turn_back_edges(list(sizes), plain)
    layer = _layers(list(sizes), plain)
    columns: list[list[str]] = [[] for _ in range(max(layer.values(), default=-1) + 1)]
    for name in sizes:
        columns[layer[name]].append(name)
    size = dict(sizes)
    segments: list[tuple[str, str]] = []
    for edge in plain:
        edge.way = [edge.start]
        for column in range(layer[edge.start] + 1, layer[edge.end]):
            bend = f"\0{edge.at}.{column}"
            columns[column].append(bend)
            size[bend] = (0.0, _BEND_HEIGHT)
            edge.way.append(bend)
        edge.way.append(edge.end)
        segments += pairwise(edge.way)
    before, after = _neighbours(size, segments)
    columns = _ordered(columns, before, after)
    centre = _heights(columns, size, before, after)
    widths = [max(size[name][0] for name in column) for column in columns]
    gaps = [_GAP_X] * len(columns)
    for room, (source, _) in zip(rooms, edges, strict=False):
        at = layer[source]
        slack = widths[at] - size[source][0]
        gaps[at] = max(gaps[at], room + _SWING - slack) if room else gaps[at]
    left = [sum(widths[:i]) + sum(gaps[:i]) for i in range(len(columns))]
    top = min((centre[name] - size[name][1] / 2 for name in size), default=0.0)
    boxes = {
        name: Box(left[layer[name]], centre[name] - height / 2 - top, width, height)
        for name, (width, height) in sizes.items()
    }
    spans = [(left[i], left[i] + widths[i]) for i in range(len(columns))]
    wires = _wires(plain, len(edges), boxes, {n: c - top for n, c in centre.items()}, spans, layer)
    bottom = max((centre[name] + size[name][1] / 2 - top for name in size), default=0.0)
    return Layout(boxes, wires, spans[-1][1] if spans else 0.0, bottom)


@dataclass(slots=True)
class _Edge:
    at: int
    start: str
    end: str
    turned: bool = False
    way: list[str] | None = None


def _turn_back_edges(names: Sequence[str], edges: Sequence[_Edge]) -> None:
    """Turn edges around until there is no cycle."""
    out: dict[str, list[_Edge]] = {name: [] for name in names}
    for edge in edges:
        out[edge.start].append(edge)
    state: dict[str, int] = {}
    for root in names:
        if root in state:
            continue
        state[root] = 1
        stack = [(root, iter(out[root]))]
        while stack:
            name, left = stack[-1]
            following = next(left, None)
            if following is None:
                state[name] = 2
                stack.pop()
            elif state.get(following.end) == 1:
                following.turned = True
            elif following.end not in state:
                state[following.end] = 1
                stack.append((following.end, iter(out[following.end])))
    for edge in edges:
        if edge.turned:
            edge.start, edge.end = edge.end, edge.start


def _layers(names: Sequence[str], edges: Sequence[_Edge]) -> dict[str, int]:
    """Return each node's column: right of all that lead to it, and sources beside what they lead to."""
    into: dict[str, set[str]] = {name: set() for name in names}
    out: dict[str, set[str]] = {name: set() for name in names}
    for edge in edges:
        into[edge.end].add(edge.start)
        out[edge.start].add(edge.end)
    layer: dict[str, int] = {}
    left = {name: len(into[name]) for name in names}
    ready = [name for name in names if not left[name]]
    for name in ready:
        layer[name] = max((layer[source] + 1 for source in into[name]), default=0)
        for target in out[name]:
            left[target] -= 1
            if not left[target]:
                ready.append(target)
    for name in names:
        if not into[name] and out[name]:
            layer[name] = min(layer[target] for target in out[name]) - 1
    return layer


def _neighbours(
    size: Mapping[str, Size], segments: Sequence[tuple[str, str]]
) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    before: dict[str, list[str]] = {name: [] for name in size}
    after: dict[str, list[str]] = {name: [] for name in size}
    for source, target in segments:
        before[target].append(source)
        after[source].append(target)
    return before, after


def _ordered(
    columns: list[list[str]], before: Mapping[str, list[str]], after: Mapping[str, list[str]]
) -> list[list[str]]:
    """Return the columns, each in an order with few crossings."""
    best, fewest = [list(column) for column in columns], _crossings(columns, after)
    for sweep in range(_SWEEPS):
        if not fewest:
            break
        rightwards = sweep % 2 == 0
        order = range(1, len(columns)) if rightwards else range(len(columns) - 2, -1, -1)
        for i in order:
            near = columns[i - 1] if rightwards else columns[i + 1]
            place = {name: at for at, name in enumerate(near)}
            others = before if rightwards else after
            here = {name: float(at) for at, name in enumerate(columns[i])}
            for name in columns[i]:
                at_others = [place[other] for other in others[name]]
                if at_others:
                    here[name] = sum(at_others) / len(at_others)
            columns[i] = sorted(columns[i], key=lambda name: here[name])
        crossings = _crossings(columns, after)
        if crossings < fewest:
            best, fewest = [list(column) for column in columns], crossings
    return best


def _crossings(columns: Sequence[Sequence[str]], after: Mapping[str, list[str]]) -> int:
    count = 0
    for column, following in pairwise(columns):
        place = {name: at for at, name in enumerate(following)}
        ends = [(at, place[target]) for at, name in enumerate(column) for target in after[name]]
        count += sum((a[0] - b[0]) * (a[1] - b[1]) < 0 for i, a in enumerate(ends) for b in ends[:i])
    return count


def _heights(
    columns: Sequence[Sequence[str]],
    size: Mapping[str, Size],
    before: Mapping[str, list[str]],
    after: Mapping[str, list[str]],
) -> dict[str, float]:
    """Return the height of each middle: as near to its neighbours' as the order of the column lets it."""
    centre: dict[str, float] = {}
    for column in columns:
        at = 0.0
        for name in column:
            centre[name] = at + size[name][1] / 2
            at += size[name][1] + _GAP_Y
    for sweep in range(_SWEEPS):
        rightwards = sweep % 2 == 0
        for column in columns if rightwards else reversed(columns):
            wanted = []
            for name in column:
                # The last sweeps look both ways, so that a node stands between what it joins.
                others = [*before[name], *after[name]] if sweep >= _SWEEPS - 4 else []
                others = others or (before if rightwards else after)[name]
                wanted.append(sum(centre[o] for o in others) / len(others) if others else centre[name])
            apart = [(size[a][1] + size[b][1]) / 2 + _GAP_Y for a, b in pairwise(column)]
            centre.update(zip(column, spread(wanted, apart), strict=True))
    return centre


def spread(wanted: Sequence[float], apart: Sequence[float]) -> list[float]:
    """Return the places nearest to those wanted, by the sum of squares, each far enough from the last.

    Args:
        wanted: N places.
        apart: N-1 distances that must lie between each and the next, at least.
    """
    offsets = [0.0]
    for distance in apart:
        offsets.append(offsets[-1] + distance)
    blocks: list[tuple[float, int]] = []  # mean and count of what is pushed together
    for place, offset in zip(wanted, offsets, strict=False):
        mean, count = place - offset, 1
        while blocks and blocks[-1][0] > mean:
            other, n = blocks.pop()
            mean, count = (mean * count + other * n) / (count + n), count + n
        blocks.append((mean, count))
    means = [mean for mean, count in blocks for _ in range(count)]
    return [mean + offset for mean, offset in zip(means, offsets, strict=False)]


def _wires(
    edges: Sequence[_Edge],
    count: int,
    boxes: Mapping[str, Box],
    centre: Mapping[str, float],
    spans: Sequence[tuple[float, float]],
    layer: Mapping[str, int],
) -> list[list[Point]]:
    """Return the points of each wire; wires of one side of a box are spread over it in order."""
    wires: list[list[Point]] = [[] for _ in range(count)]
    leaving: dict[str, list[tuple[float, _Edge]]] = {}
    coming: dict[str, list[tuple[float, _Edge]]] = {}
    for edge in edges:
        way = edge.way or []
        leaving.setdefault(edge.start, []).append((centre[way[1]], edge))
        coming.setdefault(edge.end, []).append((centre[way[-2]], edge))
    starts, ends = _ports(leaving, boxes), _ports(coming, boxes)
    for edge in edges:
        box = boxes[edge.start]
        points = [(box.x + box.width, starts[edge.at])]
        for step, bend in enumerate((edge.way or [])[1:-1]):
            near, far = spans[layer[edge.start] + 1 + step]
            points += [(near, centre[bend]), (far, centre[bend])]
        points.append((boxes[edge.end].x, ends[edge.at]))
        wires[edge.at] = points[::-1] if edge.turned else points
    return wires


def _ports(sides: Mapping[str, list[tuple[float, _Edge]]], boxes: Mapping[str, Box]) -> dict[int, float]:
    """Return the height at which each wire meets its box."""
    ports: dict[int, float] = {}
    for name, wires in sides.items():
        box = boxes[name]
        step = min(PORT_GAP, (box.height - 8.0) / len(wires))
        for place, (_, edge) in enumerate(sorted(wires, key=lambda wire: (wire[0], wire[1].at))):
            ports[edge.at] = box.y + box.height / 2 + (place - (len(wires) - 1) / 2) * step
    return ports
