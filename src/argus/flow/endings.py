"""When nodes come to their end: each when all that it takes from has ended, and it had everything.

Decisions over what is given; who watches and tells is `local`. Of a node that runs here its state says that
it has ended; of one elsewhere its stream does, as the replica that takes from it tells.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Final, Literal

from argus.flow.channels.protocol import LinkCounts
from argus.flow.graph import Graph, LinkSpec, NodeSpec
from argus.flow.plan import source_name
from argus.processes.spec import ProcessStatus

OVER: Final = frozenset({"finished", "stopped", "failed"})
"""States of a process that does not come again."""
How = Literal["over", "ended"]
"""Of a stream: nothing more of it will come; and all of it was had."""
_QUIET: Final = 2
"""Looks in a row that must find nothing left to do."""


def is_failing(status: ProcessStatus) -> bool:
    """Return whether a process has failed and has not come up since."""
    return status.state in {"failed", "backing-off"} or (status.state == "starting" and status.restarts > 0)


class Endings:
    """Of the nodes that run here; used by one thread, but for `forget`."""

    def __init__(
        self, graph: Graph, here: Collection[str], heard: Callable[[str, How], Collection[str]]
    ) -> None:
        """Begin with everything at work.

        Args:
            graph: The whole system.
            here: The nodes that run here.
            heard: Returns the links whose streams are over, or have ended, as a replica tells.
        """
        self._graph, self._here, self._heard = graph, here, heard
        self._replicas = [
            (node, source)
            for node in graph.nodes
            if node.name in here
            for source in _sources(node)
            if graph.into(node.name)
        ]
        self._told: set[str] = set()
        self._ending: set[str] = set()
        self._quiet: dict[str, int] = {}

    def look(
        self, states: Mapping[str, str], counts: Mapping[str, LinkCounts], stale: Collection[str] = ()
    ) -> tuple[Sequence[str], Sequence[tuple[NodeSpec, str]]]:
        """Return who is to be told that nothing more will be sent to it, and who is to end; each once.

        Args:
            states: Of each replica's process.
            counts: Of each link.
            stale: Links whose counts may be old: nobody ends by them.
        """
        told, ending = [], []
        for node, source in self._replicas:
            if states[source] != "running":
                continue  # nobody would hear it
            links = self._graph.into(node.name)
            over, ended = (
                all(self._is_so(how, link, source, states) for link in links) for how in ("over", "ended")
            )
            if (over or ended) and source not in self._told:
                self._told.add(source)
                told.append(source)
            # What comes from elsewhere was had when its stream is over.
            ours = [li.id for li in links if li.source in self._here]
            done = ended and all(counts[id_].pending == 0 and id_ not in stale for id_ in ours)
            self._quiet[source] = self._quiet.get(source, 0) + 1 if done else 0
            if self._quiet[source] >= _QUIET and source not in self._ending:
                self._ending.add(source)
                ending.append((node, source))
        return told, ending

    def forget(self, source: str) -> None:
        """Hear that a process has ended: its successor, if it gets one, must be told again."""
        self._told.discard(source)
        self._ending.discard(source)

    def _is_so(self, how: How, link: LinkSpec, source: str, states: Mapping[str, str]) -> bool:
        if link.source not in self._here:
            return link.id in self._heard(source, how)
        return all(states[s] in OVER for s in _sources(self._graph.node(link.source)))


def _sources(node: NodeSpec) -> list[str]:
    return [source_name(node, replica) for replica in range(node.replicas)]
