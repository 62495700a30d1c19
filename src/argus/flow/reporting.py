"""From a running system to its status, as a value."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from argus.flow.channels.protocol import LinkCounts
from argus.flow.figures import Figures
from argus.flow.graph import LinkSpec, NodeSpec
from argus.flow.plan import source_name
from argus.flow.status import LinkStatus, NodeStatus, ReplicaStatus, SystemStatus
from argus.processes.spec import ProcessStatus

if TYPE_CHECKING:
    from argus.flow.local import LocalSystem


def status_of(system: LocalSystem) -> SystemStatus:
    """Return how a system is doing."""
    states = {status.name: status for status in system.supervisor.statuses()}
    counts = system.wiring.counts()
    nodes = []
    urls: list[str] = []
    for node in system.nodes:
        replicas = []
        params: dict[str, Any] = {}
        for replica in range(node.replicas):
            source = source_name(node, replica)
            figures = system.figures[source]
            params = figures.last.get("params", params)
            urls += figures.last.get("urls", ())
            replicas.append(_replica(replica, states.get(source), figures))
        nodes.append(NodeStatus(name=node.name, replicas=tuple(replicas), params=params))
    links = [
        _link(link, counts[link.id], system.wiring.transports.get(link.id, "elsewhere"), system)
        for link in system.graph.links
    ]
    return SystemStatus(
        name=system.graph.name,
        pid=os.getpid(),
        started_at=system.started.isoformat(timespec="seconds"),
        script=system.graph.script,
        nodes=tuple(nodes),
        links=tuple(links),
        urls=tuple(dict.fromkeys(urls)),
    )


def _replica(replica: int, process: ProcessStatus | None, figures: Figures) -> ReplicaStatus:
    """Return how a replica is doing; None for its process: it has finished, and nobody starts it again."""
    from argus.processes.usage import usage_of

    process = process or ProcessStatus(name="", state="finished")
    usage = None if process.pid is None else usage_of(process.pid)
    last = figures.last
    down = str(last.get("down", ""))
    state = "waiting" if process.state == "running" and down else process.state
    loop, age = last.get("loop", (0.0, 0.0)), last.get("age", (0.0, 0.0))
    return ReplicaStatus(
        replica=replica,
        state=state,
        pid=process.pid,
        restarts=process.restarts,
        reason=down if state == "waiting" else process.reason,
        cpu=0.0 if usage is None else figures.took_cpu(usage.cpu_s),
        memory_mb=0.0 if usage is None else usage.memory_bytes / 1e6,
        processed=int(last.get("processed", 0)),
        failed=int(last.get("failed", 0)),
        rate=figures.rate if process.state == "running" else 0.0,
        loop_p50_ms=loop[0],
        loop_p99_ms=loop[1],
        age_p50_ms=age[0],
        age_p99_ms=age[1],
    )


def _link(link: LinkSpec, counts: LinkCounts, transport: str, system: LocalSystem) -> LinkStatus:
    latencies = [
        found
        for source in _sources(system, link.target)
        if (found := system.figures[source].last.get("links", {}).get(link.id)) is not None
    ]
    return LinkStatus(
        id=link.id,
        source=link.source,
        target=link.target,
        qos="durable" if link.durable else "realtime",
        transport=transport,
        counts=counts,
        rate=system.link_rate(link.id, counts.delivered),
        latency_p50_ms=max((p50 for p50, _ in latencies), default=0.0),
        latency_p99_ms=max((p99 for _, p99 in latencies), default=0.0),
    )


def _sources(system: LocalSystem, name: str) -> list[str]:
    node: NodeSpec = system.graph.node(name)
    return [s for r in range(node.replicas) if (s := source_name(node, r)) in system.figures]
