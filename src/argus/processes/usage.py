"""What a process takes of the machine, as /proc tells it."""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
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


def usage_of_sessions(leaders: Collection[int]) -> dict[int, Usage]:
    """Return what sessions take, all their living processes together; those that are gone are left out.

    Args:
        leaders: Their numbers, which are the process ids of those that began them.
    """
    found: dict[int, Usage] = {}
    for leader, pid, _ in _members(leaders):
        usage = usage_of(pid)
        if usage is not None:
            so_far = found.get(leader, Usage(0.0, 0))
            found[leader] = Usage(so_far.cpu_s + usage.cpu_s, so_far.memory_bytes + usage.memory_bytes)
    return found


def resident_of_sessions(leaders: Collection[int]) -> dict[int, int]:
    """Return how many bytes of sessions are resident: never less than they take, and quickly found."""
    found: dict[int, int] = {}
    for leader, _, fields in _members(leaders):
        found[leader] = found.get(leader, 0) + int(fields[21]) * _PAGE
    return found


def stat_fields(pid: int) -> list[str]:
    """Return what /proc/PID/stat says after the name: state letter, parent, group, session and so on.

    Raises:
        FileNotFoundError, ProcessLookupError: it is gone.
    """
    # The name is in brackets and may hold anything, brackets and blanks included.
    return Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()


def _members(leaders: Collection[int]) -> Iterator[tuple[int, int, list[str]]]:
    """Yield the living processes of sessions: the session, the process, its `stat_fields`."""
    wanted = {str(leader): leader for leader in leaders}
    # A Path for each would cost more than all the rest.
    for name in os.listdir("/proc") if wanted else ():  # noqa: PTH208
        if not name.isdigit():
            continue
        try:
            fields = stat_fields(int(name))
        except (FileNotFoundError, ProcessLookupError):
            continue
        leader = wanted.get(fields[3])
        if leader is not None and fields[0] not in "ZX":
            yield leader, int(name), fields


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
