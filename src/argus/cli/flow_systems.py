"""`argus flow list` and `stop`, and which system is meant where none is named."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from argus.cli.tables import Output, OutputOption, print_items, say

if TYPE_CHECKING:
    from argus.flow.status import SystemStatus

SystemOption = Annotated[
    str | None,
    typer.Option("--system", "-s", help="Which system.", show_default="the only one there is"),
]
SystemArgument = Annotated[
    str | None,
    typer.Argument(metavar="[SYSTEM]", help="Which system.", show_default="the only one that runs"),
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


def known_system(name: str | None) -> str:
    """Return the system that is meant, which may have ended.

    Raises:
        UnknownName: nothing is known of it here.
        SpecError: none is named, and there is none, or there are several.
    """
    from argus.core.errors import SpecError, UnknownName
    from argus.flow.control import running
    from argus.flow.home import systems

    live, known = running(), systems()
    if name is not None:
        if name not in {*live, *known}:
            raise UnknownName("system", name, {*live, *known})
        return name
    for found in (live, known):
        if len(found) == 1:
            return found[0]
        if found:
            raise SpecError(f"which system? there are {', '.join(found)}: name one with --system")
    raise SpecError("no system has run here: start one with `argus flow run main.py`")


def _state(status: SystemStatus) -> str:
    """Return the worst state of a replica."""
    states = {replica.state for node in status.nodes for replica in node.replicas}
    order = ("failed", "backing-off", "waiting", "starting", "running", "stopped", "finished")
    return next((state for state in order if state in states), "empty")
