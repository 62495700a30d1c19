"""Where messages of a log are put, and the lock of who reads it."""

from __future__ import annotations

import os
import random
import signal
import threading
from collections.abc import Iterator

import pytest

from argus.flow.channels.log_lock import KernelLock
from argus.flow.channels.log_space import Space


def test_room_is_taken_from_the_lowest_place_that_is_large_enough() -> None:
    space = Space(1000, [(100, 100), (300, 500)])
    assert space.take(150, 1) == 800
    assert space.take(60, 64) == 0
    assert space.take(40, 64) == 256
    assert space.take(600, 1) is None


def test_neighbours_that_are_given_back_become_one() -> None:
    space = Space(300)
    for offset in (0, 100, 200):
        assert space.take(100, 1) == offset
    for offset in (0, 200, 100):
        space.give(offset, 100)
    assert space.extents == [(0, 300)]


def test_no_two_messages_ever_share_a_byte_and_all_room_comes_back() -> None:
    chance = random.Random(7)
    space, taken = Space(100_000), dict[int, int]()
    for _ in range(5000):
        if taken and chance.random() < 0.48:
            offset = chance.choice(list(taken))
            space.give(offset, taken.pop(offset))
        else:
            align = chance.choice([64, 4096])
            length = -(-chance.randrange(1, 6000) // align) * align
            place = space.take(length, align)
            if place is not None:
                assert place % align == 0
                assert all(place + length <= at or at + size <= place for at, size in taken.items())
                taken[place] = length
        free = sum(end - start for start, end in space.extents)
        assert free + sum(taken.values()) == 100_000
    assert Space(100_000, taken.items()).extents == space.extents
    for offset, length in taken.items():
        space.give(offset, length)
    assert space.extents == [(0, 100_000)]


@pytest.fixture
def file() -> Iterator[int]:
    fd = os.memfd_create("lock")
    yield fd
    os.close(fd)


def test_two_that_want_a_lock_exclude_each_other_in_one_process_too(file: int) -> None:
    one, two, other_byte = KernelLock(file, 0), KernelLock(file, 0), KernelLock(file, 1)
    assert one.take(0.0)
    assert not two.take(0.05)
    assert other_byte.take(0.0)
    os.close(os.dup(file))  # which opens a lock of the other kind
    assert not two.take(0.0)
    one.give()
    assert two.take(0.0)
    for lock in (one, two, other_byte):
        lock.close()
        lock.close()


def test_many_threads_count_to_the_same_number(file: int) -> None:
    total = 0

    def count() -> None:
        nonlocal total
        lock = KernelLock(file, 0)
        for _ in range(200):
            assert lock.take(30.0)
            before = total
            os.sched_yield()
            total = before + 1
            lock.give()
        lock.close()

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert total == 800


def test_the_lock_of_a_killed_process_opens_though_a_child_of_it_lives_on(file: int) -> None:
    told, tell = os.pipe()
    holder = os.fork()
    if holder == 0:
        KernelLock(file, 0).take(0.0)
        held = KernelLock(file, 1)
        held.take(0.0)
        child = os.fork()
        if child == 0:
            signal.pause()
        os.write(tell, b"%d\n" % child)
        signal.pause()
    child = int(os.read(told, 20))
    lock = KernelLock(file, 1)
    try:
        assert not lock.take(0.05)
        os.kill(holder, signal.SIGKILL)
        os.waitpid(holder, 0)
        assert lock.take(10.0)
        os.kill(child, 0)
    finally:
        os.kill(child, signal.SIGKILL)
        lock.close()
        os.close(told)
        os.close(tell)
