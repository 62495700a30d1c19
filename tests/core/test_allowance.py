"""What a process may use: of the machine, and in a container or service that is held to less."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.core.allowance import core_share, memory_bytes, own_cpus, usable_cores
from argus.core.cgroup import cpu_quota, memory_limit

MACHINE = "MemTotal: 16000000 kB\nMemFree: 1 kB\nMemAvailable: 12000000 kB\n"
V1 = Path("/sys/fs/cgroup/cpu")


class Kernel:
    """A `/proc` that says where groups are, and the groups."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.groups = folder / "cgroup"
        (self.proc / "self").mkdir(parents=True)
        (self.proc / "meminfo").write_text(MACHINE)

    def is_in(self, *lines: str) -> None:
        """Say which groups the process is in."""
        (self.proc / "self" / "cgroup").write_text("".join(f"{line}\n" for line in lines))

    def shows(self, *mounts: tuple[str, str, str]) -> None:
        """Say which part of which tree is shown in which folder."""
        lines = (
            f"{31 + n} 23 0:{n} {part} {self.groups / name} rw shared:9 - {system} cgroup rw,{controllers}"
            for n, (part, name, kind) in enumerate(mounts)
            for system, _, controllers in [kind.partition(" ")]
        )
        root = "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n"
        (self.proc / "self" / "mountinfo").write_text(root + "".join(f"{line}\n" for line in lines))

    def says(self, name: str, text: str) -> None:
        """Let a file of a group say something."""
        path = self.groups / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text + "\n")


@pytest.fixture
def kernel(tmp_path: Path) -> Kernel:
    return Kernel(tmp_path)


@pytest.fixture
def container(kernel: Kernel) -> Kernel:
    """The second version, as a container sees it: its own group is the root that it is shown."""
    kernel.is_in("0::/")
    kernel.shows(("/", "", "cgroup2"))
    return kernel


@pytest.fixture(autouse=True)
def eight_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def test_without_groups_all_is_ours(kernel: Kernel) -> None:
    assert (core_share(kernel.proc), usable_cores(kernel.proc)) == (8, 8)
    assert memory_bytes(kernel.proc) == (16_384_000_000, 12_288_000_000)


def test_a_machine_that_says_nothing_of_its_memory_has_none_to_speak_of(tmp_path: Path) -> None:
    assert memory_bytes(tmp_path) is None
    assert core_share(tmp_path) == 8


def test_a_container_has_what_it_is_given(container: Kernel) -> None:
    container.says("cpu.max", "150000 100000")
    container.says("cpu.stat", "usage_usec 2500000\nuser_usec 2000000\nnr_throttled 3")
    container.says("memory.max", "1000000000")
    container.says("memory.current", "400000000")
    assert (core_share(container.proc), usable_cores(container.proc)) == (1.5, 2)
    quota = cpu_quota(container.proc / "self")
    assert quota is not None
    assert (quota.cores, quota.used_s) == (1.5, 2.5)
    assert memory_bytes(container.proc) == (1_000_000_000, 600_000_000)


@pytest.mark.parametrize("quota", ["max 100000", "", "nonsense", "100000 0", "-1 100000", "6400000 100000"])
@pytest.mark.parametrize("memory", ["max", "", "99000000000"])
def test_no_limit_and_more_than_the_machine_has_limit_nothing(
    container: Kernel, quota: str, memory: str
) -> None:
    container.says("cpu.max", quota)
    container.says("memory.max", memory)
    container.says("memory.current", "400000000")
    assert core_share(container.proc) == 8
    assert memory_bytes(container.proc) == (16_384_000_000, 12_288_000_000)


def test_pages_of_files_that_were_read_once_are_free(container: Kernel) -> None:
    container.says("memory.max", "1000000000")
    container.says("memory.current", "950000000")
    container.says("memory.stat", "anon 300000000\nactive_file 50000000\ninactive_file 600000000")
    assert memory_bytes(container.proc) == (1_000_000_000, 650_000_000)


def test_a_group_that_took_more_than_it_may_has_nothing_left(container: Kernel) -> None:
    container.says("memory.max", "400000000")
    container.says("memory.current", "500000000")
    assert memory_bytes(container.proc) == (400_000_000, 0)


def test_of_groups_in_groups_the_tightest_counts(kernel: Kernel) -> None:
    kernel.is_in("0::/system.slice/argus.service")
    kernel.shows(("/", "", "cgroup2"))
    kernel.says("system.slice/argus.service/cpu.max", "400000 100000")
    kernel.says("system.slice/cpu.max", "200000 100000")
    kernel.says("system.slice/cpu.stat", "usage_usec 7000000")
    kernel.says("system.slice/argus.service/memory.max", "900000000")
    kernel.says("system.slice/argus.service/memory.current", "100000000")
    kernel.says("system.slice/memory.max", "1000000000")
    kernel.says("system.slice/memory.current", "700000000")
    quota = cpu_quota(kernel.proc / "self")
    assert quota is not None
    assert (quota.cores, quota.used_s) == (2, 7)
    limit = memory_limit(kernel.proc / "self")
    assert limit is not None
    assert (limit.total_bytes, limit.free_bytes) == (1_000_000_000, 300_000_000)


