"""The process of one replica of one node: `python -m argus.flow.worker`.

Started by `local` only, which tells it what to do by an inherited plan. Puts node, channels and loop
together, and speaks with its supervisor; the loop is `runner`.
"""

from __future__ import annotations

import mmap
import os
import sys
from typing import Any, Final

import msgspec

from argus.core.late_logging import LateLogger, when_loaded
from argus.flow.changes import Changes, shown
from argus.flow.channels.protocol import Delivery
from argus.flow.inlets import Inlet
from argus.flow.loading import NodeBroken, make_node, where_of
from argus.flow.node import Node, ProducerNode
from argus.flow.opening import open_receivers, open_sender
from argus.flow.ordering import Ordering
from argus.flow.outlet import Outlet
from argus.flow.plan import PLAN, InletPlan, Page, Plan
from argus.flow.qos import Durable
from argus.flow.runner import Runner
from argus.processes.line import Line

_WELL: Final = {None, 0}
"""Codes of `sys.exit` by which a consumer would seem to have come to its end, with all that waits for it."""


def read_plan(descriptor: int) -> Plan:
    """Return the plan that lies in an inherited file."""
    with mmap.mmap(descriptor, 0, prot=mmap.PROT_READ) as data:
        return msgspec.msgpack.decode(data[:], type=Plan)


def order_of(inlet: InletPlan) -> Ordering[tuple[Inlet, Delivery]] | None:
    """Return where messages of a link wait for those that came before them at their origin."""
    if not isinstance(inlet.qos, Durable) or not inlet.qos.ordered or inlet.senders == 1:
        return None
    return Ordering(inlet.qos.lateness)


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
        "ended": runner.ended_links,
        "over": runner.over_links,
        "params": shown(node.params),
        "urls": list(getattr(node, "urls", ())),
    }


def _configure_logging() -> None:
    from argus.core.logging import configure_logging

    configure_logging("info")


def main() -> int:
    """Run the node that the plan names; return the exit code."""
    when_loaded(_configure_logging)
    line = Line.from_environment()
    if line is None or PLAN not in os.environ:
        print("this is a part of `argus flow run`: start a system with that", file=sys.stderr)
        return 2
    plan = read_plan(int(os.environ[PLAN]))
    page = Page(plan.page)
    log = LateLogger(node=plan.source)
    producer = False
    try:
        node = make_node(plan.node, plan.folder)
        producer = isinstance(node, ProducerNode)
        node.replica, node.replicas = plan.replica, plan.node.replicas
        changes = Changes(node, plan.node, line)
        runner = Runner(
            node,
            [
                Inlet(receiver, inlet.input, inlet.link, order, inlet.qos)
                for inlet in plan.inlets
                for order in [order_of(inlet)]
                for receiver in open_receivers(inlet, plan.replica, page.last_end)
            ],
            outlets_of(plan, node),
            source=plan.source,
            life=plan.life,
            process=page.begin(),
            first_index=page.next_index,
            on_index=lambda index: setattr(page, "next_index", index),
            fps=plan.node.fps,
            guard=line,
            between=changes.settle,
            wake=changes.wake,
            again=plan.node.restart.when == "always",
        )
        changes.stop, changes.finish = runner.stop, runner.finish
        changes.end_inputs = runner.end_inputs
        line.on_message = changes.hear
        runner.setup()
    except NodeBroken as error:
        line.failed(str(error))
        return 1
    except (Exception, SystemExit) as error:
        if isinstance(error, SystemExit) and (producer or error.code not in _WELL):
            raise
        why = f"setup: {where_of(error)}"
        line.failed(why)
        if page.is_news(why):
            log.exception("node.setup_failed")
        else:
            log.warning("node.setup_failed_again", consequence="trying again")
        return 1
    page.forget_fault()
    line.on_beat = lambda: figures(runner, node)
    line.ready()
    if producer:
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
