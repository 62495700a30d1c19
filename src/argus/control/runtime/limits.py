"""What workloads are held to: memory by looking, processors by telling the kernel where they may run.

Looking, because the kernel's own limits do not fit: RLIMIT_AS and RLIMIT_DATA count what is reserved, and
inference engines and threads reserve far more than they use; a control group that may be written to is rarely
given to a plain user. What grows past its limit between two looks is as large as that for half a second.
"""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

from argus.processes.usage import resident_of_sessions, usage_of_sessions

LOOK_S: Final = 0.5


class Seats:
    """Which processors each workload may run on: whole ones, those that the fewest others have."""

    def __init__(self, cpus: Iterable[int]) -> None:
        """Begin with all free."""
        self._cpus = tuple(sorted(cpus))
        self._taken: dict[str, frozenset[int]] = {}

    def take(self, name: str, cpus: float) -> frozenset[int]:
        """Return the processors of a workload, as many as it may have at once, rounded up."""
        self.leave(name)
        users = {cpu: sum(cpu in seat for seat in self._taken.values()) for cpu in self._cpus}
        best = sorted(self._cpus, key=lambda cpu: (users[cpu], cpu))[: math.ceil(cpus)]
        self._taken[name] = frozenset(best)
        return self._taken[name]

    def leave(self, name: str) -> None:
        """Let others have them; nothing happens where it has none."""
        self._taken.pop(name, None)


def confine(pid: int, cpus: frozenset[int]) -> None:
    """Let a process run on some processors only, with all threads that it has and will have."""
    with contextlib.suppress(OSError):  # it is gone, which others see
        for thread in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                os.sched_setaffinity(int(thread.name), cpus)


def too_large(limits: Mapping[int, int]) -> dict[int, str]:
    """Return which sessions take more memory than they may, and why that is so in words.

    Args:
        limits: Bytes, by the number of the session.
    """
    resident = resident_of_sessions(limits)
    doubtful = [leader for leader, taken in resident.items() if taken > limits[leader]]
    # Pages that are shared with others count in part only, which takes longer to find out.
    return {
        leader: f"took {megabytes(usage.memory_bytes)} of memory, and may take {megabytes(limits[leader])}"
        for leader, usage in usage_of_sessions(doubtful).items()
        if usage.memory_bytes > limits[leader]
    }


def megabytes(count: int) -> str:
    """Return bytes as people say them."""
    return f"{count / 1e6:.0f} MB"
