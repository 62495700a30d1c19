"""The `argus` command: puts the groups together and turns errors into one clear line.

Nothing heavy is imported here or at the top of any command module, so `argus --help` answers at once.
"""

from __future__ import annotations

import os
import sys
import threading
from typing import Annotated, Any, NoReturn

import typer
from typer.core import TyperGroup

from argus.cli import (
    applying,
    bench,
    demo,
    deploy,
    describing,
    doctor,
    explaining,
    flow,
    getting,
    jobs,
    lab,
    metrics,
    models,
    replaying,
    run,
    seen,
    sending,
    up,
)
from argus.cli.choosing import asked_for
from argus.cli.interrupts import interrupts
from argus.cli.streams import steady_streams
from argus.core.errors import ArgusError
from argus.core.late_logging import when_loaded
from argus.core.version import __version__


class _Interrupted(Exception):
    """Ctrl-C on its way past Typer, which would end without a word."""


class _Commands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise _Interrupted from None


app = typer.Typer(
    name="argus",
    cls=_Commands,
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with `argus demo`, then `argus run VIDEO`. Every command has `--help` with an example.",
)


def _version(value: bool) -> None:
    if value:
        typer.echo(f"argus {__version__}")
        raise typer.Exit


@app.callback()
def argus(
    version: Annotated[  # noqa: ARG001 - its callback has printed it
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    """Cameras, videos and images in; detections, tracks, events, alerts and reports out."""
    # Most commands log nothing, and structlog with what it brings is a fifth of their start.
    when_loaded(_configure_logging)


def _configure_logging() -> None:
    from argus.core.logging import configure_logging

    configure_logging()


app.command("run")(run.run)
app.command("demo")(demo.demo)
app.command("up")(up.up)
app.command("down")(up.down)
app.command("status")(up.status)
app.command("logs")(up.logs)
app.command("restart")(up.restart)
app.command("apply")(applying.apply)
app.command("get")(getting.get)
app.command("describe")(describing.describe)
app.command("delete")(applying.delete)
app.command("diff")(applying.diff)
app.command("schema")(applying.schema)
app.command("ack")(seen.ack)
app.command("fetch")(seen.fetch)
app.command("upload")(sending.upload)
app.add_typer(jobs.app, name="jobs")
app.command("explain")(explaining.explain)
app.command("replay")(replaying.replay)
app.add_typer(metrics.app, name="metrics")
app.add_typer(models.app, name="models")
app.add_typer(flow.app, name="flow")
app.command("deploy")(deploy.deploy)
app.add_typer(bench.app, name="bench")
app.command("lab")(lab.lab)
app.command("doctor")(doctor.doctor)


def main() -> None:
    """Run the command line: exit 0 done, 1 failed, 2 wrong usage, 130 interrupted."""
    with steady_streams(), interrupts() as interrupted:
        _run(interrupted)


def _run(interrupted: threading.Event) -> None:
    try:
        asked_for(app, sys.argv[1:])()
    except (_Interrupted, KeyboardInterrupt):
        _end_interrupted()
    except ArgusError as error:
        if interrupted.is_set():
            _end_interrupted()
        if os.environ.get("ARGUS_DEBUG"):
            raise
        print_error(str(error))
        sys.exit(error.exit_code)
    except BrokenPipeError:
        # The reader of our output has gone, as in `argus models list | head -1`; that is no failure of ours.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(0)
    except Exception:
        # An engine that is interrupted while it is loaded says `initialization failed`.
        if interrupted.is_set():
            _end_interrupted()
        raise


def _end_interrupted() -> NoReturn:
    print_error("interrupted")
    sys.exit(130)


def print_error(message: str) -> None:
    """Print one error to stderr, in red where that is a terminal."""
    typer.secho("error: ", fg=typer.colors.RED, bold=True, nl=False, err=True)
    typer.echo(message, err=True)
