"""What workloads are held to, by a real keeper over real processes."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

from argus.control.runtime.limits import Seats
from argus.control.runtime.protocol import Limits
from tests.control.runtime.parts import LINE, ensure, played, program, settles
from tests.control.runtime.worlds import RealWorld


def test_who_eats_memory_is_ended_and_the_reason_says_so(tmp_path: Path) -> None:
    eater = """
    hoard = []
    line.ready()
    while True:
        hoard.append(b"x" * 10_000_000)
        time.sleep(0.02)
    """

    async def play(world: RealWorld) -> None:
        limits = Limits(memory_bytes=150_000_000)
        await ensure(world, command=program(LINE, eater), kind="job", retries=0, limits=limits)
        seen = await settles(world, lambda all_: all_["one"].state == "failed")
        assert "of memory, and may take 150 MB" in seen["one"].reason
        taken = int(seen["one"].reason.split()[1])
        assert 150 < taken < 1500

    played(tmp_path, play)


def test_what_it_has_started_counts_too(tmp_path: Path) -> None:
    eater = (
        "import os, time\nfor _ in range(4):\n    if not os.fork(): break\n"
        "hoard = os.urandom(60_000_000)\ntime.sleep(300)\n"
    )

    async def play(world: RealWorld) -> None:
        limits = Limits(memory_bytes=150_000_000)
        await ensure(world, command=program(eater), kind="job", retries=0, limits=limits)
        seen = await settles(world, lambda all_: all_["one"].state == "failed")
        assert "of memory, and may take 150 MB" in seen["one"].reason

    played(tmp_path, play)


def test_who_stays_within_its_limit_is_left_alone(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        first = await ensure(world, limits=Limits(memory_bytes=50_000_000))
        await asyncio.sleep(1.2)  # two looks
        second = (await world.runtime.statuses())["one"]
        assert (second.pid, second.starts) == (first.pid, 1)
        assert 0 < second.memory_bytes < 50_000_000

    played(tmp_path, play)


def test_processors_are_limited_with_all_that_is_started(tmp_path: Path) -> None:
    async def play(world: RealWorld) -> None:
        one = await ensure(world, limits=Limits(cpus=0.5))
        two = await ensure(world, "two", limits=Limits(cpus=1))
        assert one.pid is not None
        assert two.pid is not None
        seats = [os.sched_getaffinity(pid) for pid in (one.pid, two.pid)]
        assert [len(seat) for seat in seats] == [1, 1]
        if len(os.sched_getaffinity(0)) > 1:
            assert seats[0] != seats[1]

    played(tmp_path, play)


def test_those_that_are_limited_share_the_processors_evenly() -> None:
    seats = Seats([0, 1, 2, 3])
    assert seats.take("a", 1.5) == {0, 1}
    assert seats.take("b", 2) == {2, 3}
    assert seats.take("c", 1) == {0}
    seats.leave("b")
    assert seats.take("d", 3) == {1, 2, 3}
    assert seats.take("a", 9) == {0, 1, 2, 3}
