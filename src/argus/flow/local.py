"""A system as processes of this machine: started, watched, asked, and ended when its streams have.

Owns the channels, which outlive every node, and the supervisor (`argus.processes`). What happens in a
node's process is `worker`; what askers may ask is `control`.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any, Final, Self

import msgspec
import structlog

from argus.core.errors import OutputError
from argus.flow.control import ControlServer, RequestRefused
from argus.flow.endings import OVER, Endings, is_failing
from argus.flow.figures import Figures
from argus.flow.graph import Graph, NodeSpec
from argus.flow.home import begin_life, dead_of, logs_of, made, write_last_status
from argus.flow.letters import LETTER_OPS, Letters
from argus.flow.placement import Placement, in_pods
from argus.flow.plan import PLAN, SOCKET, Page, Plan, source_name
from argus.flow.status import Change, SystemStatus
from argus.flow.system import CHILD
from argus.flow.transport import Wiring
from argus.flow.verdicts import VERDICT_S, Verdicts
from argus.processes.spec import ProcessSpec, ProcessStatus
from argus.processes.supervisor import Supervisor

_LOOK_S: Final = 0.1
"""How often it is looked whether a stream has ended."""


class LocalSystem:
    """Runs the nodes of a graph that are for this machine. Safe from any thread; use it with `with`."""

    def __init__(
        self,
        graph: Graph,
        *,
        only: Sequence[str] = (),
        host: str | None = None,
        pod: str | None = None,
        on_change: Callable[[str, str, str], None] | None = None,
    ) -> None:
        """Make the channels and start the processes.

        Args:
            graph: Checked.
            only: Only these nodes; the others run elsewhere.
            host: Only the nodes of this machine.
            pod: The name of the pod of a cluster that this is; its replicas are other pods.
            on_change: Hears the node's process, its new state and why.

        Raises:
            SpecError: `only` or `host` names what is not there.
            ArgusError: a system of this name runs already.
        """
        self.graph = graph = graph if pod is None else in_pods(graph)
        self.over = threading.Event()
        """Set when nothing runs any more."""
        self.began = threading.Event()
        """Set when every node has come up once, or failed to, and producers were let go."""
        self._rates: dict[str, tuple[float, int, float]] = {}
        self._placement = Placement(graph, only, host, pod)
        self.started = datetime.now(UTC)
        self._on_change = on_change
        self.nodes = [graph.node(name) for name in graph.order if name in self._placement.here]
        self._pages: dict[str, Page] = {}
        self.figures = {source: Figures() for _, _, source in self._replicas()}
        self._endings = Endings(graph, self._placement.here, lambda s, how: self.figures[s].last.get(how, ()))
        self._changing = threading.RLock()
        self._closing = False
        self._closed = threading.Event()
        self._last_words: set[str] = set()
        """Those that would be started again when they end, and are not, as their streams have ended."""
        self._here: set[str] = set()
        self._runs: set[str] = set()
        self._plans: list[int] = []
        with contextlib.ExitStack() as opened:
            self._control = ControlServer(self._placement.name)
            opened.callback(self._control.close)
            self.wiring = Wiring(graph, self._placement)
            opened.callback(self.wiring.close)
            self._letters = Letters(dead_of(graph.name), self.wiring.brokered, self.wiring.replay)
            self.supervisor = Supervisor(on_message=self._hear, on_end=self._ended, on_change=self._changed)
            opened.callback(self.supervisor.close)
            self._verdicts = Verdicts(self.supervisor.tell)
            self._life = begin_life(graph.name)
            logs = made(logs_of(graph.name))
            for node, replica, source in self._replicas():
                self.supervisor.add(self._process(node, replica, source, str(logs / f"{source}.log")))
            opened.pop_all()
        self._watch = threading.Thread(target=self._look, name="argus-flow-watch", daemon=True)
        self._watch.start()
        self._control.begin(self.answer)

    def __enter__(self) -> Self:
        """Return itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    @property
    def failed(self) -> bool:
        """Whether a node has failed for good, or was failing at the end."""
        return any(map(is_failing, self.supervisor.statuses()))

    def close(self) -> None:
        """Drain, end everything, and keep the last account; idempotent."""
        with self._changing:
            first, self._closing = not self._closing, True
        if not first:
            # Whoever comes second may leave when all is done, not before.
            self._closed.wait()
            return
        try:
            self._end()
        finally:
            self._closed.set()

    def _end(self) -> None:
        self.supervisor.close()
        self.over.set()
        self._watch.join(5.0)
        try:
            write_last_status(self.status())
        except OutputError as error:
            # A full disk costs the account, not the good order of the end.
            structlog.get_logger().warning("flow.account_not_kept", error=str(error))
        # Not before: the name is taken, and who waits for the end waits, until everything has ended.
        self._control.close()
        self.wiring.close()
        for page in self._pages.values():
            page.close()
        for descriptor in self._plans:
            os.close(descriptor)
        self._plans.clear()

    def status(self) -> SystemStatus:
        """Return how it is doing."""
        from argus.flow.reporting import status_of

        return status_of(self)

    def answer(self, request: dict[str, Any]) -> Any:
        """Return what an asker wants; see `argus.flow.control.Control`.

        Raises:
            RequestRefused: it cannot be.
        """
        op = request.get("op")
        if op == "status":
            return msgspec.to_builtins(self.status())
        if op == "set":
            wait = bool(request.get("wait", True))
            return msgspec.to_builtins(self.set(str(request["node"]), dict(request["params"]), wait=wait))
        if op in LETTER_OPS:
            return self._letters.answer(request, [link.id for link in self.graph.links])
        if op == "stop":
            threading.Thread(target=self.close, name="argus-flow-close", daemon=True).start()
            return None
        raise RequestRefused(f"there is no request {op!r}")

    def set(self, node: str, params: dict[str, Any], *, wait: bool = True) -> Change:
        """Change params of a node in all its replicas; see `argus.flow.control.Control`.

        Raises:
            RequestRefused: there is no such node or param, or the node cannot take a value.
        """
        spec = next((n for n in self.nodes if n.name == node), None)
        if spec is None:
            known = ", ".join(n.name for n in self.nodes)
            raise RequestRefused(f"there is no node {node!r}: there is {known}")
        states = self._states()
        sources = [s for n, _, s in self._replicas() if n.name == node and states[s] not in OVER]
        if not sources:
            raise RequestRefused(f"{node} has ended: see `argus flow logs {node}`")
        return self._verdicts.set(node, sources, params, VERDICT_S if wait else 0.0)

    def link_rate(self, link: str, delivered: int) -> float:
        """Return messages per second since somebody last asked, at least half a second ago."""
        now_s = time.monotonic()
        then_s, before, rate = self._rates.get(link, (0.0, 0, 0.0))
        if not then_s or now_s - then_s >= 0.5:
            rate = (delivered - before) / (now_s - then_s) if then_s else 0.0
            self._rates[link] = (now_s, delivered, rate)
        return rate

    def _replicas(self) -> list[tuple[NodeSpec, int, str]]:
        return [(n, r, source_name(n, r)) for n in self.nodes for r in range(n.replicas)]

    def _process(self, node: NodeSpec, replica: int, source: str, log: str) -> ProcessSpec:
        page = self._pages[source] = Page()
        plan = Plan(
            system=self.graph.name,
            folder=self.graph.folder,
            node=node,
            replica=replica,
            inlets=self.wiring.inlets(node),
            senders=self.wiring.senders(node, replica),
            page=page.fd,
            source=self._placement.source(node, replica),
            life=self._life,
        )
        descriptor = os.memfd_create("argus-plan", os.MFD_CLOEXEC)
        os.write(descriptor, msgspec.msgpack.encode(plan))
        self._plans.append(descriptor)
        return ProcessSpec(
            name=source,
            command=(sys.executable, "-m", "argus.flow.worker"),
            env={
                "PYTHONUNBUFFERED": "1",
                **node.env,
                CHILD: source,
                PLAN: str(descriptor),
                SOCKET: str(self._control.path),
            },
            fds=(descriptor, page.fd, *self.wiring.fds(node)),
            cwd=self.graph.folder,
            restart=node.restart,
            start_deadline_s=node.start_deadline_s,
            hang_after_s=node.hang_after_s,
            log=log,
        )

    def _hear(self, name: str, message: dict[str, Any]) -> None:
        """Take what a node's process says; called in the supervisor's thread."""
        if "answer" in message:
            self._verdicts.hear(message)
            return
        self.figures[name].take(message)
        if "ending" in message and name in self._last_words:
            self.supervisor.remove(name, wait=False)

    def _ended(self, name: str, reason: str) -> None:
        """Free what a process held; called before it is started again."""
        # Its successor, if it gets one, must be told again.
        self._endings.forget(name)
        for node, replica, source in self._replicas():
            if source == name:
                # Where a channel cannot be told now, its successor tells it.
                self._pages[source].last_end = reason
                self.wiring.forget(node, replica, reason)

    def _changed(self, status: ProcessStatus) -> None:
        """Take a new state of a process; called in the supervisor's thread."""
        if status.state != "starting":
            self._here.add(status.name)
        if status.state == "running":
            self._runs.add(status.name)
            # What was set while it ran is set in who takes its place.
            for node, _, source in self._replicas():
                if source == status.name:
                    self._verdicts.tell_successor(node.name, source)
        if len(self._here) == len(self.figures):
            # Who failed is not waited for: it must not keep its producer from the others.
            for source in self._runs:
                self.supervisor.tell(source, {"go": True})
            self._runs.clear()
            self.began.set()
        if self._on_change is not None:
            self._on_change(status.name, status.state, status.reason)

    def _look(self) -> None:
        """End each node when those before it have ended and it has had everything; then the system."""
        while not self._closing:
            time.sleep(_LOOK_S)
            try:
                states, counts = self._states(), self.wiring.counts()
            except Exception:  # noqa: BLE001 - a count that cannot be had now must not keep the system from ending
                structlog.get_logger().exception("flow.not_counted")
                continue
            told, ending = self._endings.look(states, counts, self.wiring.stale)
            for source in told:
                self.supervisor.tell(source, {"over": True})
            for node, source in ending:
                self._finish(node, source)
            if all(state in OVER for state in states.values()):
                self.over.set()
                return

    def _states(self) -> dict[str, str]:
        """Return the state of each process; one that was taken from the supervisor has finished."""
        known = {status.name: status.state for status in self.supervisor.statuses()}
        return {source: known.get(source, "finished") for _, _, source in self._replicas()}

    def _finish(self, node: NodeSpec, source: str) -> None:
        """Let a process end that has nothing more to do."""
        self.wiring.heard(node)
        if node.restart.when == "always":
            self._last_words.add(source)
        self.supervisor.tell(source, {"finish": True})
