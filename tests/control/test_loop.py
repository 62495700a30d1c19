"""The loop over stores and a runtime in memory: what is applied runs, and what is deleted ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from argus.control.loop import Loop
from argus.control.plan import Place, Plan
from argus.control.plane import Plane
from argus.control.reconciler import Reconciler
from argus.control.runtime.protocol import WorkloadStatus
from argus.core.resources.manifest import read_drafts
from argus.core.resources.resource import Resource, utc_now
from argus.core.secrets import Secrets
from argus.core.settings import Settings
from argus.storage.opening import open_blobs
from argus.storage.records import Run
from argus.testing.resource_store import InMemoryResourceStore
from argus.testing.result_store import MemoryResults
from argus.testing.runtime import FakeRuntime

GATE = {
    "cameras": {"gate": "rtsp://10.0.0.5/1"},
    "pipelines": {"watch": {"camera": "gate", "detect": "builtin:people"}},
}


class House:
    """A plane whose loop is turned by the test."""

    def __init__(self, folder: Path) -> None:
        self.store = InMemoryResourceStore()
        self.results = MemoryResults()
        self.runtime = FakeRuntime()
        self.plane = Plane(
            settings=Settings(folder),
            store=self.store,
            results=self.results,
            blobs=open_blobs("memory://house"),
            runtime=self.runtime,
            secrets=Secrets({}),
            started_at=utc_now(),
        )
        place = Place(results="sqlite:///x.db", blobs="memory://house", spool=folder / "spool")
        self.loop = Loop(self.plane, place)

    async def apply(self, document: dict[str, Any]) -> None:
        await self.store.apply(read_drafts([document], "test"))

    async def until(self, holds: Callable[[], Awaitable[bool]], *, rounds: int = 30) -> None:
        for _ in range(rounds):
            await self.loop.round()
            await asyncio.sleep(0)
            if await holds():
                return
        raise AssertionError("it does not come to be")

    async def names(self) -> set[str]:
        return set(await self.runtime.statuses())

    async def resource(self, kind: str, name: str) -> Resource:
        return await self.store.get(kind, name)


@pytest.fixture
def house(tmp_path: Path) -> House:
    return House(tmp_path)


def run(what: Awaitable[None]) -> None:
    async def main() -> None:
        await what

    asyncio.run(main())


def test_what_is_applied_runs_and_what_is_deleted_ends(house: House) -> None:
    async def story() -> None:
        await house.apply(GATE)
        await house.until(lambda: _is(house.names(), {"worker-people-0"}))
        await house.store.delete("Pipeline", "watch")
        await house.until(lambda: _is(house.names(), set()))
        await house.until(lambda: _gone(house, "Pipeline", "watch"))

    run(story())


def test_each_thing_done_is_written_down_with_its_reason(house: House) -> None:
    async def story() -> None:
        await house.apply(GATE)
        await house.until(lambda: _is(house.names(), {"worker-people-0"}))

    run(story())
    first = house.plane.decisions[0]
    assert (first.action, first.subject) == ("start", "worker-people-0")
    assert "watch" in first.reason


def test_a_runtime_that_does_not_answer_is_said_and_passes(house: House) -> None:
    async def story() -> None:
        await house.apply(GATE)
        house.runtime.unavailable = "the keeper is gone"
        await house.loop.round()
        assert "the keeper is gone" in house.plane.problems["runtime"]
        house.runtime.unavailable = ""
        await house.until(lambda: _is(house.names(), {"worker-people-0"}))
        assert "runtime" not in house.plane.problems

    run(story())


def test_a_store_that_does_not_answer_is_said_and_nothing_is_ended_for_it(house: House) -> None:
    async def story() -> None:
        await house.apply(GATE)
        await house.until(lambda: _is(house.names(), {"worker-people-0"}))
        house.store.fail("the disk is full")
        await house.loop.round()
        assert "the disk is full" in house.plane.problems["store"]
        assert await house.names() == {"worker-people-0"}

    run(story())


def test_a_job_waits_for_its_pipeline_and_says_so(house: House) -> None:
    async def story() -> None:
        await house.apply({"jobs": {"nightly": {"source": "a.mp4", "pipeline": "watch"}}})
        await house.loop.round()
        await house.loop.round()
        job = await house.resource("BatchJob", "nightly")
        assert "'watch'" in str(job.status["conditions"])
        assert await house.names() == set()

    run(story())


def test_a_job_runs_once_and_is_done(house: House) -> None:
    async def story() -> None:
        await house.apply({**GATE, "jobs": {"once": {"source": "a.mp4", "pipeline": "watch"}}})
        await house.until(lambda: _has(house, "job-once-1"))
        job = await house.resource("BatchJob", "once")
        now = utc_now()
        await house.results.put_run(
            Run(
                id=f"{job.metadata.uid}-1", job="once", state="finished", started_at=now, updated_at=now,
                finished_at=now, progress=1.0,
            )
        )  # fmt: skip
        house.runtime.end("job-once-1", 0)
        await house.until(lambda: _phase(house, "once", "Succeeded"))
        for _ in range(3):
            await house.loop.round()
        assert "job-once-2" not in await house.names()

    run(story())


def test_a_job_that_runs_does_not_fail_for_a_clock_that_is_set_forward(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = {"source": "a.mp4", "pipeline": "watch", "deadline": "30m"}

    async def story() -> None:
        await house.apply({**GATE, "jobs": {"once": job}})
        await house.until(lambda: _has(house, "job-once-1"))
        await house.loop.round()
        monkeypatch.setattr("argus.control.jobs_loop.utc_now", lambda: utc_now() + timedelta(hours=1))
        for _ in range(3):
            await house.loop.round()
        assert await _has(house, "job-once-1")
        steady_s = time.monotonic
        monkeypatch.setattr("argus.control.jobs_loop.time.monotonic", lambda: steady_s() + 1801)
        await house.until(lambda: _phase(house, "once", "Failed"))

    run(story())


def test_a_job_that_is_over_does_not_go_for_a_clock_that_is_ahead_for_a_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ahead = timedelta()
    monkeypatch.setattr("argus.control.jobs_loop.utc_now", lambda: utc_now() + ahead)
    house = House(tmp_path)
    job = {"source": "a.mp4", "pipeline": "watch", "ttl_after_finished": "7d"}

    async def story() -> None:
        nonlocal ahead
        await house.apply({**GATE, "jobs": {"once": job}})
        await house.until(lambda: _has(house, "job-once-1"))
        house.runtime.end("job-once-1", 0)
        await house.until(lambda: _phase(house, "once", "Succeeded"))
        ahead = timedelta(days=100)
        for _ in range(3):
            await house.loop.round()
        assert await _phase(house, "once", "Succeeded")

    run(story())


def test_a_deleted_job_takes_what_it_found_with_it(house: House) -> None:
    async def story() -> None:
        await house.apply({**GATE, "jobs": {"once": {"source": "a.mp4", "pipeline": "watch"}}})
        await house.until(lambda: _has(house, "job-once-1"))
        job = await house.resource("BatchJob", "once")
        now = utc_now()
        await house.results.put_run(
            Run(id=f"{job.metadata.uid}-1", job="once", started_at=now, updated_at=now)
        )
        await house.store.delete("BatchJob", "once")
        await house.until(lambda: _gone(house, "BatchJob", "once"))
        assert await house.results.runs("once") == ()
        assert "job-once-1" not in await house.names()

    run(story())


def test_the_loop_turns_by_itself_when_something_is_applied(house: House) -> None:
    async def story() -> None:
        turning = asyncio.create_task(house.loop.run())
        await asyncio.sleep(0)
        await house.apply(GATE)
        async with asyncio.timeout(5):
            while "worker-people-0" not in await house.names():
                await asyncio.sleep(0.01)
        turning.cancel()
        await asyncio.gather(turning, return_exceptions=True)

    run(story())


def test_a_defect_in_one_part_ends_neither_the_loop_nor_the_others(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> Plan:
        raise KeyError("worker")

    async def story() -> None:
        with monkeypatch.context() as patch:
            patch.setattr(Reconciler, "plan", broken)
            patch.setattr(InMemoryResourceStore, "watch", broken)
            patch.setattr(FakeRuntime, "changed", broken)
            turning = asyncio.create_task(house.loop.run())
            await house.apply({**GATE, "jobs": {"once": {"source": "a.mp4", "pipeline": "watch"}}})
            house.loop.wake()
            async with asyncio.timeout(5):
                while "job-once-1" not in await house.names():
                    await asyncio.sleep(0.01)
            assert "KeyError('worker')" in house.plane.problems["plan"]
        turning.cancel()
        assert isinstance(*await asyncio.gather(turning, return_exceptions=True), asyncio.CancelledError)
        await house.until(lambda: _has(house, "worker-people-0"))
        assert "plan" not in house.plane.problems

    run(story())


@pytest.mark.parametrize("said", [b'{"worker": "\xff"}', b'{"models": [{"x": ' + b"[" * 100_000])
def test_a_stranger_at_a_workers_port_is_no_report(house: House, said: bytes) -> None:
    async def answer(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(said) + said)
        writer.close()

    async def story() -> None:
        await house.apply(GATE)
        await house.until(lambda: _has(house, "worker-people-0"))
        async with await asyncio.start_server(answer, "127.0.0.1", 0) as stranger:
            house.runtime.tell_port("worker-people-0", stranger.sockets[0].getsockname()[1])
            await house.loop.round()
        assert house.plane.reports == {}

    run(story())


async def _is(given: Awaitable[set[str]], wanted: set[str]) -> bool:
    return await given == wanted


async def _has(house: House, name: str) -> bool:
    statuses: dict[str, WorkloadStatus] = dict(await house.runtime.statuses())
    return name in statuses


async def _gone(house: House, kind: str, name: str) -> bool:
    page = await house.store.list(kind)
    return name not in {resource.name for resource in page.items}


async def _phase(house: House, job: str, phase: str) -> bool:
    return (await house.resource("BatchJob", job)).status.get("phase") == phase
