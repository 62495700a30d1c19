"""`argus flow record` and `replay`: what outputs send, in a file, and back from it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from argus.cli.flow_systems import TheOneOfFile
from argus.cli.tables import Output
from argus.core.errors import SpecError

Params = Annotated[
    list[str] | None,
    typer.Option("--params", "-p", help="`NODE.KEY=VALUE`, over what the file says; may be repeated."),
]
Main = Annotated[Path, typer.Argument(metavar="MAIN.py", help="The file that defines the system.")]
For = Annotated[
    str | None,
    typer.Option("--for", help="End after so long: `10s`, `5m`.", show_default="when it ends, or Ctrl-C"),
]

Json = Annotated[bool, typer.Option("--json", help="Print the account of the links as JSON.")]


def record(
    file: Main,
    topic: Annotated[
        list[str],
        typer.Option("--topic", "-t", help="`camera`, or `camera.mask` for another output; may be repeated."),
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE.mcap", help="Where to.")],
    for_: For = None,
    raw: Annotated[
        bool, typer.Option("--raw", help="Keep every pixel; otherwise pictures are JPEGs, and small.")
    ] = False,
    params: Params = None,
    system: TheOneOfFile = None,
    json: Json = False,
) -> None:
    """Run a system and record what some of its outputs send, all of it, with exact times.

    The file is MCAP, which other tools read too; it is never written over.

    **Example**

    `argus flow record main.py --topic camera --topic yolo -o morning.mcap --for 10s`
    """
    from argus.cli.flow_running import Wish, carry_out
    from argus.flow.rewiring import recorded, with_params
    from argus.flow.system import load_graph

    graph = recorded(load_graph(file, system), topic, out)
    if raw:
        graph = with_params(graph, {graph.nodes[-1].name: {"pictures": "raw"}})
    graph = with_params(graph, _changes(params))
    raise typer.Exit(
        carry_out([graph], Wish(for_s=_seconds(for_), output=Output.JSON if json else Output.TABLE))
    )


def replay(
    file: Main,
    recording: Annotated[Path, typer.Argument(metavar="FILE.mcap", help="What was recorded.")],
    topic: Annotated[
        list[str] | None,
        typer.Option("--topic", "-t", help="Only these.", show_default="all that the system has"),
    ] = None,
    rate: Annotated[
        float, typer.Option(min=0, max=1000, help="Times as fast as it happened; 0: as fast as it is taken.")
    ] = 1.0,
    loop: Annotated[bool, typer.Option("--loop", help="Begin again at the end.")] = False,
    for_: For = None,
    params: Params = None,
    system: TheOneOfFile = None,
    json: Json = False,
) -> None:
    """Run a system with a recording in the place of the nodes that it was made of.

    **Examples**

    `argus flow replay main.py morning.mcap`

    `argus flow replay main.py morning.mcap --topic camera --rate 0`
    """
    from argus.cli.flow_running import Wish, carry_out
    from argus.flow.replaying import topics_of
    from argus.flow.rewiring import played, with_params
    from argus.flow.system import load_graph

    graph = load_graph(file, system)
    there = topics_of(recording)
    if topic:
        if missing := [name for name in topic if name not in there]:
            raise SpecError(
                f"{recording}: {', '.join(missing)} was not recorded; there is {', '.join(sorted(there))}"
            )
        topics = topic
    else:
        sent = dict.fromkeys(
            f"{link.source}.{link.output}" if link.output else link.source for link in graph.links
        )
        topics = [name for name in sent if name in there]
        if not topics:
            found = ", ".join(sorted(there)) or "nothing"
            raise SpecError(
                f"{recording} holds {found}, and {graph.name} sends {', '.join(sent) or 'nothing'}"
            )
        topics = _first_ones(topics, graph)
    graph = played(graph, topics, recording, rate=rate or None, loop=loop)
    graph = with_params(graph, _changes(params))
    raise typer.Exit(
        carry_out([graph], Wish(for_s=_seconds(for_), output=Output.JSON if json else Output.TABLE))
    )


def _first_ones(topics: list[str], graph: Any) -> list[str]:
    """Return the topics that no other of them leads to: what they become is made anew."""
    from argus.flow.graph import Graph

    assert isinstance(graph, Graph)
    reached: set[str] = set()
    left = [topic.partition(".")[0] for topic in topics]
    while left:
        for link in graph.out_of(left.pop()):
            if link.target not in reached:
                reached.add(link.target)
                left.append(link.target)
    return [topic for topic in topics if topic.partition(".")[0] not in reached]


def _seconds(text: str | None) -> float | None:
    from argus.core.durations import parse_duration_s

    if text is None:
        return None
    try:
        return float(parse_duration_s(text))
    except ValueError as error:
        raise SpecError(f"--for: {error}") from None


def _changes(params: list[str] | None) -> dict[str, dict[str, Any]]:
    from argus.cli.flow_set import read_node_values

    return read_node_values(params or [])
