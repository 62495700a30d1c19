"""How a running system is doing, as values that travel as JSON: what `argus flow top` and the gateway show.

Who gathers them is `argus.flow.local`; who asks for them uses `argus.flow.control`.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from argus.flow.channels.protocol import LinkCounts

ReplicaState = Literal["starting", "running", "waiting", "backing-off", "finished", "stopped", "failed"]
"""`waiting`: it cannot consume, because a server between it and its source does not answer."""


class ReplicaStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One process of a node."""

    replica: int
    state: ReplicaState
    pid: int | None = None
    restarts: int = 0
    reason: str = ""
    """Why it is not running, or why it last ended: one line."""
    cpu: float = 0.0
    """Cores in use."""
    memory_mb: float = 0.0
    """Resident, without what it shares with others where the system tells."""
    processed: int = 0
    """Calls of `loop` that returned."""
    failed: int = 0
    """Calls that raised."""
    rate: float = 0.0
    """Calls per second, lately."""
    loop_p50_ms: float = 0.0
    loop_p99_ms: float = 0.0
    age_p50_ms: float = 0.0
    """From when the origin made what it looked at to when `loop` had returned."""
    age_p99_ms: float = 0.0


class NodeStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One node."""

    name: str
    replicas: tuple[ReplicaStatus, ...]
    params: dict[str, Any] = {}
    """What can be set, with its values now."""


class LinkStatus(msgspec.Struct, frozen=True, kw_only=True):
    """One link."""

    id: str
    source: str
    target: str
    qos: Literal["realtime", "durable"]
    transport: str
    """`memory`, `shared memory`, `log`, `redis` or `tcp`."""
    counts: LinkCounts
    rate: float = 0.0
    """Messages delivered per second, lately."""
    latency_p50_ms: float = 0.0
    """From when it was sent to when it was handed to `loop`."""
    latency_p99_ms: float = 0.0


class SystemStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A running system."""

    name: str
    pid: int
    started_at: str
    """UTC, ISO 8601."""
    script: str | None
    nodes: tuple[NodeStatus, ...]
    links: tuple[LinkStatus, ...]
    urls: tuple[str, ...] = ()
    """Where its gateways show it."""


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """Params of a node that were changed."""

    params: dict[str, Any]
    """All of them as they are now, where a replica has told; else those that were given."""
    waiting: tuple[str, ...] = ()
    """Replicas that take them later: they do not run now, or have been at work for long."""


class DeadLetter(msgspec.Struct, frozen=True, kw_only=True):
    """A message that was given up."""

    id: str
    """Of the letter; sorts by time."""
    link: str
    at: str
    """UTC, ISO 8601."""
    tries: int
    reason: str
    """The last failure: a traceback, or the signal that ended the process."""
    message: str = ""
    """Id of the message."""
    size: int = 0
    """Bytes."""
