"""The process of one replica of one node: `python -m argus.flow.worker`.

Started by `local` only, which tells it what to do by an inherited plan. Puts node, channels and loop
together, and speaks with its supervisor; the loop is `runner`.
"""

from __future__ import annotations

import mmap
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import msgspec
import structlog

from argus.core.logging import configure_logging
from argus.core.urls import mask_url
from argus.flow.graph import NodeSpec
from argus.flow.loading import FunctionNode, NodeBroken, make_node, settable, validated, where_of
from argus.flow.node import Node, ProducerNode
from argus.flow.outlet import Outlet
from argus.flow.plan import PLAN, Page, Plan
from argus.flow.runner import Inlet, Runner
from argus.flow.transport import open_receiver, open_sender
from argus.processes.line import Line


def read_plan(descriptor: int) -> Plan:
    """Return the plan that lies in an inherited file."""
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as data:
        return msgspec.json.decode(data[:], type=Plan)


class Changes:
    """New params on their way from the supervisor's line to the node, which takes them between two calls."""

    def __init__(self, node: Node, spec: NodeSpec, line: Line) -> None:
        """Begin with none."""
        self.wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._node = node
        self._name = spec.name
        self._line = line
        self._lock = threading.Lock()
        self._go = threading.Event()
        self._wanted: Any = None
        self.stop: Callable[[], None] = _nothing
        """Called when the node shall come to an end."""
        self.end_inputs: Callable[[], None] = _nothing
        """Called when nothing more will be sent to it."""

    def hear(self, message: dict[str, Any]) -> None:
        """Take a message of the supervisor; called in the line's thread."""
        if "go" in message:
            self._go.set()
        elif "set" in message:
            try:
                values = self._ask(message["set"])
            except NodeBroken as error:
                self._line.tell({"answer": message["id"], "error": str(error)})
            else:
                self._line.tell({"answer": message["id"], "ok": values})
        elif message.get("over"):
            self.end_inputs()
        elif message.get("finish") or message.get("drain"):
            self.stop()
            self._go.set()
            os.eventfd_write(self.wake, 1)

    def wait_for_go(self, stopping: Callable[[], bool]) -> None:
        """Wait until those who take from a producer are there, so that they miss nothing of its beginning."""
        while not self._go.wait(0.25) and not stopping():
            pass

    def settle(self) -> None:
        """Let the node have what was asked for; called in the node's thread."""
        if self._wanted is None:
            return
        with self._lock:
            wanted, self._wanted = self._wanted, None
            os.eventfd_read(self.wake)
        kept = self._node.params
        before = plain(kept)
        after = plain(wanted)
        self._node.params = wanted
        changed = frozenset(name for name, value in after.items() if before.get(name) != value)
        if not changed:
            return
        try:
            self._node.on_params(changed)
        except Exception:
            self._node.params = kept
            self._node.log.exception("node.params_not_taken", changed=sorted(changed))

    def _ask(self, values: dict[str, Any]) -> dict[str, Any]:
        with self._lock:
            current = self._node.params if self._wanted is None else self._wanted
            if isinstance(self._node, FunctionNode):
                known = settable(self._node)
                strange = sorted(set(values) - set(known))
                if strange:
                    takes = ", ".join(sorted(known)) or "nothing"
                    raise NodeBroken(f"node {self._name}: takes no {', '.join(strange)}: it takes {takes}")
                wanted: Any = {**(current or {}), **values}
            elif self._node.Params is None:
                raise NodeBroken(f"node {self._name}: has no params")
            else:
                wanted = validated(self._node.Params, {**plain(current), **values}, self._name)
            # Written first: whoever finds new params can read it empty.
            os.eventfd_write(self.wake, 1)
            self._wanted = wanted
        return shown(wanted)


def _nothing() -> None:
    """Begin with nobody to stop."""


def plain(params: Any) -> dict[str, Any]:
    """Return params as names and values."""
    if params is None:
        return {}
    if isinstance(params, dict):
        return params
    dumped: dict[str, Any] = params.model_dump(mode="json")
    return dumped


def shown(params: Any) -> dict[str, Any]:
    """Return params as others may see them: addresses without their passwords."""
    return {
        name: mask_url(value) if isinstance(value, str) and "://" in value else value
        for name, value in plain(params).items()
    }


def outlets_of(plan: Plan, node: Node) -> dict[str, Outlet]:
    """Return the node's outputs, their channels open.

    Raises:
        NodeBroken: a link takes an output that the node does not have.
    """
    found: dict[str, list[Any]] = {}
    for sender in plan.senders:
        if not node.outputs:
            raise NodeBroken(f"node {node.name}: is a sink and has no output: no link can begin there")
        output = sender.output or node.outputs[0]
        if output not in node.outputs:
            raise NodeBroken(f"node {node.name}: has no output {output!r}: it has {', '.join(node.outputs)}")
        found.setdefault(output, []).append((open_sender(sender.channel), sender.jpeg))
    return {output: Outlet(senders) for output, senders in found.items()}


def figures(runner: Runner, node: Node) -> dict[str, Any]:
    """Return what the supervisor is told with every beat."""
    meters = runner.meters

    def quantiles_ms(histogram: Any) -> tuple[float, float]:
        seen = histogram.snapshot()
        return 1000 * seen.quantile(0.5), 1000 * seen.quantile(0.99)

    return {
        "processed": meters.processed,
        "failed": meters.failed,
        "loop": quantiles_ms(meters.loop),
        "age": quantiles_ms(meters.age),
        "links": {link: quantiles_ms(histogram) for link, histogram in meters.links.items()},
        "down": meters.down,
        "params": shown(node.params),
        "urls": list(getattr(node, "urls", ())),
    }


def main() -> int:
    """Run the node that the plan names; return the exit code."""
    configure_logging("info")
    line = Line.from_environment()
    if line is None or PLAN not in os.environ:
        print("this is a part of `argus flow run`: start a system with that", file=sys.stderr)
        return 2
    plan = read_plan(int(os.environ[PLAN]))
    page = Page(plan.page)
    log = structlog.get_logger().bind(node=plan.source)
    try:
        node = make_node(plan.node, plan.folder)
        node.replica = plan.replica
        changes = Changes(node, plan.node, line)
        runner = Runner(
            node,
            [
                Inlet(open_receiver(channel, inlet.link, plan.replica), inlet.input, inlet.link)
                for inlet in plan.inlets
                for channel in inlet.channels
            ],
            outlets_of(plan, node),
            source=plan.source,
            incarnation=page.begin(),
            first_index=page.next_index,
            on_index=lambda index: setattr(page, "next_index", index),
            fps=plan.node.fps,
            guard=line,
            between=changes.settle,
            wake=changes.wake,
        )
        changes.stop = runner.stop
        changes.end_inputs = runner.end_inputs
        line.on_message = changes.hear
        runner.setup()
    except NodeBroken as error:
        line.failed(str(error))
        return 1
    except Exception as error:
        line.failed(f"setup: {where_of(error)}")
        log.exception("node.setup_failed")
        return 1
    line.on_beat = lambda: figures(runner, node)
    line.ready()
    if isinstance(node, ProducerNode):
        changes.wait_for_go(lambda: runner.stopping)
    try:
        ending = runner.run()
    except Exception as error:
        line.failed(where_of(error))
        log.exception("node.failed")
        return 1
    line.tell({"ending": ending, **figures(runner, node)})
    return 0


if __name__ == "__main__":
    sys.exit(main())
