"""How much of this machine this process may use: cores and memory, less what its container withholds.

What control groups say is read in `cgroup`; this adds what the machine has, and which cores the process is
bound to.
"""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Final

from argus.core.cgroup import cpu_quota, memory_limit

_PROC: Final = Path("/proc")


def own_cpus() -> frozenset[int]:
    """Return the numbers of the processors that this process may run on."""
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return frozenset(os.sched_getaffinity(0))
    return frozenset(range(os.cpu_count() or 1))


def core_share(proc: Path = _PROC) -> float:
    """Return the processor seconds per second that this process may have; 1.5 in a container of so many."""
    quota = cpu_quota(proc / "self")
    return min(float(len(own_cpus())), quota.cores if quota else math.inf)


def usable_cores(proc: Path = _PROC) -> int:
    """Return how many threads are worth having: the share of cores, rounded up."""
    return max(1, math.ceil(core_share(proc)))


def memory_bytes(proc: Path = _PROC) -> tuple[int, int] | None:
    """Return total and available memory; what a container is limited to counts as all there is.

    None where the kernel does not say.
    """
    try:
        pairs = (line.split()[:2] for line in (proc / "meminfo").read_text().splitlines())
        kib = {key.rstrip(":"): int(value) for key, value in pairs}
        total, free = kib["MemTotal"] * 1024, kib["MemAvailable"] * 1024
    except (OSError, KeyError, ValueError):
        return None
    limit = memory_limit(proc / "self")
    return (min(total, limit.total_bytes), min(free, limit.free_bytes)) if limit else (total, free)
