"""What a user writes a system with: `System`, its nodes and its links; and running it.

Naming a node imports nothing of it, and no process is started before `run`. The graph that comes of it
is a value (`graph`); what carries it out is `local` (processes) or `debug` (this thread).
"""

from __future__ import annotations

import os
import re
import runpy
import sys
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import Any, Literal

from argus.core.errors import SpecError, UnknownName
from argus.flow.broker import DualRedis, as_broker
from argus.flow.graph import Broker, Graph, LinkSpec, NodeSpec, Target
from argus.flow.handles import LinkChain, NodeHandle
from argus.flow.loading import SCRIPT_NAME
from argus.flow.naming import SystemUnclear, meant
from argus.flow.qos import Promise
from argus.processes.policy import RestartPolicy

CHILD = "ARGUS_FLOW_NODE"
"""Set in the processes of nodes: there, a system's own file may be imported again, and runs nothing."""
BROKER = "ARGUS_FLOW_BROKER"
"""The address of a broker, over that of the system's file."""
BROKER_DATA = "ARGUS_FLOW_BROKER_DATA"
"""The address of the one for large messages, where it is another."""
_collected: list[System] | None = None


class System:
    """A graph of nodes under one name; see the module."""

    def __init__(
        self,
        name: str,
        *,
        broker: str | DualRedis | None = None,
        hosts: Mapping[str, str] | None = None,
        script: str | None = None,
    ) -> None:
        """Begin without nodes.

        Args:
            name: Tells it from other systems on this machine and on its broker.
            broker: Address of the Redis that DURABLE links go through; None: they need none, on one host.
            hosts: Addresses of machines by the names that nodes use in `host`.
            script: The file that defines it; None: the caller's.
        """
        if not re.fullmatch(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?", name):
            raise SpecError(f"system {name!r}: a name has small letters, digits and dashes, at most 63")
        self.name = name
        file = script or sys._getframe(1).f_globals.get("__file__")
        self.script = None if file is None else str(Path(str(file)).resolve())
        self.objects: dict[str, Any] = {}
        """Classes and functions that nodes were given as, by name."""
        self._broker = as_broker(broker)
        self._hosts = dict(hosts or {})
        self._nodes: list[NodeSpec] = []
        self._links: list[LinkSpec] = []
        if _collected is not None:
            _collected.append(self)

    @property
    def folder(self) -> Path:
        """Where paths of nodes are counted from: the folder of its file."""
        return Path.cwd() if self.script is None else Path(self.script).parent

    def node(
        self,
        target: Any,
        *,
        name: str | None = None,
        fps: float | None = None,
        replicas: int = 1,
        host: str | None = None,
        restart: Literal["never", "on-failure", "always"] | RestartPolicy = "on-failure",
        start_deadline: float = 60.0,
        hang_after: float = 60.0,
        env: Mapping[str, str] | None = None,
        device: str | None = None,
        arch: str | None = None,
        resources: Mapping[str, str] | None = None,
        **params: Any,
    ) -> NodeHandle:
        """Add a node; nothing of it is imported.

        Args:
            target: A folder or file (`nodes/camera`) with one node class or function, an importable
                module (`argus.flow.nodes.camera`, `package.module:Class`), a class, or a function.
            name: What it is called; None: after its folder, module, class or function.
            fps: Calls of a producer's `loop` per second at most.
            replicas: Processes that share its work.
            host: The machine that it runs on, one of the system's `hosts`.
            restart: What follows its end.
            start_deadline: Seconds that `setup` may take.
            hang_after: Seconds that one `loop` may take before it is taken for stuck and started again.
            env: Variables for its processes.
            device: `gpu` asks a cluster for one.
            arch: `amd64` or `arm64`: where it can run.
            resources: What it asks a cluster for.
            **params: First values of its params.
        """
        found, default = self._target(target)
        spec = NodeSpec(
            name=name or default,
            target=found,
            params=params,
            fps=fps,
            replicas=replicas,
            host=host,
            restart=restart if isinstance(restart, RestartPolicy) else RestartPolicy(when=restart),
            start_deadline_s=start_deadline,
            hang_after_s=hang_after,
            env=dict(env or {}),
            device=device,
            arch=arch,
            resources=dict(resources or {}),
        )
        self._nodes.append(spec)
        if not isinstance(target, str | os.PathLike):
            self.objects[spec.name] = target
        return NodeHandle(self, spec.name)

    def link(self, source: NodeHandle) -> LinkChain:
        """Begin a link at a node, or at one of its outputs: `sys.link(camera).to(detector)`."""
        return LinkChain(self, source)

    def add_link(self, source: NodeHandle, target: NodeHandle, qos: Promise, input_: str | None) -> None:
        """Add a link; what is wrong with it, `graph` and `run` say with everything else."""
        self._links.append(
            LinkSpec(
                source=source.name,
                target=target.name,
                output=source.output,
                input=input_ or source.name,
                qos=qos,
            )
        )

    def graph(self) -> Graph:
        """Return the system as a value, unchecked."""
        return Graph(
            name=self.name,
            nodes=tuple(self._nodes),
            links=tuple(self._links),
            broker=_broker_of(os.environ.get(BROKER), os.environ.get(BROKER_DATA)) or self._broker,
            hosts=self._hosts,
            script=self.script,
            folder=str(self.folder),
        )

    def run(self, *, debug: bool = False, quiet: bool = False) -> None:
        """Run it until every stream has ended or Ctrl-C; then end the program where that was a failure.

        In a node's process, and while `argus flow` reads the file, it does nothing.

        Args:
            debug: Everything in this process and thread: breakpoints work.
            quiet: What nodes print is in their logs only.

        Raises:
            SpecError: the system cannot be; every fault is listed.
            SystemExit: a node failed for good; the code is 1.
        """
        if code := run(self, debug=debug, quiet=quiet):
            raise SystemExit(code)

    def _target(self, target: Any) -> tuple[Target, str]:
        if isinstance(target, os.PathLike) or (isinstance(target, str) and _is_path(target, self.folder)):
            path = self.folder / target
            return Target(kind="path", where=str(path)), _dns(path.stem)
        if isinstance(target, str):
            module, _, attribute = target.partition(":")
            named = attribute or module.rpartition(".")[2]
            return Target(kind="module", where=module, attribute=attribute or None), _dns(named)
        place, source = getattr(target, "__qualname__", None), getattr(target, "__module__", None)
        if place is None or source is None:
            raise SpecError(f"system {self.name}: {target!r} is no node: give a path, a class or a function")
        if source in {"__main__", SCRIPT_NAME} and self.script is not None:
            return Target(kind="script", where=self.script, attribute=place), _dns(target.__name__)
        return Target(kind="module", where=source, attribute=place), _dns(target.__name__)


def run(
    *systems: System,
    debug: bool = False,
    only: Sequence[str] = (),
    host: str | None = None,
    quiet: bool = False,
) -> int:
    """Run systems side by side until all have ended; return 0, or 1 where a node failed for good.

    Args:
        *systems: At least one.
        debug: Everything in this process and thread, one system after another.
        only: Only these nodes of them, where others run elsewhere.
        host: Only the nodes of this machine.
        quiet: What nodes print is in their logs only.

    Raises:
        SpecError: a system cannot be; every fault is listed.
    """
    if _collected is not None or os.environ.get(CHILD):
        return 0
    from argus.flow.checks import check

    graphs = [system.graph() for system in systems]
    for system, graph in zip(systems, graphs, strict=True):
        check(graph, system.objects if debug else ())
    if debug:
        from argus.flow.debug import DebugSystem

        for system, graph in zip(systems, graphs, strict=True):
            DebugSystem(graph, system.objects).run()
        return 0
    from argus.flow.echo import Echo
    from argus.flow.running import run_systems

    with nullcontext() if quiet else Echo(graphs):
        return run_systems(graphs, only=only, host=host)


def load_systems(path: str | Path) -> list[System]:
    """Return the systems that a file defines; its calls of `run` do nothing.

    Raises:
        SpecError: there is no such file, it cannot be run, or it defines none.
    """
    global _collected  # noqa: PLW0603 - what the file calls is told by it that nothing is to be run
    file = Path(path).resolve()
    if not file.is_file():
        raise SpecError(f"{path}: there is no such file: give the one that defines the system")
    if str(file.parent) not in sys.path:
        sys.path.insert(0, str(file.parent))
    found: list[System] = []
    # What stands below `if __name__ == "__main__"` is for a run, unless the system itself is made there.
    for name in (SCRIPT_NAME, "__main__"):
        _collected = found
        try:
            runpy.run_path(str(file), run_name=name)
        except SystemExit:
            pass
        except SpecError:
            raise
        except Exception as error:
            from argus.flow.loading import where_of

            raise SpecError(f"{path}: {where_of(error)}") from error
        finally:
            _collected = None
        if found:
            break
    if not found:
        raise SpecError(f"{path}: defines no system: write `sys = System('name')` and give it nodes")
    return found


def load_system(path: str | Path, name: str | None = None) -> System:
    """Return one of the systems that a file defines.

    Args:
        path: The file.
        name: Its name, or what that alone begins with; None: the only one there is.

    Raises:
        SpecError: the file defines none of that name, or several.
    """
    by_name = {system.name: system for system in load_systems(path)}
    try:
        found = meant(name, by_name)
    except SystemUnclear as error:
        raise SpecError(f"{path}: {error}") from None
    if found is None:
        raise UnknownName("system", str(name), by_name)
    return by_name[found]


def load_graph(path: str | Path, name: str | None = None) -> Graph:
    """Return what `load_system` does, as a value."""
    return load_system(path, name).graph()


def _broker_of(control: str | None, data: str | None) -> Broker | None:
    return as_broker(DualRedis(control=control, data=data)) if control else None


def _is_path(target: str, folder: Path) -> bool:
    return "/" in target or target.endswith(".py") or (folder / target).exists()


def _dns(name: str) -> str:
    """Return a name in small letters with dashes: `PersonFinder` is `person-finder`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "-", name).lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-") or "node"