@pytest.mark.parametrize("shown", ["/docker/abc", "/"])
def test_groups_of_the_first_version_are_read_too(kernel: Kernel, shown: str) -> None:
    """A container is shown its own part only, or all of the tree."""
    kernel.is_in("5:memory:/docker/abc", "4:cpu,cpuacct:/docker/abc", "1:name=systemd:/docker/abc", "0::/")
    kernel.shows(
        (shown, "cpu,cpuacct", "cgroup cpu,cpuacct"),
        (shown, "memory", "cgroup memory"),
        ("/", "unified", "cgroup2"),
    )
    own = "" if shown != "/" else "docker/abc/"
    kernel.says(f"cpu,cpuacct/{own}cpu.cfs_quota_us", "50000")
    kernel.says(f"cpu,cpuacct/{own}cpu.cfs_period_us", "100000")
    kernel.says(f"cpu,cpuacct/{own}cpu.stat", "nr_periods 0\nnr_throttled 0")
    kernel.says(f"cpu,cpuacct/{own}cpuacct.usage", "3000000000")
    kernel.says(f"memory/{own}memory.limit_in_bytes", "2000000000")
    kernel.says(f"memory/{own}memory.usage_in_bytes", "1500000000")
    kernel.says(f"memory/{own}memory.stat", "cache 9\ninactive_file 1\ntotal_inactive_file 500000000")
    assert (core_share(kernel.proc), usable_cores(kernel.proc)) == (0.5, 1)
    quota = cpu_quota(kernel.proc / "self")
    assert quota is not None
    assert quota.used_s == 3
    assert memory_bytes(kernel.proc) == (2_000_000_000, 1_000_000_000)


def test_who_is_in_another_group_where_time_is_counted_is_told_nothing_of_it(kernel: Kernel) -> None:
    kernel.is_in("2:cpuacct:/", "1:cpu:/argus")
    kernel.shows(("/", "cpu", "cgroup cpu"), ("/", "cpuacct", "cgroup cpuacct"))
    kernel.says("cpu/argus/cpu.cfs_quota_us", "100000")
    kernel.says("cpu/argus/cpu.cfs_period_us", "100000")
    quota = cpu_quota(kernel.proc / "self")
    assert quota is not None
    assert (quota.cores, quota.used_s) == (1, None)


def test_a_group_that_is_not_shown_is_taken_for_the_root_of_what_is(kernel: Kernel) -> None:
    kernel.is_in("0::/../../elsewhere")
    kernel.shows(("/kubepods/pod1", "", "cgroup2"))
    kernel.says("cpu.max", "300000 100000")
    assert core_share(kernel.proc) == 3


def test_what_cannot_be_understood_limits_nothing(kernel: Kernel) -> None:
    kernel.is_in("", "0", "nonsense", "0::/")
    kernel.shows(("/", "", "cgroup2"))
    kernel.says("cpu.max", "300000 100000")
    mountinfo = kernel.proc / "self" / "mountinfo"
    # Without a dash, without what is mounted, without a place; a name of what is mounted may be left out.
    strange = "31 23 0:1 / /a rw\n - cgroup2\n31 - cgroup2 cgroup rw\n31 23 0:1 / /b rw - overlay  rw\n\n"
    mountinfo.write_text(strange)
    assert core_share(kernel.proc) == 8
    mountinfo.write_text(f"{strange}31 23 0:1 / {kernel.groups} rw - cgroup2  rw\n")
    assert core_share(kernel.proc) == 3


@pytest.fixture
def half_a_core() -> Iterator[Path]:
    """A real group of the first version whose members have half a core together."""
    group = V1 / f"argus-test-{os.getpid()}"
    try:
        group.mkdir()
        (group / "cpu.cfs_period_us").write_text("100000")
        (group / "cpu.cfs_quota_us").write_text("50000")
    except OSError as error:
        with contextlib.suppress(OSError):
            group.rmdir()
        pytest.skip(f"no groups of the first version can be made here: {error}")
    yield group
    deadline = time.monotonic() + 10
    while group.exists() and time.monotonic() < deadline:
        with contextlib.suppress(OSError):  # the kernel still takes its members away
            group.rmdir()


def test_a_real_group_is_read_by_who_is_in_it(half_a_core: Path) -> None:
    script = f"""
import pathlib, os
from argus.core.allowance import core_share, usable_cores
before = core_share()
pathlib.Path({str(half_a_core / "cgroup.procs")!r}).write_text(str(os.getpid()))
print(before, core_share(), usable_cores())
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    before, share, cores = done.stdout.split()
    assert float(before) >= 1
    assert (float(share), int(cores)) == (0.5, 1)


def test_the_numbers_of_our_processors_are_those_that_we_may_run_on(monkeypatch: pytest.MonkeyPatch) -> None:
    assert own_cpus() == frozenset(range(8))
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    assert own_cpus() == frozenset(range(os.cpu_count() or 1))
