"""Systems in a terminal: what is about to run, what happens meanwhile, and what became of every message.

What people read goes to stderr, the account at the end to stdout. How systems run is `argus.flow.local`'s;
what is told of them here is asked for as `argus flow top` does, so that telling costs them nothing.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import structlog
from rich.console import Console
from rich.text import Text

from argus.cli.flow_tables import links_table, source_of
from argus.cli.tables import Output, print_data, show

if TYPE_CHECKING:
    from argus.flow.graph import Graph
    from argus.flow.loglines import Follower
    from argus.flow.status import SystemStatus

_LOOK_S: Final = 0.2
_STYLES: Final = {"failed": "bold red", "backing-off": "bold red", "waiting": "yellow"}


@dataclass(frozen=True, slots=True)
class Wish:
    """How systems are to be run."""

    debug: bool = False
    only: tuple[str, ...] = ()
    host: str | None = None
    quiet: bool = False
    output: Output = Output.TABLE
    for_s: float | None = None
    """Seconds after which they are ended; None: never."""


def carry_out(graphs: Sequence[Graph], wish: Wish, objects: Mapping[str, Any] | None = None) -> int:
    """Run systems until they have ended; return the exit code.

    Args:
        graphs: Unchecked.
        wish: How.
        objects: Classes and functions by node, for debugging.

    Raises:
        SpecError: a system cannot be; every fault is listed.
    """
    from argus.flow.checks import check

    for graph in graphs:
        check(graph, (objects or {}) if wish.debug else ())
    if wish.debug:
        return _debug(graphs, objects or {}, wish)
    from argus.flow.running import run_systems

    errors = Console(stderr=True, highlight=False)
    teller = None if wish.quiet else _Teller(graphs, errors, wish)
    try:
        code = run_systems(graphs, only=wish.only, host=wish.host, for_s=wish.for_s)
    finally:
        if teller is not None:
            teller.close()
    _account(graphs, wish)
    return code


def _debug(graphs: Sequence[Graph], objects: Mapping[str, Any], wish: Wish) -> int:
    from argus.flow.debug import DebugSystem

    errors = Console(stderr=True, highlight=False)
    for graph in graphs:
        system = DebugSystem(graph, objects)
        if not wish.quiet:
            errors.print(f"{graph.name}: all nodes in this thread; Ctrl-C ends it", style="dim", markup=False)
        alarm = threading.Timer(wish.for_s or 0.0, system.stop)
        alarm.daemon = True
        if wish.for_s is not None:
            alarm.start()
        try:
            system.run()
        except KeyboardInterrupt:
            return 130
        finally:
            alarm.cancel()
    return 0


class _Teller:
    """Tells on stderr what systems begin with, how their nodes fare, and what they print; a thread."""

    def __init__(self, graphs: Sequence[Graph], errors: Console, wish: Wish) -> None:
        from argus.flow.home import logs_of
        from argus.flow.loglines import Follower
        from argus.flow.placement import Placement

        self._errors = errors
        self._left = {graph.name: graph for graph in graphs}
        self._parts = [Placement(graph, wish.only, wish.host).name for graph in graphs]
        self._many = len(graphs) > 1
        self._followers: dict[str, Follower] = {graph.name: Follower(logs_of(graph.name)) for graph in graphs}
        self._states: dict[tuple[str, str], tuple[str, int, str]] = {}
        self._reasons: dict[tuple[str, str], str] = {}
        """Why each does not run, as it was told; of who has come up since, nothing."""
        self._urls: set[str] = set()
        self._width = max((len(node.name) + 2 for graph in graphs for node in graph.nodes), default=0)
        self._processors = structlog.get_config()["processors"]
        structlog.configure(processors=[_told_here, *self._processors])
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="argus-flow-teller", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Tell what is left, and end."""
        self._stop.set()
        self._thread.join(5.0)
        for status in _ended(self._followers):
            # Who ended since the last look, ended with the system; of one that never began nothing is told.
            if status.name not in self._left:
                self._tell(status)
        structlog.configure(processors=self._processors)

    def _run(self) -> None:
        while not self._stop.wait(_LOOK_S):
            for name in self._parts:
                status = _status_of(name)
                if status is not None:
                    self._tell(status)
            self._tell_lines()
        self._tell_lines(rest=True)

    def _tell(self, status: SystemStatus) -> None:
        graph = self._left.pop(status.name, None)
        if graph is not None:
            self._begin(graph, status)
        for node in status.nodes:
            for replica in node.replicas:
                source = source_of(node, replica)
                before = self._states.get((status.name, source), ("", 0, ""))
                now = (replica.state, replica.restarts, replica.reason)
                self._states[status.name, source] = now
                if now[:2] != before[:2]:
                    self._change(status.name, source, before, now)
        for url in status.urls:
            if url not in self._urls:
                self._urls.add(url)
                self._errors.print(Text.assemble("to be seen at ", (_page(url), "bold cyan")), soft_wrap=True)

    def _begin(self, graph: Graph, status: SystemStatus) -> None:
        from argus.cli.flow_tables import starting_table

        self._errors.print(starting_table(graph, status))
        self._errors.print("Ctrl-C ends it when what is under way is done; again: at once", style="dim")

    def _change(
        self, system: str, source: str, before: tuple[str, int, str], now: tuple[str, int, str]
    ) -> None:
        state, restarts, reason = now
        again = reason != "" and self._reasons.get((system, source)) == reason
        if state == "running":
            self._reasons.pop((system, source), None)
        elif reason:
            self._reasons[system, source] = reason
        told = state
        if restarts > before[1] and state in {"starting", "running"}:
            told = f"{state}, started again ({restarts})"
        elif state == "starting":
            return
        elif again:
            told = f"{state}, as before"
        who = f"{system}/{source}" if self._many else source
        line = Text.assemble(
            (f"{datetime.now():%H:%M:%S} ", "dim"), f"{who} ", (told, _STYLES.get(state, "green"))
        )
        if reason and not again and (state in _STYLES or restarts > before[1]):
            line.append(f": {reason}")
        self._errors.print(line, soft_wrap=True)

    def _tell_lines(self, *, rest: bool = False) -> None:
        from argus.flow.loglines import in_words

        for follower in self._followers.values():
            for line in follower.rest() if rest else follower.take():
                self._errors.print(in_words(line, self._width), markup=False, soft_wrap=True)


