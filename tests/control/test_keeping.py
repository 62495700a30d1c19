"""What workers that are gone have left in their spools is written, and what is theirs still is left alone."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from argus.control.keeping import drain_spools
from argus.control.runtime.protocol import WorkloadStatus
from argus.core.resources.resource import utc_now
from argus.storage.opening import open_results
from argus.storage.protocol import Query
from argus.storage.writer import ResultWriter
from tests.control.api.harness import World, event

NOWHERE = "postgresql://argus@127.0.0.1:1/argus"
KILLED = """
    import sys
    from pathlib import Path
    from argus.storage.writer import ResultWriter
    from tests.control.api.harness import event
    writer = ResultWriter(sys.argv[1], Path(sys.argv[2]))
    for number in range(200):
        writer.put([event(f"e{number:03}")])
    print("there", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


@pytest.fixture
def results(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'results.db'}"


def left_by_a_killed_worker(spool: Path) -> None:
    """Leave what a worker leaves that is killed while its database is away."""
    command = [sys.executable, "-c", textwrap.dedent(KILLED), NOWHERE, str(spool)]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with child:
        assert child.stdout is not None
        assert child.stdout.readline() == b"there\n"
        child.send_signal(signal.SIGKILL)


def drained(world: World, results: str, until: Callable[[], bool], *, patience_s: float = 20.0) -> None:
    """Drain spools until something is so."""

    async def work() -> None:
        draining = asyncio.create_task(
            drain_spools(world.plane, results, every_s=0.01, patience_s=patience_s)
        )
        try:
            async with asyncio.timeout(30):
                while not until():
                    await asyncio.sleep(0.01)
        finally:
            draining.cancel()
            await asyncio.gather(draining, return_exceptions=True)

    asyncio.run(work())


def kept(results: str) -> list[str]:
    async def work() -> list[str]:
        store = await open_results(results)
        try:
            page = await store.events(Query(), limit=1000)
            return sorted(one.id for one in page.items)
        finally:
            await store.close()

    return asyncio.run(work())


def test_what_a_killed_worker_has_left_is_written_and_its_folder_goes(world: World, results: str) -> None:
    spool = world.plane.settings.spool / "worker-0"
    left_by_a_killed_worker(spool)
    drained(world, results, lambda: not spool.exists())
    assert kept(results) == [f"e{number:03}" for number in range(200)]


def test_a_drain_that_is_ended_in_the_middle_writes_nothing_twice(world: World, results: str) -> None:
    spool = world.plane.settings.spool / "worker-0"
    left_by_a_killed_worker(spool)
    for _ in range(3):
        began = time.monotonic()
        drained(world, results, lambda began=began: time.monotonic() > began + 0.02)  # type: ignore[misc]
    drained(world, results, lambda: not spool.exists())
    assert kept(results) == [f"e{number:03}" for number in range(200)]


def test_while_the_database_is_away_all_stays_and_is_written_when_it_is_back(
    world: World, results: str
) -> None:
    spool = world.plane.settings.spool / "worker-0"
    left_by_a_killed_worker(spool)
    until = time.monotonic() + 1.0
    drained(world, NOWHERE, lambda: time.monotonic() > until, patience_s=0.1)
    drained(world, results, lambda: not spool.exists())
    assert len(kept(results)) == 200


def test_a_spool_in_use_and_one_of_a_worker_that_is_known_are_left_alone(world: World, results: str) -> None:
    spools = world.plane.settings.spool
    left_by_a_killed_worker(spools / "known")
    left_by_a_killed_worker(spools / "gone")
    status = WorkloadStatus(name="known", kind="service", state="backing-off", since=utc_now())
    world.plane.workloads = {"known": status}
    with ResultWriter(NOWHERE, spools / "used") as writer:
        writer.put([event("mine")])
        drained(world, results, lambda: not (spools / "gone").exists())
        assert writer.backlog == 1
        writer.close(0)
    assert {path.name for path in spools.iterdir()} == {"known", "used"}
    assert "mine" not in kept(results)
