"""What a process takes of the machine, as /proc tells it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

_TICK_S = 1.0 / os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Of one process, its threads included, its children not."""

    cpu_s: float
    """Processor seconds since it began, in user and kernel."""
    memory_bytes: int
    """Its share of resident memory: pages that several processes share are divided among them (PSS)
    where the kernel tells; else all that is resident (RSS)."""


def usage_of(pid: int) -> Usage | None:
    """Return what a process takes; None where it is gone."""
    folder = Path(f"/proc/{pid}")
    try:
        fields = stat_fields(pid)
        memory = _shared_out(folder)
        if memory is None:
            memory = int((folder / "statm").read_text().split()[1]) * _PAGE
    except (FileNotFoundError, ProcessLookupError):
        return None
    return Usage((int(fields[11]) + int(fields[12])) * _TICK_S, memory)


def stat_fields(pid: int) -> list[str]:
    """Return what /proc/PID/stat says after the name: state letter, parent, group, session and so on.

    Raises:
        FileNotFoundError, ProcessLookupError: it is gone.
    """
    # The name is in brackets and may hold anything, brackets and blanks included.
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _shared_out(folder: Path) -> int | None:
    try:
        text = (folder / "smaps_rollup").read_text()
    except PermissionError:
        return None
    except (FileNotFoundError, ProcessLookupError):
        # Zombies, and kernels without it; whether the process is gone is seen by the next file.
        return None
    for line in text.splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024
    return None