def _status_of(name: str) -> SystemStatus | None:
    """Return how a system of this process is doing; None before it has begun, and when it is ending."""
    from argus.core.errors import ArgusError
    from argus.flow.control import Control

    try:
        status = Control(name).status()
    except (ArgusError, OSError):
        return None
    return status if status.pid == os.getpid() else None


def _told_here(_: Any, __: str, event: structlog.typing.EventDict) -> structlog.typing.EventDict:
    """Leave out of the log what stands on the terminal already."""
    if event.get("event") == "process.ended":
        raise structlog.DropEvent
    return event


def _page(url: str) -> str:
    """Return the address of a gateway's page."""
    return url if url.rstrip("/").count("/") > 2 else f"{url.rstrip('/')}/dashboard"


def _ended(names: Iterable[str]) -> list[SystemStatus]:
    """Return how systems were when they ended in this process."""
    from argus.flow.home import last_status

    found = [last_status(name) for name in names]
    return [status for status in found if status is not None and status.pid == os.getpid()]


def _account(graphs: Sequence[Graph], wish: Wish) -> None:
    """Print what became of the messages of each link."""
    import msgspec

    ended = _ended(graph.name for graph in graphs)
    if wish.output is not Output.TABLE:
        print_data({"items": [msgspec.to_builtins(status) for status in ended]}, wish.output)
        return
    if wish.quiet:
        return
    for status in ended:
        sys.stderr.flush()
        show(Text(status.name, "bold"), links_table(status.links, rates=False))
