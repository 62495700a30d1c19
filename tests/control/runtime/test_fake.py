"""The imagined runtime's own: time that is turned by hand, over schedules and clocks that jump."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from argus.control.runtime.protocol import Probes, RuntimeUnavailable, Workload, WorkloadStatus
from argus.testing.runtime import FakeRuntime


@pytest.fixture
def noon(monkeypatch: pytest.MonkeyPatch) -> FakeRuntime:
    """A runtime on a machine whose wall clock says twelve, in UTC."""
    monkeypatch.setenv("TZ", "UTC")
    return FakeRuntime(now=datetime(2026, 5, 1, 12, 0, 30, tzinfo=UTC))


def ensure(runtime: FakeRuntime, **details: Any) -> None:
    asyncio.run(runtime.ensure(Workload(name="one", command=("true",), **details)))


def status(runtime: FakeRuntime) -> WorkloadStatus:
    return asyncio.run(runtime.statuses())["one"]


def test_a_cron_runs_at_its_times(noon: FakeRuntime) -> None:
    ensure(noon, kind="cron", schedule="*/10 * * * *")
    starts = []
    for _ in range(31):
        noon.advance(60)
        if status(noon).pid is not None:
            starts.append(noon.now.minute)
            noon.end("one")
    assert starts == [10, 20, 30]


def test_no_two_runs_of_a_cron_live_at_once(noon: FakeRuntime) -> None:
    ensure(noon, kind="cron", schedule="* * * * *")
    noon.advance(60)
    first = status(noon)
    noon.advance(600)
    assert status(noon) == first
    noon.end("one")
    noon.advance(60)
    assert status(noon).starts == 2


def test_a_clock_that_is_put_back_an_hour_runs_nothing_twice(noon: FakeRuntime) -> None:
    ensure(noon, kind="cron", schedule="*/10 * * * *")
    noon.advance(600)
    noon.end("one")
    noon.now -= timedelta(hours=1)
    noon.advance(3000)
    assert (status(noon).starts, status(noon).state) == (1, "pending")
    noon.advance(1200)
    assert status(noon).starts == 2


def test_a_clock_that_is_put_forward_an_hour_makes_up_for_one_run(noon: FakeRuntime) -> None:
    ensure(noon, kind="cron", schedule="*/10 * * * *")
    noon.now += timedelta(hours=1)
    noon.advance(1)
    assert status(noon).starts == 1
    noon.end("one")
    noon.advance(1)
    assert status(noon).starts == 1


def test_a_clock_that_jumps_starts_no_service_again_and_shortens_no_wait(noon: FakeRuntime) -> None:
    ensure(noon)
    for jump in (timedelta(hours=1), timedelta(hours=-2)):
        noon.now += jump
        noon.advance(10)
        assert status(noon).starts == 1
    noon.end("one", 1)
    noon.advance(0)
    noon.end("one", 1)
    noon.now += timedelta(hours=1)
    noon.advance(0.1)
    assert (status(noon).starts, status(noon).state) == (2, "backing-off")
    noon.advance(0.1)
    assert (status(noon).starts, status(noon).state) == (3, "running")


def test_a_service_is_ready_when_it_says_so(noon: FakeRuntime) -> None:
    ensure(noon, probes=Probes(readiness="/readyz"))
    assert (status(noon).state, status(noon).ready, status(noon).port) == ("starting", False, None)
    noon.tell_port("one", 4000)
    noon.set_ready("one")
    assert (status(noon).state, status(noon).ready, status(noon).port) == ("running", True, 4000)
    noon.end("one", -9)
    assert (status(noon).port, status(noon).ready, status(noon).last_exit) == (
        None,
        False,
        "killed by SIGKILL",
    )


def test_it_may_be_unavailable(noon: FakeRuntime) -> None:
    noon.unavailable = "no keeper"
    with pytest.raises(RuntimeUnavailable, match="no keeper"):
        status(noon)
