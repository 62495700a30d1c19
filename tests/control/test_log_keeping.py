"""Logs of workloads that are gone are removed by age and size, and no others."""

from __future__ import annotations

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from argus.control.keeping import read_retention, usual_keeping
from argus.control.log_keeping import late_logs, prune_logs
from argus.control.runtime.protocol import Workload
from argus.core.errors import SpecError
from argus.storage.blobs import BlobInfo
from argus.storage.retention import DAY_S, BlobsKeep
from argus.testing.runtime import FakeRuntime

NOW = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WEEK = BlobsKeep(7 * DAY_S, None)


def log(name: str, days: float, size: int = 100) -> BlobInfo:
    return BlobInfo(name, size, NOW - timedelta(days=days))


def test_what_is_too_old_goes() -> None:
    files = [log("job-a-1.log", 8), log("job-a-1.log.1", 9), log("job-b-1.log", 6)]
    assert set(late_logs(files, (), WEEK, NOW)) == {"job-a-1.log", "job-a-1.log.1"}


def test_the_oldest_go_where_there_is_too_much() -> None:
    files = [log("job-a-1.log", 3), log("job-b-1.log", 2), log("job-c-1.log", 1)]
    assert late_logs(files, (), BlobsKeep(None, 250), NOW) == ("job-a-1.log",)


def test_what_a_living_workload_writes_is_neither_removed_nor_counted() -> None:
    files = [log("worker-a-0.log", 90, 10**9), log("worker-a-0.log.1", 99), log("job-b-1.log", 2)]
    assert late_logs(files, {"worker-a-0"}, BlobsKeep(7 * DAY_S, 1000), NOW) == ()


def test_a_workload_is_not_taken_for_another_whose_name_begins_like_its_own() -> None:
    assert late_logs([log("worker-a-1.log", 90)], {"worker-a"}, WEEK, NOW) == ("worker-a-1.log",)


def test_the_control_planes_own_log_and_what_is_no_log_stay() -> None:
    files = [log("control.log", 90), log("control.log.1", 90), log("notes.txt", 90), log("A.log", 90)]
    assert late_logs(files, (), WEEK, NOW) == ()


def test_what_was_written_just_now_stays_however_much_there_is() -> None:
    assert late_logs([log("job-a-1.log", 0.01)], (), BlobsKeep(None, 1), NOW) == ()


def test_a_log_of_a_time_that_no_calendar_has_keeps_no_other_from_going(tmp_path: Path) -> None:
    for name, seconds in (("job-a-1.log", 1e12), ("job-b-1.log", 1e9)):
        (tmp_path / name).write_text("x", encoding="utf-8")
        os.utime(tmp_path / name, (seconds, seconds))
    asyncio.run(prune_logs(tmp_path, FakeRuntime(), WEEK))
    assert [path.name for path in tmp_path.iterdir()] == ["job-a-1.log"]


def test_nothing_goes_while_nobody_knows_who_lives(tmp_path: Path) -> None:
    async def story() -> list[list[str]]:
        runtime, left = FakeRuntime(), []
        await runtime.ensure(Workload(name="worker-a-0", command=("true",)))
        for problem in ("the keeper is gone", ""):
            runtime.unavailable = problem
            await prune_logs(tmp_path, runtime, WEEK)
            left.append(sorted(path.name for path in tmp_path.iterdir()))
        return left

    for name in ("job-a-1.log", "worker-a-0.log"):
        (tmp_path / name).write_text("long ago\n")
        os.utime(tmp_path / name, times=(time.time() - 8 * DAY_S,) * 2)
    assert asyncio.run(story()) == [["job-a-1.log", "worker-a-0.log"], ["worker-a-0.log"]]


def test_a_folder_that_is_not_there_yet_is_no_trouble(tmp_path: Path) -> None:
    asyncio.run(prune_logs(tmp_path / "logs", FakeRuntime(), WEEK))


def test_people_say_how_long_logs_are_kept() -> None:
    assert read_retention(["logs=7d,100MB"]).logs == BlobsKeep(7 * DAY_S, 100_000_000)
    assert read_retention(["logs=forever"]).logs == BlobsKeep(None, None)
    assert read_retention(["events=1d"]).logs == usual_keeping().logs
    with pytest.raises(SpecError, match="logs are kept by age and size"):
        read_retention(["logs=100"])
