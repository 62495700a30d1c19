"""`argus flow top`: how a running system is doing, again and again."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Annotated

import typer

from argus.cli.flow_systems import SystemArgument, known_system
from argus.cli.tables import Output, OutputOption, print_data, show

if TYPE_CHECKING:
    from rich.console import Group

    from argus.flow.control import Control
    from argus.flow.status import SystemStatus


def top(
    system: SystemArgument = None,
    once: Annotated[
        bool, typer.Option("--once", help="Show it once and end; so it is where stdout is no terminal.")
    ] = False,
    last: Annotated[
        bool, typer.Option("--last", help="Show how it was when it last ended, instead.")
    ] = False,
    every: Annotated[float, typer.Option(min=0.1, max=60, help="Seconds from one look to the next.")] = 1.0,
    output: OutputOption = Output.TABLE,
) -> None:
    """Show nodes and links of a running system: rates, ages, latencies, drops, CPU, memory, restarts.

    Milliseconds are the median and the 99th percentile: of a call of `loop`; of the age of a message when it
    had been looked at; of its way by a link. CPU is in percent of one core. For every link, what was
    sent = what was delivered + dropped + is pending; where that is not so, it says how many are unaccounted
    for. `-o json` shows it once.

    **Examples**

    `argus flow top`

    `argus flow top my-robot -o json`
    """
    from rich.console import Console

    if last:
        _show(_last(known_system(system)), output)
        return
    from argus.flow.control import Control

    control = Control(system)
    screen = Console(highlight=False)
    status = control.status()
    if once or output is not Output.TABLE or not screen.is_terminal:
        _show(status, output)
        return
    _watch(control, status, screen, every)


def drawn(status: SystemStatus) -> Group:
    """Return the tables of one moment."""
    from rich.console import Group
    from rich.text import Text

    from argus.cli.flow_tables import links_table, nodes_table, reasons

    head = Text.assemble((status.name, "bold"), f"  since {status.started_at}  pid {status.pid}")
    for url in status.urls:
        head.append(f"  {url}", "cyan")
    return Group(head, Text(), nodes_table(status), *reasons(status), Text(), links_table(status.links))


def _watch(control: Control, status: SystemStatus, screen: object, every: float) -> None:
    from rich.console import Console
    from rich.live import Live

    from argus.flow.control import SystemNotRunning

    assert isinstance(screen, Console)
    try:
        with Live(drawn(status), console=screen, auto_refresh=False, transient=False) as live:
            while True:
                time.sleep(every)
                status = control.status()
                live.update(drawn(status), refresh=True)
    except SystemNotRunning:
        screen.print(f"{status.name} has ended", style="dim", markup=False)
    except KeyboardInterrupt:
        return


def _last(system: str) -> SystemStatus:
    from argus.core.errors import SpecError
    from argus.flow.home import last_status

    status = last_status(system)
    if status is None:
        raise SpecError(f"{system} has not ended yet, or nothing was kept of it: leave out --last")
    return status


def _show(status: SystemStatus, output: Output) -> None:
    if output is Output.TABLE:
        show(drawn(status))
        return
    import msgspec

    print_data(msgspec.to_builtins(status), output)
