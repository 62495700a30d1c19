"""`argus flow`: run a system of nodes and links, look at it, change it while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from argus.cli import (
    flow_dead,
    flow_graph,
    flow_logs,
    flow_record,
    flow_run,
    flow_set,
    flow_systems,
    flow_top,
)

app = typer.Typer(
    name="flow",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Systems of nodes and links: run them, look at them, change them while they run.",
    epilog="`argus flow init my-robot`, then `argus flow run my-robot/main.py`",
)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(metavar="NAME", help="Folder to make; its name is the system's.")],
    port: Annotated[
        int, typer.Option(min=1, max=65535, help="Where its page in the browser will be.")
    ] = 8080,
) -> None:
    """Make the folder of a new system, which runs at once: a camera, a detector, a counter, a page.

    **Example**

    `argus flow init my-robot`
    """
    from argus.cli.tables import say
    from argus.flow.scaffold import scaffold

    for file in scaffold(folder, port=port):
        typer.echo(file)
    say(f"run it with `argus flow run {folder / 'main.py'}`")


app.command("run")(flow_run.run)
app.command("graph")(flow_graph.graph)
app.command("top")(flow_top.top)
app.command("set")(flow_set.set_params)
app.command("list")(flow_systems.list_systems)
app.command("stop")(flow_systems.stop)
app.command("logs")(flow_logs.logs)
app.command("record")(flow_record.record)
app.command("replay")(flow_record.replay)
app.add_typer(flow_dead.app, name="dead")
