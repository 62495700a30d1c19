"""What every `Runtime` does: the suite that runs over the imagined one and over real processes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest

from argus.control.runtime.protocol import (
    Runtime,
    Workload,
    WorkloadNotFound,
    WorkloadState,
    WorkloadStatus,
)
from argus.core.errors import SpecError


class World(Protocol):
    """A runtime, and a hand in what its programs do."""

    @property
    def runtime(self) -> Runtime: ...

    def command(self, name: str) -> tuple[str, ...]:
        """Return the command of a program that does as it is told here, whatever its name is."""
        ...

    async def end(self, name: str, code: int, *lines: str) -> None:
        """Let the program of a running workload print lines and end."""
        ...

    async def print(self, name: str, line: str) -> None:
        """Let it print one line."""
        ...

    async def pass_time(self) -> None:
        """Let a moment pass."""
        ...


class RuntimeContract:
    """The suite; a subclass says in which world."""

    def world(self, folder: Path) -> AbstractAsyncContextManager[World]:
        raise NotImplementedError


def played(
    test: Callable[[Any, World], Awaitable[None]],
) -> Callable[[RuntimeContract, Path], None]:
    """Make a test of a coroutine that is given a world."""

    def play(self: RuntimeContract, tmp_path: Path) -> None:
        async def main() -> None:
            async with self.world(tmp_path) as world:
                await test(self, world)

        asyncio.run(main())

    play.__name__ = test.__name__
    play.__doc__ = test.__doc__
    return play


def workload(world: World, name: str = "one", **details: Any) -> Workload:
    return Workload(name=name, command=world.command(name), **details)


async def comes_to(
    world: World, what: Callable[[WorkloadStatus], bool], name: str = "one", within_s: float = 15.0
) -> WorkloadStatus:
    """Wait until a status is as wanted, and return it."""
    async with asyncio.timeout(within_s):
        while True:
            status = (await world.runtime.statuses()).get(name)
            if status is not None and what(status):
                return status
            await world.pass_time()


async def comes_to_be(world: World, state: WorkloadState, name: str = "one") -> WorkloadStatus:
    return await comes_to(world, lambda status: status.state == state, name)


async def runs(world: World, name: str = "one") -> WorkloadStatus:
    return await comes_to(world, lambda status: status.state == "running" and status.pid is not None, name)


async def printed(world: World, name: str = "one", **details: Any) -> str:
    return b"".join([lines async for lines in world.runtime.logs(name, **details)]).decode()


class ContractTests(RuntimeContract):
    """The tests."""

    @played
    async def test_what_was_ensured_runs(self, world: World) -> None:
        wanted = workload(world, owner=("Pipeline", "gate"))
        await world.runtime.ensure(wanted)
        status = await runs(world)
        assert (status.starts, status.restarts, status.last_exit) == (1, 0, "")
        assert status.workload == wanted
        assert status.ready
        assert status.last_start is not None
        assert status.last_start <= status.since

    @played
    async def test_what_runs_as_described_is_left_alone(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        first = await runs(world)
        await world.runtime.ensure(workload(world))
        second = await runs(world)
        assert (second.pid, second.starts) == (first.pid, 1)

    @played
    async def test_who_dies_is_started_again_and_says_how_it_died(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        first = await runs(world)
        await world.end("one", 3, "no room", "cannot go on")
        second = await comes_to(world, lambda s: s.restarts == 1 and s.pid is not None)
        assert second.pid != first.pid
        assert second.last_exit == "exit code 3"
        assert second.last_lines == ("no room", "cannot go on")

    @played
    async def test_a_service_that_ends_well_is_started_again_too(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        await runs(world)
        await world.end("one", 0)
        status = await comes_to(world, lambda s: s.restarts == 1 and s.pid is not None)
        assert status.last_exit == "exit code 0"

    @played
    async def test_who_dies_is_started_at_once_and_waits_longer_each_time_it_dies_again(
        self, world: World
    ) -> None:
        await world.runtime.ensure(workload(world))
        await runs(world)
        await world.end("one", 1, "bad lens")
        waits = []
        for number in range(1, 4):
            await comes_to(world, lambda s, n=number: s.restarts == n and s.pid is not None)  # type: ignore[misc]
            await world.end("one", 1, "bad lens")
            status = await comes_to_be(world, "backing-off")
            assert status.reason == "exit code 1: bad lens"
            assert status.pid is None
            assert not status.ready
            assert status.next_start is not None
            waits.append(round((status.next_start - status.since) / timedelta(seconds=1), 3))
        assert waits == [0.2, 0.4, 0.8]

    @played
    async def test_another_config_is_handed_over_without_a_restart(self, world: World) -> None:
        await world.runtime.ensure(workload(world, config="a"))
        first = await runs(world)
        await world.runtime.ensure(workload(world, config="b"))
        second = await comes_to(world, lambda s: s.workload is not None and s.workload.config == "b")
        assert (second.pid, second.starts) == (first.pid, 1)

    @played
    async def test_whatever_else_is_different_starts_it_again(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        first = await runs(world)
        await world.runtime.ensure(workload(world, env={"TONE": "low"}))
        second = await comes_to(world, lambda s: s.starts == 2 and s.pid is not None)
        assert second.pid != first.pid
        assert second.restarts == 0

    @played
    async def test_it_is_started_again_when_asked_for(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        first = await runs(world)
        await world.runtime.restart("one")
        second = await comes_to(world, lambda s: s.starts == 2 and s.pid is not None)
        assert second.pid != first.pid
        assert second.restarts == 0

    @played
    async def test_nobody_can_be_started_again_who_is_not_there(self, world: World) -> None:
        with pytest.raises(WorkloadNotFound, match="ghost"):
            await world.runtime.restart("ghost")

    @played
    async def test_what_was_removed_is_gone(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        await runs(world)
        await world.runtime.remove("one")
        assert not await world.runtime.statuses()
        await world.runtime.remove("one")

    @played
    async def test_what_was_removed_may_come_again(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        first = await runs(world)
        await world.runtime.remove("one")
        await world.runtime.ensure(workload(world))
        second = await runs(world)
        assert second.pid != first.pid
        assert (second.starts, second.restarts, second.last_exit) == (1, 0, "")

    @played
    async def test_a_job_that_is_done_stays_done(self, world: World) -> None:
        await world.runtime.ensure(workload(world, kind="job"))
        await runs(world)
        await world.end("one", 0)
        status = await comes_to_be(world, "succeeded")
        await world.runtime.ensure(workload(world, kind="job"))
        await world.runtime.ensure(workload(world, kind="job", env={"TONE": "low"}))
        again = await comes_to_be(world, "succeeded")
        assert (again.starts, again.workload) == (1, status.workload)

    @played
    async def test_a_job_that_was_removed_runs_again(self, world: World) -> None:
        await world.runtime.ensure(workload(world, kind="job"))
        await runs(world)
        await world.end("one", 0)
        await comes_to_be(world, "succeeded")
        await world.runtime.remove("one")
        await world.runtime.ensure(workload(world, kind="job"))
        assert (await runs(world)).starts == 1

    @played
    async def test_a_job_that_says_it_cannot_be_is_not_tried_again(self, world: World) -> None:
        await world.runtime.ensure(workload(world, kind="job", retries=3))
        await runs(world)
        await world.end("one", 2, "no such video")
        status = await comes_to_be(world, "failed")
        assert (status.reason, status.starts) == ("exit code 2: no such video", 1)

    @played
    async def test_a_job_that_fails_is_tried_so_often_and_no_more(self, world: World) -> None:
        await world.runtime.ensure(workload(world, kind="job", retries=1))
        await runs(world)
        await world.end("one", 1)
        await comes_to(world, lambda s: s.starts == 2 and s.pid is not None)
        await world.end("one", 1, "disk gone")
        status = await comes_to_be(world, "failed")
        assert status.reason == "exit code 1: disk gone (tried 2 times)"
        assert status.next_start is None

    @played
    async def test_a_job_that_takes_too_long_is_ended_and_has_failed(self, world: World) -> None:
        await world.runtime.ensure(workload(world, kind="job", deadline_s=0.2))
        status = await comes_to_be(world, "failed")
        assert status.reason == "ran longer than its deadline of 0.2 s"
        assert status.pid is None

    @played
    async def test_a_cron_waits_for_its_time(self, world: World) -> None:
        await world.runtime.ensure(workload(world, kind="cron", schedule="0 2 * * *"))
        status = await comes_to_be(world, "pending")
        assert (status.pid, status.starts) == (None, 0)
        assert status.next_start is not None
        assert timedelta(0) < status.next_start - status.since <= timedelta(days=1, hours=1)

    @played
    async def test_a_cron_can_be_run_now_and_waits_again(self, world: World) -> None:
        await world.runtime.ensure(workload(world, kind="cron", schedule="0 2 * * *"))
        await world.runtime.restart("one")
        await runs(world)
        await world.end("one", 0)
        status = await comes_to_be(world, "pending")
        assert status.starts == 1
        assert status.next_start is not None

    @played
    async def test_a_schedule_that_is_none_is_refused(self, world: World) -> None:
        with pytest.raises(SpecError, match="minute"):
            await world.runtime.ensure(workload(world, kind="cron", schedule="61 * * * *"))
        assert not await world.runtime.statuses()

    @played
    async def test_a_changed_schedule_does_not_touch_the_run_that_goes_on(self, world: World) -> None:
        await world.runtime.ensure(workload(world, kind="cron", schedule="0 2 * * *"))
        await world.runtime.restart("one")
        first = await runs(world)
        await world.runtime.ensure(workload(world, kind="cron", schedule="0 3 * * *"))
        second = await runs(world)
        assert second.pid == first.pid
        assert second.workload is not None
        assert second.workload.schedule == "0 3 * * *"

    @played
    async def test_a_change_is_told(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        await runs(world)
        await world.end("one", 1)
        async with asyncio.timeout(10):
            while (now := (await world.runtime.statuses())["one"]).state == "running" and not now.restarts:
                await world.runtime.changed()

    @played
    async def test_what_it_prints_is_kept_over_restarts(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        await runs(world)
        await world.end("one", 1, "first", "second")
        await comes_to(world, lambda s: s.restarts == 1 and s.pid is not None)
        await world.end("one", 1, "third")
        await comes_to(world, lambda s: s.restarts == 2)
        assert await printed(world) == "first\nsecond\nthird\n"
        assert await printed(world, tail=2) == "second\nthird\n"
        assert await printed(world, tail=0) == ""

    @played
    async def test_what_it_goes_on_to_print_can_be_followed(self, world: World) -> None:
        await world.runtime.ensure(workload(world))
        await runs(world)
        await world.print("one", "before")
        follower = world.runtime.logs("one", follow=True)
        seen = b""
        async with asyncio.timeout(10):
            async for lines in follower:
                seen += lines
                if seen == b"before\n":
                    await world.print("one", "after")
                elif seen == b"before\nafter\n":
                    await world.runtime.remove("one")
        assert seen == b"before\nafter\n"

    @played
    async def test_who_is_not_there_has_no_log(self, world: World) -> None:
        for name in ("ghost", "../keeper", "a/b", ""):
            with pytest.raises(WorkloadNotFound):
                await printed(world, name)

    @played
    async def test_many_live_side_by_side(self, world: World) -> None:
        names = [f"w{number}" for number in range(8)]
        await asyncio.gather(*(world.runtime.ensure(workload(world, name)) for name in names))
        pids = {(await runs(world, name)).pid for name in names}
        assert len(pids) == len(names)
        await asyncio.gather(*(world.runtime.remove(name) for name in names))
        assert not await world.runtime.statuses()
