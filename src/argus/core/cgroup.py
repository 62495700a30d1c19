"""What the kernel's control groups leave to this process: the limits of its container or its service.

Every group on the way from this process to the root may set a limit, and the tightest counts. Groups of both
versions are read, and nothing is written. What the whole machine has is for `allowance` to add.

Source: cgroups(7), proc_pid_mountinfo(5); the kernel's guides to control groups v2, to the memory controller
of v1 and to bandwidth control.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Final, NamedTuple

_SELF: Final = Path("/proc/self")
_SHOWN, _POINT = 3, 4
"""Fields of a line of `mountinfo`: which part of a tree is shown, and where."""


@dataclass(frozen=True, slots=True)
class CpuQuota:
    """The tightest limit of processor time."""

    cores: float
    """Processor seconds per second."""
    used_s: float | None
    """Processor seconds so far of all that share it; None where the groups do not say."""


@dataclass(frozen=True, slots=True)
class MemoryLimit:
    """The limit of memory that leaves the least."""

    total_bytes: int
    free_bytes: int
    """What may still be taken. Pages of files that nobody has used lately count as free: they are given back
    before anybody is killed."""


class _Group(NamedTuple):
    hierarchy: Path
    below: PurePosixPath

    def text(self, name: str) -> str:
        """Return what one of its files says; nothing where there is no such file."""
        try:
            return (self.hierarchy / self.below / name).read_text(encoding="utf-8", errors="replace").strip()
        except OSError:
            return ""

    def number(self, name: str) -> int | None:
        """Return the number in one of its files; None where it says something else, as `max`."""
        text = self.text(name)
        return int(text) if text.isdecimal() else None

    def field(self, name: str, key: str) -> int | None:
        """Return a number of a file that has one in each line, after its name."""
        pairs = (line.split() for line in self.text(name).splitlines())
        found = (pair[1] for pair in pairs if len(pair) == 2 and pair[0] == key)
        return next((int(value) for value in found if value.isdecimal()), None)


def cpu_quota(process: Path = _SELF) -> CpuQuota | None:
    """Return how much processor time this process and its neighbours in a group may have; None: any."""
    limited = [(cores, group) for group in _groups("cpu", process) if (cores := _cores(group)) is not None]
    if not limited:
        return None
    cores, group = min(limited, key=lambda pair: pair[0])
    used_us = group.field("cpu.stat", "usage_usec")
    if used_us is not None:
        return CpuQuota(cores, used_us / 1e6)
    # The first version counts in another hierarchy, where this process may be in another group.
    same = (other for other in _groups("cpuacct", process) if other.below == group.below)
    used_ns = next((other.number("cpuacct.usage") for other in same), None)
    return CpuQuota(cores, None if used_ns is None else used_ns / 1e9)


def memory_limit(process: Path = _SELF) -> MemoryLimit | None:
    """Return how much memory this process and its neighbours in a group may have; None: any."""
    limits = (_memory_limit(group) for group in _groups("memory", process))
    return min((limit for limit in limits if limit), key=lambda limit: limit.free_bytes, default=None)


def _cores(group: _Group) -> float | None:
    quota, _, period = group.text("cpu.max").partition(" ")
    quota, period = quota or group.text("cpu.cfs_quota_us"), period or group.text("cpu.cfs_period_us")
    if not (quota.isdecimal() and period.isdecimal() and int(period)):
        return None  # `max`, `-1` or nothing: no limit
    return int(quota) / int(period)


def _memory_limit(group: _Group) -> MemoryLimit | None:
    total, used = group.number("memory.max"), group.number("memory.current")
    idle = group.field("memory.stat", "inactive_file")
    if used is None:
        total, used = group.number("memory.limit_in_bytes"), group.number("memory.usage_in_bytes")
        idle = group.field("memory.stat", "total_inactive_file")
    if total is None or used is None:
        return None
    return MemoryLimit(total, max(0, total - max(0, used - (idle or 0))))


def _groups(controller: str, process: Path) -> Iterator[_Group]:
    """Yield the groups that this process is in, from its own to the outermost that is shown."""
    for version, path in _memberships(controller, process):
        for shown, hierarchy in _hierarchies(controller if version == 1 else None, process):
            try:
                below = PurePosixPath(path).relative_to(shown)
            except ValueError:  # another part of the tree is shown here than the one that it is in
                below = PurePosixPath()
            yield from (_Group(hierarchy, group) for group in (below, *below.parents))


def _memberships(controller: str, process: Path) -> Iterator[tuple[int, str]]:
    """Yield the version of the groups, and the path of this process's own."""
    for line in _lines(process / "cgroup"):
        number, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if controller in controllers.split(","):
            yield 1, path
        elif number == "0" and not controllers:
            yield 2, path


def _hierarchies(controller: str | None, process: Path) -> Iterator[tuple[str, Path]]:
    """Yield which part of a tree is shown, and where; of the second version where no controller is named."""
    for line in _lines(process / "mountinfo"):
        place, _, kind = line.partition(" - ")
        fields, (system, _, options) = place.split(), kind.partition(" ")
        wanted = "cgroup2" if controller is None else "cgroup"
        # What is mounted may have no name: the options are what comes last.
        ours = controller is None or controller in options.rpartition(" ")[2].split(",")
        if system == wanted and ours and len(fields) > _POINT:
            yield fields[_SHOWN], Path(fields[_POINT])


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:  # not on Linux
        return []
