"""A running system as tables for people: its nodes and its links."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from argus.flow.channels.protocol import LinkCounts
    from argus.flow.graph import Graph
    from argus.flow.status import LinkStatus, NodeStatus, ReplicaStatus, SystemStatus

_STYLES: Final = {
    "running": "green",
    "finished": "green",
    "stopped": "dim",
    "starting": "yellow",
    "waiting": "bold yellow",
    "backing-off": "bold red",
    "failed": "bold red",
}
_LEFT: Final = {"NODE", "STATE", "LINK", "QOS, BY", "DROPPED"}
_WRAP: Final = {"QOS, BY": 8, "DROPPED": 11}
"""Columns that give way on a narrow screen, and to how many letters."""


def nodes_table(status: SystemStatus) -> Table:
    """Return a row per replica: how it is, how fast, what it costs. Why one does not run: `reasons`."""
    titles = ["NODE", "STATE", "RATE/S", "LOOP MS", "AGE MS", "CPU", "MB", "RESTARTS", "FAILED"]
    table = _table(titles)
    for node in status.nodes:
        for replica in node.replicas:
            table.add_row(
                Text(source_of(node, replica)),
                Text(replica.state, _STYLES.get(replica.state, "")),
                _rate(replica.rate),
                _pair(replica.loop_p50_ms, replica.loop_p99_ms),
                _pair(replica.age_p50_ms, replica.age_p99_ms),
                f"{replica.cpu:.0%}",
                f"{replica.memory_mb:.0f}",
                _alarming(replica.restarts),
                _alarming(replica.failed),
            )
    return table


def reasons(status: SystemStatus) -> list[Text]:
    """Return a line for each replica that says why it does not run, or why it last ended."""
    return [
        Text.assemble((source_of(node, replica), "bold"), f": {replica.reason}")
        for node in status.nodes
        for replica in node.replicas
        if replica.reason and replica.state not in {"finished", "stopped"}
    ]


def links_table(links: Sequence[LinkStatus], *, rates: bool = True) -> Table:
    """Return a row per link: what was sent, and what became of it."""
    titles = ["LINK", "QOS, BY", "RATE/S", "LATENCY MS", "SENT", "DELIVERED", "PENDING", "DROPPED"]
    table = _table(titles if rates else [t for t in titles if t not in {"RATE/S", "LATENCY MS"}])
    for link in links:
        speed = [_rate(link.rate), _pair(link.latency_p50_ms, link.latency_p99_ms)] if rates else []
        counts = link.counts
        table.add_row(
            Text(link.id),
            Text.assemble((link.qos, "cyan" if link.qos == "realtime" else "magenta"), f", {link.transport}"),
            *speed,
            str(counts.sent),
            str(counts.delivered),
            str(counts.pending),
            _dropped(counts),
        )
    return table


def source_of(node: NodeStatus, replica: ReplicaStatus) -> str:
    """Return what a replica is called: the node's name, with a number where there are several."""
    return node.name if len(node.replicas) == 1 else f"{node.name}.{replica.replica}"


def _dropped(counts: LinkCounts) -> Text:
    """Return `12 newer, 3 stale`, and a mark where the sum does not close."""
    said = Text(", ".join(f"{number} {reason}" for reason, number in counts.dropped.items() if number))
    if counts.dropped.get("dead") or counts.dropped.get("failed"):
        said.stylize("bold red")
    if counts.redelivered:
        said.append(f"{', ' if said else ''}{counts.redelivered} tried again", "yellow")
    if not counts.closes:
        missing = counts.sent - counts.delivered - counts.pending - sum(counts.dropped.values())
        said.append(f"{', ' if said else ''}≠ {missing:+d} unaccounted for", "bold red")
    return said


def _table(titles: Sequence[str]) -> Table:
    table = Table(box=None, padding=(0, 1, 0, 0), header_style="bold")
    for title in titles:
        justify: Literal["left", "right"] = "left" if title in _LEFT else "right"
        table.add_column(
            title, justify=justify, no_wrap=title not in _WRAP, min_width=_WRAP.get(title), overflow="fold"
        )
    return table


def _rate(rate: float) -> str:
    return f"{rate:.1f}" if rate < 1000 else f"{rate:.0f}"


def _pair(p50_ms: float, p99_ms: float) -> str:
    """Return the median and the 99th percentile."""
    return f"{_ms(p50_ms)}/{_ms(p99_ms)}" if p50_ms or p99_ms else ""


def _ms(value: float) -> str:
    return f"{value:.1f}" if value < 10 else f"{value:.0f}"


def _alarming(number: int) -> Text:
    return Text(str(number), "bold red" if number else "")


def starting_table(graph: Graph, status: SystemStatus) -> Table:
    """Return what a system is made of: a row per node, with the links that leave it."""
    table = _table(["NODE", "PROCESSES", "LINK", "QOS, BY"])
    here = {node.name: node for node in status.nodes}
    links = {link.id: link for link in status.links}
    for node in graph.nodes:
        count = str(len(here[node.name].replicas)) if node.name in here else "elsewhere"
        first: list[RenderableType] = [Text(node.name, "bold"), count]
        for link in graph.out_of(node.name):
            by = links[link.id].transport if link.id in links else ""
            qos = "durable" if link.durable else "realtime"
            table.add_row(*first, Text(f"→ {link.target}"), Text(f"{qos}, {by}" if by else qos))
            first = [Text(), ""]
        if not graph.out_of(node.name):
            table.add_row(*first, "", "")
    return table
