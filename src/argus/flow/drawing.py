"""A system as a picture: text for a terminal, Mermaid for a page, SVG for itself.

Drawn from the graph alone, so no node is imported, and what is wrong with a graph can be seen in it. Params
are not drawn: addresses in them may hold passwords. Where things go in the SVG is `argus.flow.layers`'.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from itertools import pairwise
from pathlib import Path
from typing import Final, Literal
from xml.sax.saxutils import escape

from argus.flow.checks import cycles
from argus.flow.graph import Graph, LinkSpec, NodeSpec
from argus.flow.layers import PORT_GAP, Box, Point, lay_out
from argus.flow.qos import Realtime

Format = Literal["text", "mermaid", "svg"]
_MARGIN: Final = 24.0
_TITLE: Final = 46.0
_LEGEND: Final = 34.0
_HEIGHT: Final = 52.0
_LONGEST: Final = 34
_NAME_PX, _FACT_PX, _LABEL_PX = 8.1, 6.4, 5.9
"""Widths of a letter, on the safe side."""


def draw(graph: Graph, format_: Format = "text") -> str:
    """Return a system as text that ends with a line break."""
    drawers: dict[Format, Callable[[Graph], str]] = {"text": as_text, "mermaid": as_mermaid, "svg": as_svg}
    return drawers[format_](graph)


def as_text(graph: Graph) -> str:
    """Return each node with the links that leave it, in the order in which messages go."""
    lines = [f"{graph.name}: {_count(len(graph.nodes), 'node')}, {_count(len(graph.links), 'link')}"]
    names = [_called(node) for node in graph.nodes]
    ends = [link.target for link in graph.links]
    column = max(map(len, [*names, *(f"  ━━▶ {end}" for end in ends)]), default=0) + 2
    for node in _in_order(graph):
        lines.append(f"{_called(node):{column}}{_facts(node, graph.folder)}".rstrip())
        for link in graph.out_of(node.name):
            arrow = "──▶" if isinstance(link.qos, Realtime) else "━━▶"
            lines.append(f"  {f'{arrow} {link.target}':{column - 2}}{_promise(link)}".rstrip())
    lost = [link for link in graph.links if link.source not in {node.name for node in graph.nodes}]
    lines += [f"{link.source} (no such node)\n  ──▶ {link.target}" for link in lost]
    return "\n".join(lines) + "\n"


def as_mermaid(graph: Graph) -> str:
    """Return a Mermaid flowchart: thin dotted links are REALTIME, thick ones DURABLE."""
    ids = {name: f"n{i}" for i, name in enumerate(_all_names(graph))}
    known = {node.name: node for node in graph.nodes}
    lines = ["flowchart LR"]
    for name, id_ in ids.items():
        if name in known:
            facts = _facts(known[name], graph.folder)
            lines.append(f'  {id_}["<b>{_quoted(_called(known[name]))}</b><br/>{_quoted(facts)}"]')
        else:
            lines.append(f'  {id_}["{_quoted(name)}<br/>no such node"]:::missing')
    for link in graph.links:
        arrow = "-.->" if isinstance(link.qos, Realtime) else "==>"
        lines.append(f'  {ids[link.source]} {arrow}|"{_quoted(_promise(link))}"| {ids[link.target]}')
    if len(ids) > len(known):
        lines.append("  classDef missing stroke:#d33,stroke-dasharray:4")
    return "\n".join(lines) + "\n"


def as_svg(graph: Graph) -> str:
    """Return an SVG that needs nothing else, light or dark as its viewer likes it."""
    names = _all_names(graph)
    known = {node.name: node for node in graph.nodes}
    sizes = {name: (_width(known.get(name), name, graph.folder), _height(graph, name)) for name in names}
    rooms = [len(_unusual(link)) * _LABEL_PX for link in graph.links]
    layout = lay_out(sizes, [(link.source, link.target) for link in graph.links], rooms)
    around = {pair for cycle in cycles(graph) for pair in pairwise(cycle)}
    title = f"{_count(len(known), 'node')}, {_count(len(graph.links), 'link')}"
    width = max(layout.width, len(graph.name) * 10.5 + len(title) * _FACT_PX + 20, 300.0) + 2 * _MARGIN
    height = layout.height + _TITLE + _LEGEND + 2 * _MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'width="{width:.0f}" height="{height:.0f}" role="img" aria-label="{_attribute(graph.name)}">',
        _STYLE,
        f'<rect class="page" width="{width:.0f}" height="{height:.0f}"/>',
        f'<text x="{_MARGIN}" y="{_MARGIN + 14}"><tspan class="title">{escape(graph.name)}</tspan>'
        f'<tspan class="fact" dx="12">{title}</tspan></text>',
        f'<g transform="translate({_MARGIN} {_MARGIN + _TITLE})">',
    ]
    labels = []
    for link, points in zip(graph.links, layout.wires, strict=True):
        kind = "fault" if (link.source, link.target) in around else _kind(link)
        path = _curve(points) if points else _loop(layout.boxes[link.source])
        parts.append(
            f'<path class="wire {kind}" marker-end="url(#{kind})" d="{path}">'
            f"<title>{escape(link.id)}: {escape(_promise(link))}</title></path>"
        )
        if points and (unusual := _unusual(link)):
            x, y = points[0]
            labels.append(f'<text class="label" x="{x + 12:.1f}" y="{y - 2:.1f}">{escape(unusual)}</text>')
    parts += [_box(layout.boxes[name], known.get(name), name, graph.folder) for name in names]
    parts += [*labels, "</g>", _legend(height), "</svg>"]
    return "\n".join(parts) + "\n"


def _in_order(graph: Graph) -> list[NodeSpec]:
    """Return the nodes, each after those it takes from, as far as cycles let it."""
    left = {node.name: {link.source for link in graph.into(node.name)} for node in graph.nodes}
    done: list[str] = []
    while left:
        ready = [name for name, before in left.items() if not before & left.keys()] or [next(iter(left))]
        done += ready
        for name in ready:
            del left[name]
    place = {name: at for at, name in enumerate(done)}
    return sorted(graph.nodes, key=lambda node: place[node.name])


def _all_names(graph: Graph) -> list[str]:
    """Return the nodes, and what links lead to though it is none."""
    ends = [end for link in graph.links for end in (link.source, link.target)]
    return list(dict.fromkeys([*(node.name for node in graph.nodes), *ends]))


def _called(node: NodeSpec) -> str:
    return f"{node.name} ×{node.replicas}" if node.replicas != 1 else node.name


def _facts(node: NodeSpec, folder: str) -> str:
    """Return where its code is and how it runs: `nodes/camera, 30 fps`."""
    facts = [_where(node, folder)]
    facts += [] if node.fps is None else [f"{node.fps:g} fps"]
    facts += [] if node.host is None else [f"on {node.host}"]
    facts += [] if node.device is None else [node.device]
    return ", ".join(facts)


def _where(node: NodeSpec, folder: str) -> str:
    target = node.target
    where = target.where
    if target.kind != "module":
        path = Path(where)
        where = str(path.relative_to(folder)) if path.is_relative_to(folder) else path.name
    return where if target.attribute is None else f"{where}:{target.attribute}"


def _promise(link: LinkSpec) -> str:
    """Return what a link promises and what is unusual about it: `realtime, at most 0.5 s old, jpeg 80`."""
    qos = link.qos
    said: list[str] = [_kind(link)]
    if isinstance(qos, Realtime):
        said += [] if qos.max_age is None else [f"at most {qos.max_age:g} s old"]
    else:
        said += ["on disk"] if qos.on_disk else []
    said += ["ordered"] if qos.ordered else []
    said += [] if qos.jpeg is None else [f"jpeg {qos.jpeg}"]
    said += [] if link.output is None else [f"output {link.output}"]
    said += [] if link.input in {"in", link.source} else [f"input {link.input}"]
    return ", ".join(said)


def _kind(link: LinkSpec) -> Literal["realtime", "durable"]:
    return "realtime" if isinstance(link.qos, Realtime) else "durable"


def _count(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _quoted(text: str) -> str:
    """Return text as Mermaid takes it within quotes."""
    return escape(text).replace('"', "#quot;").replace("\n", " ")


def _attribute(text: str) -> str:
    return escape(text, {'"': "&quot;"})


def _short(text: str) -> str:
    """Return text that a box has room for, its middle left out where it is long."""
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST // 2 - 1]}…{text[-(_LONGEST // 2) :]}"


def _lines(node: NodeSpec | None, name: str, folder: str) -> tuple[str, str]:
    if node is None:
        return _short(name), "no such node"
    return _short(_called(node)), _short(_facts(node, folder))


def _width(node: NodeSpec | None, name: str, folder: str) -> float:
    called, facts = _lines(node, name, folder)
    return max(96.0, len(called) * _NAME_PX + 28, len(facts) * _FACT_PX + 28)


def _height(graph: Graph, name: str) -> float:
    """Return a height at whose sides every wire has room for what is written on it."""
    wires = max(len(graph.into(name)), len(graph.out_of(name)))
    return max(_HEIGHT, PORT_GAP * wires + 8.0)


def _box(box: Box, node: NodeSpec | None, name: str, folder: str) -> str:
    called, facts = _lines(node, name, folder)
    kind = "box missing" if node is None else "box"
    rect = f'width="{box.width:.1f}" height="{box.height:.1f}" rx="8"'
    behind = [
        f'<rect class="box" x="{box.x + 4 * i:.1f}" y="{box.y - 4 * i:.1f}" {rect}/>'
        for i in ((2, 1) if node is not None and node.replicas > 2 else (1,))
        if node is not None and node.replicas > 1
    ]
    middle, at = box.x + box.width / 2, box.y + box.height / 2 - 4
    full = facts if node is None else f"{_called(node)}: {_facts(node, folder)}"
    return (
        f"<g><title>{escape(full)}</title>{''.join(behind)}"
        f'<rect class="{kind}" x="{box.x:.1f}" y="{box.y:.1f}" {rect}/>'
        f'<text class="name" x="{middle:.1f}" y="{at:.1f}">{escape(called)}</text>'
        f'<text class="fact middle" x="{middle:.1f}" y="{at + 18:.1f}">{escape(facts)}</text></g>'
    )


def _curve(points: list[Point]) -> str:
    """Return a path that is level in columns and swings between them."""
    (x, y), *rest = points
    path = [f"M{x:.1f},{y:.1f}"]
    level = False
    for to_x, to_y in rest:
        if level:
            path.append(f"L{to_x:.1f},{to_y:.1f}")
        else:
            half = (to_x - x) / 2
            path.append(f"C{x + half:.1f},{y:.1f} {to_x - half:.1f},{to_y:.1f} {to_x:.1f},{to_y:.1f}")
        level = not level
        x, y = to_x, to_y
    return " ".join(path)


def _loop(box: Box) -> str:
    """Return a path from a box to itself."""
    x, y = box.x + box.width / 2, box.y
    return f"M{x + 14:.1f},{y:.1f} C{x + 40:.1f},{y - 30:.1f} {x - 40:.1f},{y - 30:.1f} {x - 14:.1f},{y:.1f}"


def _unusual(link: LinkSpec) -> str:
    """Return what is written on a wire; nothing where its colour says it all."""
    return _promise(link).partition(", ")[2]


def _legend(height: float) -> str:
    y = height - _MARGIN
    parts = []
    x = _MARGIN
    texts: Mapping[str, str] = {"realtime": "REALTIME: the newest only", "durable": "DURABLE: everything"}
    for kind, text in texts.items():
        parts.append(f'<path class="wire {kind}" marker-end="url(#{kind})" d="M{x:.0f},{y:.0f} h34"/>')
        parts.append(f'<text class="fact" x="{x + 48:.0f}" y="{y + 4:.0f}">{text}</text>')
        x += 62 + len(text) * _LABEL_PX
    return "".join(parts)


_STYLE: Final = (
    """<style>
