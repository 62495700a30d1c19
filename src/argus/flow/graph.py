"""A system as a value: nodes, links, and what is wrong with them.

Nothing is imported or started here: a graph can be drawn, checked and sent to another process on a
machine where no node could run.
"""

from __future__ import annotations

from typing import Any, Literal

import msgspec

from argus.flow.qos import Promise
from argus.processes.policy import RestartPolicy


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where a node's code is."""

    kind: Literal["path", "module", "script"]
    """A file or folder; an importable module; a class or function in the system's own file."""
    where: str
    """The absolute path, or the module's name."""
    attribute: str | None = None
    """The class or function in it; None: the only node there."""


class NodeSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One node as the system's file names it."""

    name: str
    target: Target
    params: dict[str, Any] = {}
    """First values of its params."""
    fps: float | None = None
    """Calls of a producer's `loop` per second at most; None: as often as it can."""
    replicas: int = 1
    pods: int = 1
    """Pods of a cluster that run it side by side, each with all of `replicas`."""
    host: str | None = None
    """The machine that it runs on, by the name `System(hosts=…)` gives it; None: wherever the rest does."""
    restart: RestartPolicy = RestartPolicy()
    start_deadline_s: float = 60.0
    """Seconds that `setup` may take."""
    hang_after_s: float = 60.0
    """Seconds that one call of `loop` may take before the process is taken for stuck."""
    env: dict[str, str] = {}
    device: str | None = None
    """`gpu`: asks a cluster for one."""
    arch: str | None = None
    """`amd64` or `arm64`: where it can run."""
    resources: dict[str, str] = {}
    """What it asks a cluster for: `{"cpu": "2", "memory": "1Gi"}`."""


class LinkSpec(msgspec.Struct, frozen=True, kw_only=True):
    """One wire from an output of a node to an input of another."""

    source: str
    target: str
    output: str | None = None
    """Of the source; None: its first."""
    input: str = "in"
    """Of the target; by default the source's name where there are several inputs."""
    qos: Promise

    @property
    def id(self) -> str:
        """What logs, tools and files call it: `camera->yolo`, or `camera.mask->fusion.left`."""
        output = f".{self.output}" if self.output else ""
        input_ = f".{self.input}" if self.input not in {"in", self.source} else ""
        return f"{self.source}{output}->{self.target}{input_}"

    @property
    def durable(self) -> bool:
        """True where everything is delivered."""
        from argus.flow.qos import Durable

        return isinstance(self.qos, Durable)


class Broker(msgspec.Struct, frozen=True, kw_only=True):
    """Redis, where DURABLE links go through one; addresses are secret, as they may hold a password."""

    control: str | None = None
    """Where entries, groups and counts are; None: no Redis."""
    data: str | None = None
    """Where large buffers are; None: with the entries."""


class Graph(msgspec.Struct, frozen=True, kw_only=True):
    """A whole system."""

    name: str
    nodes: tuple[NodeSpec, ...]
    links: tuple[LinkSpec, ...]
    broker: Broker = Broker()
    hosts: dict[str, str] = {}
    """Addresses of machines by name."""
    script: str | None = None
    """The file that defines it; None where it was made elsewhere."""
    folder: str = "."
    """Where it was started: what nodes may import from."""

    def node(self, name: str) -> NodeSpec:
        """Return a node.

        Raises:
            KeyError: there is none of that name.
        """
        return next(n for n in self.nodes if n.name == name)

    def into(self, name: str) -> tuple[LinkSpec, ...]:
        """Return the links to a node."""
        return tuple(link for link in self.links if link.target == name)

    def out_of(self, name: str) -> tuple[LinkSpec, ...]:
        """Return the links from a node."""
        return tuple(link for link in self.links if link.source == name)

    @property
    def order(self) -> tuple[str, ...]:
        """The nodes, each after those it takes from; of a graph without cycles."""
        left = {n.name: {link.source for link in self.into(n.name)} for n in self.nodes}
        order: list[str] = []
        while left:
            ready = [name for name, before in left.items() if not before - set(order)]
            if not ready:
                raise ValueError(f"{self.name}: its nodes form a cycle: {', '.join(sorted(left))}")
            order += ready
            for name in ready:
                del left[name]
        return tuple(order)
