"""`argus ack` and `fetch`: seeing to an alert, and looking at its picture and its clip."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from argus.cli.server import ServerOption, connect
from argus.cli.tables import say, size_text

if TYPE_CHECKING:
    from argus.control.client import Client


def ack(
    ids: Annotated[list[str], typer.Argument(metavar="ID...", help="Of alerts; see `argus get alerts`.")],
    by: Annotated[
        str | None, typer.Option(help="Who has seen to it.", show_default="the user of this shell")
    ] = None,
    event: Annotated[bool, typer.Option("--event", help="These are events.")] = False,
    server: ServerOption = None,
) -> None:
    """Say that somebody has seen to an alert.

    **Example**

    `argus ack jskw5cxngo62t7hl-a --by anna`
    """
    with connect(server) as client:
        kind = "event" if event else "alert"
        for id_ in ids:
            told = client.acknowledge(kind, id_, by=by or _user())
            typer.echo(f"{kind}/{id_} acknowledged by {told['acknowledged_by']}")


def fetch(
    key: Annotated[
        str,
        typer.Argument(
            help="A key of `-o wide`, or the ID of an alert or event: its clip, else its picture."
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", help="File or folder to write; `-` for stdout.", show_default="its own name"
        ),
    ] = None,
    server: ServerOption = None,
) -> None:
    """Fetch a snapshot, a clip or anything else that is kept, into a file.

    **Examples**

    `argus fetch snapshots/gate-safety/2026/11/21/jskw5cxngo62t7hl.jpg`

    `argus fetch jskw5cxngo62t7hl-a --out intruder.mp4`
    """
    with connect(server) as client:
        if "/" not in key:
            key = _key_of(client, key)
        if str(out) == "-":
            for data in client.blob(key):
                sys.stdout.buffer.write(data)
            sys.stdout.buffer.flush()
            return
        name = key.rpartition("/")[2]
        path = Path(name) if out is None else out / name if out.is_dir() else out
        client.save_blob(key, path)
        say(f"{path} ({size_text(path.stat().st_size)})")


def _key_of(client: Client, id_: str) -> str:
    """Return the key of the clip of an alert or event; of its picture where it has none.

    Raises:
        SpecError: it has neither.
        NotThere: there is no such thing.
    """
    from argus.control.client import NotThere
    from argus.core.errors import SpecError

    record: dict[str, Any]
    try:
        record = client.alert(id_)
    except NotThere:
        record = client.event(id_)
    key = record.get("clip") or record.get("snapshot")
    if not key and record.get("clip_note"):
        raise SpecError(f"the clip of {id_} is {record['clip_note']}; it has no snapshot either")
    if not key:
        raise SpecError(f"{id_} has neither clip nor snapshot: ask for them in the pipeline's `actions`")
    return str(key)


def _user() -> str:
    import getpass

    try:
        return getpass.getuser()
    except (OSError, KeyError):  # a container's user may have no name
        return "argus"
