"""What nodes print, on the terminal of the program that runs them; their logs have it as well."""

from __future__ import annotations

import sys
import threading
from collections.abc import Sequence
from types import TracebackType
from typing import Final, Self

from argus.flow.graph import Graph
from argus.flow.home import logs_of
from argus.flow.loglines import Follower, in_words

_LOOK_S: Final = 0.2


class Echo:
    """Prints new lines to stderr while it is entered: a thread that looks at the logs."""

    def __init__(self, graphs: Sequence[Graph]) -> None:
        """Begin behind what the logs of these systems hold already."""
        self._followers = [Follower(logs_of(graph.name)) for graph in graphs]
        self._width = max((len(node.name) for graph in graphs for node in graph.nodes), default=0)
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run, name="argus-flow-echo", daemon=True)

    def __enter__(self) -> Self:
        """Begin."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Print what is left, and end."""
        self._over.set()
        self._thread.join(5.0)

    def _run(self) -> None:
        while not self._over.wait(_LOOK_S):
            self._print(rest=False)
        self._print(rest=True)

    def _print(self, *, rest: bool) -> None:
        for follower in self._followers:
            for line in follower.rest() if rest else follower.take():
                print(in_words(line, self._width), file=sys.stderr, flush=True)
