"""`argus jobs`: holding batch jobs, letting them go on, ending them, running them once more."""

from __future__ import annotations

from typing import Annotated

import typer

from argus.cli.resource_tables import clock, duration
from argus.cli.server import ServerOption, connect, named_well, names_of
from argus.cli.tables import Output, OutputOption, print_items, say

app = typer.Typer(
    name="jobs",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    help="Batch jobs: hold, go on, end, run once more. `argus get jobs` lists them.",
    epilog="`argus upload night.mp4 --pipeline gate-safety` makes one.",
)

Names = Annotated[list[str], typer.Argument(metavar="NAME...", help="Jobs; see `argus get jobs`.")]


@app.command()
def suspend(names: Names, server: ServerOption = None) -> None:
    """Stop jobs for now; what is finished of them stays.

    **Example**

    `argus jobs suspend nightly`
    """
    _each("suspend", names, "suspended", server)


@app.command()
def resume(names: Names, server: ServerOption = None) -> None:
    """Let suspended jobs go on from where they were.

    **Example**

    `argus jobs resume nightly`
    """
    _each("resume", names, "resumed", server)


@app.command()
def cancel(names: Names, server: ServerOption = None) -> None:
    """End the present run of jobs for good. A schedule goes on with its next run.

    **Example**

    `argus jobs cancel nightly`
    """
    _each("cancel", names, "cancelled", server)


@app.command()
def run(names: Names, server: ServerOption = None) -> None:
    """Run jobs once more, now: those with a schedule beside it, those that are over from the beginning.

    **Example**

    `argus jobs run nightly`
    """
    _each("run", names, "runs once more", server)


@app.command()
def runs(
    name: Annotated[str, typer.Argument(help="A job; see `argus get jobs`.")],
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
) -> None:
    """List the runs of a job, the latest first.

    **Example**

    `argus jobs runs nightly`
    """
    with connect(server) as client:
        with named_well("job", name, lambda: names_of(client, "jobs")):
            items = client.runs(name)
        if output is Output.TABLE and not items:
            say(f"{name} has not run yet")
            return
        rows = [
            [
                clock(item["started_at"]),
                item["state"],
                f"{100 * item['progress']:.0f} %",
                duration(item.get("left_s")),
                str(item["attempt"]),
                f"{len(item['done'])} of {len(item['files'])}",
                str(item["frames"]),
                str(item["events"]),
                str(item["alerts"]),
                item.get("message") or "–",
            ]
            for item in items
        ]
        figures = ["PROGRESS", "LEFT", "ATTEMPT", "FILES", "FRAMES", "EVENTS", "ALERTS"]
        headers = ["STARTED", "STATE", *figures, "MESSAGE"]
        print_items(items, output, headers, rows)


def _each(verb: str, names: list[str], word: str, server: str | None) -> None:
    with connect(server) as client:
        for name in names:
            with named_well("job", name, lambda: names_of(client, "jobs")):
                client.job(verb, name)
            typer.echo(f"job/{name} {word}")
