"""What this process, and all who share its processors, use of memory and time, as the kernel counts it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from argus.core.allowance import own_cpus
from argus.core.cgroup import cpu_quota


def rss_bytes() -> int:
    """Return the memory of this process, in bytes; the most so far where no more is known."""
    statm = Path("/proc/self/statm")
    if statm.is_file():
        return int(statm.read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def shared_busy_s(proc: Path = Path("/proc")) -> float:
    """Return the processor seconds so far of all who share what this process may use; 0 where nobody says.

    Under a quota these are the members of its group: what others do on the machine's other processors takes
    nothing away. Without one they are all who run on the processors to which this process is bound.

    Source: proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal, in ticks.
    """
    quota = cpu_quota(proc / "self")
    if quota is not None and quota.cores < len(own_cpus()):
        return time.process_time() if quota.used_s is None else quota.used_s
    try:
        lines = [line.split() for line in (proc / "stat").read_text().splitlines()]
    except OSError:
        return 0.0
    own = {f"cpu{number}" for number in own_cpus()}
    ticks = [[int(field) for field in fields[1:9]] for fields in lines if fields and fields[0] in own]
    return sum(sum(each) - each[3] - each[4] for each in ticks) / os.sysconf("SC_CLK_TCK")