svg{--page:#ffffff;--ink:#1b2430;--soft:#5b6878;--box:#f4f6f9;--edge:#c3ccd8;--new:#2f7de1;--all:#0f9d6b;--bad:#d63a3a;
font-family:system-ui,-apple-system,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
@media(prefers-color-scheme:dark){svg{--page:#12161d;--ink:#e8edf4;--soft:#93a1b3;--box:#1d242e;--edge:#3a4655;
--new:#6aa9ff;--all:#3fd39c;--bad:#ff6b6b}}
.page{fill:var(--page)}.box{fill:var(--box);stroke:var(--edge)}
.missing{stroke:var(--bad);stroke-dasharray:4 3}
.title{font-size:18px;font-weight:700;fill:var(--ink)}.name{font-size:13px;font-weight:600;fill:var(--ink);text-anchor:middle}
.fact{font-size:11px;fill:var(--soft)}.middle{text-anchor:middle}
.label{font-size:10px;fill:var(--soft);paint-order:stroke;stroke:var(--page);stroke-width:4px;
stroke-linejoin:round}
.wire{fill:none;stroke-width:1.5}.realtime{stroke:var(--new);stroke-dasharray:5 3}
.durable{stroke:var(--all);stroke-width:2.5}.fault{stroke:var(--bad);stroke-width:2}
.tip-realtime{fill:var(--new)}.tip-durable{fill:var(--all)}.tip-fault{fill:var(--bad)}
</style><defs>"""
    + "".join(
        f'<marker id="{kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="9" markerHeight="9"'
        f' markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
        f'<path class="tip-{kind}" d="M0,0.5 L10,5 L0,9.5 z"/></marker>'
        for kind in ("realtime", "durable", "fault")
    )
    + "</defs>"
)
