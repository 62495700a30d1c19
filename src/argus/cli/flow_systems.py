"""`argus flow list` and `stop`, and which system is meant where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from argus.cli.tables import Output, OutputOption, print_items, say

if TYPE_CHECKING:
    from argus.flow.status import SystemStatus

SystemOption = Annotated[
    str | None,
    typer.Option(
        "--system",
        "-s",
        help="Which system; what its name alone begins with is enough.",
        show_default="the only one there is",
    ),
]
OneOfFile = Annotated[
    str | None,
    typer.Option(
        "--system",
        "-s",
        help="Only this one, where the file defines several; what its name alone begins with is enough.",
        show_default="all",
    ),
]
TheOneOfFile = Annotated[
    str | None,
    typer.Option(
        "--system",
        "-s",
        help="Which, where the file defines several; what its name alone begins with is enough.",
        show_default="the only one there is",
    ),
]
SystemArgument = Annotated[
    str | None,
    typer.Argument(
        metavar="[SYSTEM]",
        help="Which system; what its name alone begins with is enough.",
        show_default="the only one there is",
    ),
]


def list_systems(output: OutputOption = Output.TABLE) -> None:
    """The systems of yours that run on this machine.

    **Example**

    `argus flow list`
    """
    found = statuses()
    items = [
        {
            "name": status.name,
            "pid": status.pid,
            "started": status.started_at,
            "script": status.script,
            "nodes": len(status.nodes),
            "links": len(status.links),
            "state": _state(status),
            "urls": list(status.urls),
        }
        for status in found
    ]
    if output is Output.TABLE and not items:
        say("no system runs here: start one with `argus flow run main.py`")
        return
    headers = ["NAME", "STATE", "NODES", "LINKS", "STARTED", "PID", "SEEN AT"]
    rows = [
        [
            status.name,
            _state(status),
            str(len(status.nodes)),
            str(len(status.links)),
            status.started_at,
            str(status.pid),
            ", ".join(status.urls),
        ]
        for status in found
    ]
    print_items(items, output, headers, rows)


def stop(
    system: SystemArgument = None,
    wait: Annotated[
        float, typer.Option(min=0, help="Seconds to wait for its end; 0 does not.", show_default=True)
    ] = 30.0,
) -> None:
    """End a system: what is under way is done first.

    **Example**

    `argus flow stop my-robot`
    """
    import time

    from argus.core.errors import ArgusError
    from argus.flow.control import Control, running

    control = Control(system)
    name = control.path.stem
    control.stop()
    until_s = time.monotonic() + wait
    while wait and name in running():
        if time.monotonic() > until_s:
            raise ArgusError(
                f"{name} still runs after {wait:g} s: see `argus flow top {name}`, or wait longer"
            )
        time.sleep(0.1)
    say(f"{name} has ended" if wait else f"{name} is ending")


def statuses() -> list[SystemStatus]:
    """Return how the systems of this machine are doing; one that ends meanwhile is left out."""
    from argus.core.errors import ArgusError
    from argus.flow.control import Control, running

    found = []
    for name in running():
        try:
            found.append(Control(name).status())
        except (ArgusError, OSError):
            continue
    return found


def known_system(asked: str | None) -> str:
    """Return the whole name of the system that is meant, which may have ended.

    Args:
        asked: Its name, what that begins with, or the name of a part of it that runs. None: the only one
            that runs, or else the only one that has.

    Raises:
        UnknownName: nothing is known of it here.
        SystemUnclear: several can be meant.
        SystemNotRunning: none has run here.
    """
    from argus.core.errors import UnknownName
    from argus.flow.control import SystemNotRunning, running
    from argus.flow.home import systems
    from argus.flow.naming import meant, whole

    parts, ended = running(), systems()
    live = {whole(part) for part in parts}
    found = meant(whole(asked) if asked in parts else asked, live, ended)
    if found is not None:
        return found
    if asked is not None:
        raise UnknownName("system", asked, {*live, *ended})
    raise SystemNotRunning("no system has run here: start one with `argus flow run main.py`")


def _state(status: SystemStatus) -> str:
    """Return the worst state of a replica."""
    states = {replica.state for node in status.nodes for replica in node.replicas}
    order = ("failed", "backing-off", "waiting", "starting", "running", "stopped", "finished")
    return next((state for state in order if state in states), "empty")
