"""`argus flow run`: the systems of a file, until they have ended."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from argus.cli.flow_systems import OneOfFile
from argus.cli.tables import Output, OutputOption


def run(
    file: Annotated[
        Path, typer.Argument(metavar="MAIN.py", help="The file that defines the system, or several.")
    ],
    debug: Annotated[
        bool, typer.Option("--debug", help="Everything in one process and thread: breakpoints work.")
    ] = False,
    only: Annotated[
        str | None,
        typer.Option(
            help="Only these nodes, separated by commas, where others run elsewhere.", show_default="all"
        ),
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(help="Only the nodes of this machine, by its name in `hosts`.", show_default="all"),
    ] = None,
    params: Annotated[
        list[str] | None,
        typer.Option("--params", "-p", help="`NODE.KEY=VALUE`, over what the file says; may be repeated."),
    ] = None,
    system: OneOfFile = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", help="Print neither what nodes print, nor how they are doing.")
    ] = False,
    output: OutputOption = Output.TABLE,
) -> None:
    """Run the systems that a file defines, each node in a process of its own.

    Ctrl-C ends them when what is under way is done; a second one at once. What nodes print appears here and
    in `argus flow logs`. Afterwards each link tells what became of its messages. The exit code is 1 where a
    node failed for good.

    **Examples**

    `argus flow run main.py`

    `argus flow run main.py --debug --params camera.url=street.mp4`

    `argus flow run main.py --host edge`
    """
    from argus.cli.flow_running import Wish, carry_out
    from argus.cli.flow_set import read_node_values
    from argus.flow.rewiring import with_params
    from argus.flow.system import load_system, load_systems

    changes = read_node_values(params or [])
    systems = load_systems(file) if system is None else [load_system(file, system)]
    if changes and len(systems) == 1:
        graphs = [with_params(systems[0].graph(), changes)]
    else:
        # Of several systems each takes what is for its own nodes.
        graphs = [system.graph() for system in systems]
        named = [{node.name for node in graph.nodes} for graph in graphs]
        strange = {
            node: values for node, values in changes.items() if not any(node in names for names in named)
        }
        graphs = [
            with_params(graph, {**{node: v for node, v in changes.items() if node in names}, **strange})
            for graph, names in zip(graphs, named, strict=True)
        ]
    nodes = tuple(name.strip() for name in (only or "").split(",") if name.strip())
    wish = Wish(debug=debug, only=nodes, host=host, quiet=quiet, output=output)
    objects = {name: thing for system in systems for name, thing in system.objects.items()}
    raise typer.Exit(carry_out(graphs, wish, objects))
