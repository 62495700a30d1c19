"""Systems side by side until all have ended, or until somebody has had enough; the exit code of it.

One system and its processes are `local`.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Sequence
from types import FrameType
from typing import Final

from argus.core.errors import SpecError
from argus.flow.graph import Graph
from argus.flow.local import LocalSystem
from argus.flow.placement import POD

_LOOK_S: Final = 0.1


def run_systems(
    graphs: Sequence[Graph],
    *,
    only: Sequence[str] = (),
    host: str | None = None,
    for_s: float | None = None,
) -> int:
    """Run systems until all have ended, or until SIGINT or SIGTERM, which drain; return the exit code.

    Args:
        graphs: Checked.
        only: Only these nodes of them.
        host: Only the nodes of this machine.
        for_s: Seconds after which they are ended, counted from when all of their producers are at work.

    Raises:
        SpecError: a system cannot be run here.
    """
    pod = os.environ.get(POD)
    names = [graph.name for graph in graphs]
    if len(set(names)) < len(names):
        raise SpecError(f"two systems are called {', '.join(sorted(names))}: give each its own name")
    stop = threading.Event()
    before = {}
    if threading.current_thread() is threading.main_thread():

        def on_signal(number: int, _: FrameType | None) -> None:
            if stop.is_set():
                # The second time somebody is in a hurry.
                os._exit(128 + number)
            stop.set()

        before = {s: signal.signal(s, on_signal) for s in (signal.SIGINT, signal.SIGTERM)}
    systems: list[LocalSystem] = []
    try:
        for graph in graphs:
            systems.append(LocalSystem(graph, only=only, host=host, pod=pod))  # noqa: PERF401 - those begun are closed
        end_s = float("inf")
        while not stop.is_set() and not all(system.over.is_set() for system in systems):
            stop.wait(_LOOK_S)
            if for_s is not None and end_s == float("inf") and all(s.began.is_set() for s in systems):
                end_s = time.monotonic() + for_s
            if time.monotonic() > end_s:
                break
        failed = any(system.failed for system in systems)
    finally:
        for system in systems:
            system.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 1 if failed else 0
