"""Killing processes of a system while it goes on with its work."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Sequence

from argus.flow.local import LocalSystem
from tests.sources.settling import comes_true


def kill_at_work(
    running: LocalSystem,
    victims: Sequence[tuple[str, int]],
    done: Callable[[], int],
    times: int,
    each: int = 5,
) -> None:
    """Kill one of some replicas, so many times, whenever more than `each` further things were done."""
    chance, killed = random.Random(3), 0
    while killed < times:
        least = done() + each
        assert comes_true(lambda: done() > least, within_s=20)  # noqa: B023 - asked at once
        name, at = chance.choice(victims)
        pid = next(node for node in running.status().nodes if node.name == name).replicas[at].pid
        if pid is not None:
            os.kill(pid, signal.SIGKILL)
            killed += 1
