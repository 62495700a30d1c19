"""Whose processor time counts as taken from what a process may use."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from argus.vision.bench.machine_load import rss_bytes, shared_busy_s

TICK_S = 1 / os.sysconf("SC_CLK_TCK")
STAT = """cpu  900 0 0 5000 0 0 0 0 0 0
cpu0 100 20 30 4000 500 6 7 8 90 90
cpu1 200 0 0 3000 0 0 0 0 0 0
cpu2 600 0 0 2000 0 0 0 0 0 0
intr 1 2 3
"""


@pytest.fixture
def proc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine of three processors of which this process may use two."""
    (tmp_path / "self").mkdir()
    (tmp_path / "stat").write_text(STAT)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1}, raising=False)
    return tmp_path


def hold(proc: Path, quota: str, *, counted: bool) -> None:
    (proc / "self" / "cgroup").write_text("0::/\n")
    (proc / "self" / "mountinfo").write_text(f"31 23 0:1 / {proc} rw - cgroup2 cgroup rw\n")
    (proc / "cpu.max").write_text(quota)
    if counted:
        (proc / "cpu.stat").write_text("usage_usec 9000000\n")


def test_without_a_quota_it_is_all_that_runs_where_we_may_run(proc: Path) -> None:
    assert shared_busy_s(proc) == pytest.approx((100 + 20 + 30 + 6 + 7 + 8 + 200) * TICK_S)


def test_under_a_quota_it_is_what_the_members_of_the_group_took(proc: Path) -> None:
    hold(proc, "100000 100000", counted=True)
    assert shared_busy_s(proc) == 9


def test_a_quota_of_more_than_there_is_changes_nothing(proc: Path) -> None:
    hold(proc, "300000 100000", counted=True)
    assert shared_busy_s(proc) == pytest.approx(371 * TICK_S)


def test_where_the_group_is_not_counted_only_we_ourselves_are_known(proc: Path) -> None:
    hold(proc, "100000 100000", counted=False)
    assert shared_busy_s(proc) == pytest.approx(time.process_time(), abs=0.5)


def test_a_kernel_that_says_nothing_is_asked_in_vain(tmp_path: Path) -> None:
    assert shared_busy_s(tmp_path) == 0
    assert rss_bytes() > 1_000_000
