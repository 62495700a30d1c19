"""`argus upload`: a recording sent to the control plane, and gone through there as a batch job."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from argus.cli.server import ServerOption, connect
from argus.cli.tables import Output, OutputOption, print_data, say, size_text
from argus.core.errors import ArgusError, SpecError

if TYPE_CHECKING:
    from rich.progress import Progress

    from argus.control.client import Client

_LOOK_S: Final = 0.25
_GOOD: Final = "Succeeded"
_OVER: Final = frozenset({_GOOD, "Failed", "Cancelled"})


def upload(
    video: Annotated[Path, typer.Argument(help="A video or a picture.", show_default=False)],
    pipeline: Annotated[
        str | None, typer.Option(help="Pipeline that it shall go through.", show_default="kept, no more")
    ] = None,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the job is over; exit 1 if it failed.")
    ] = False,
    ttl: Annotated[
        str | None,
        typer.Option(
            help="When the job and its results are deleted after its end: `1h`.", show_default="never"
        ),
    ] = None,
    new: Annotated[
        bool, typer.Option("--new", help="Begin anew, even where half of this file is there already.")
    ] = False,
    output: OutputOption = Output.TABLE,
    server: ServerOption = None,
) -> None:
    """Send a recording to the control plane, of any size.

    One that breaks off, also by Ctrl-C, goes on where it ended when the same command is given again.

    **Examples**

    `argus upload night.mp4 --pipeline gate-safety --wait`

    `argus upload night.mp4 --pipeline gate-safety --ttl 1d`
    """
    with connect(server) as client:
        if (wait or ttl) and pipeline is None:
            raise SpecError("--wait and --ttl are about a job, and there is none without --pipeline NAME")
        wanted = {key: value for key, value in (("pipeline", pipeline), ("ttl", ttl)) if value}
        begun = None if new else _begun(client, video, wanted)
        if begun is not None:
            say(f"{size_text(begun['offset'])} of it are there already")
        try:
            with progress_bar(f"sending {video.name}", bytes_=True) as advance:
                told = client.upload(
                    video,
                    pipeline=pipeline,
                    ttl=ttl,
                    on_progress=advance,
                    resume=begun["id"] if begun else None,
                )
        except KeyboardInterrupt:
            say("what has arrived is kept: the same command goes on where this one ended")
            raise
        job = told.get("job")
        if not wait or job is None:
            if output is not Output.TABLE:
                print_data(told, output)
                return
            typer.echo(f"blob/{told['key']} uploaded")
            if job is not None:
                typer.echo(f"job/{job} created")
                say(f"see `argus get jobs`, `argus get alerts --job {job}`")
            return
        say(f"job/{job} created")
        _show_end(_ended(client, job), output)


def _begun(client: Client, video: Path, wanted: Mapping[str, str]) -> dict[str, Any] | None:
    """Return the upload that was begun with this file as it is now, for the same end; None: there is none."""
    try:
        known = video.stat()
    except OSError:
        return None  # sending it says what is wrong
    for one in reversed(client.uploads()):
        same = one["filename"] == video.name and one["length"] == known.st_size
        purpose = {key: value for key, value in one["metadata"].items() if key in {"pipeline", "ttl"}}
        # Of one that was written since then, the halves would not fit.
        older = known.st_mtime < datetime.fromisoformat(one["created_at"]).timestamp()
        if one["state"] == "open" and same and older and purpose == dict(wanted):
            return dict(one)
    return None


def _ended(client: Client, name: str) -> dict[str, Any]:
    """Return a job when it is over."""
    with progress_bar("waiting for the job") as advance:
        while True:
            job = client.get("jobs", name)
            status = job.get("status", {})
            if status.get("phase") in _OVER:
                return job
            advance(round(1000 * (status.get("progress") or 0.0)), 1000)
            time.sleep(_LOOK_S)


def _show_end(job: Mapping[str, Any], output: Output) -> None:
    status, name = job["status"], job["metadata"]["name"]
    if output is not Output.TABLE:
        print_data(job, output)
    else:
        typer.echo(
            f"job/{name} {status['phase'].lower()}: {status.get('frames', 0)} frames, "
            f"{status.get('events', 0)} events, {status.get('alerts', 0)} alerts"
        )
    if status["phase"] != _GOOD:
        said = [
            c["message"] for c in status.get("conditions", ()) if c.get("message") and c["status"] != "True"
        ]
        raise ArgusError(
            f"job {name} {status['phase'].lower()}{': ' if said else ''}{said[0] if said else ''}"
        )
    say(f"see `argus get alerts --job {name}`")


@contextmanager
def progress_bar(title: str, *, bytes_: bool = False) -> Iterator[Any]:
    """Show progress on stderr where that is a terminal; hand out what hears `(done, of)`."""
    from rich.console import Console
    from rich.progress import BarColumn, DownloadColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    errors = Console(stderr=True, highlight=False)
    figures = DownloadColumn() if bytes_ else TextColumn("{task.percentage:.0f} %")
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), figures, TimeRemainingColumn())
    bar: Progress
    with Bar(*columns, console=errors, transient=True, disable=not errors.is_terminal) as bar:
        task = bar.add_task(title, total=None)
        yield lambda done, of: bar.update(task, completed=done, total=of)
