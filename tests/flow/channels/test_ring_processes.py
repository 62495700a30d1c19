"""A ring between processes that are killed and stopped at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Self

import msgspec
import numpy as np
import pytest

from argus.flow.channels.protocol import LinkCounts
from argus.flow.channels.ring import Ring, RingLink, RingReceiver, RingSender
from argus.flow.codec import Encoder
from tests.flow.channels.contract import message, take, value_of
from tests.sources.settling import comes_true, descriptors_and_threads

MB = 1024 * 1024
LINKS = (RingLink("a->b", replicas=2), RingLink("a->c"))
READERS = (("a->b", 0), ("a->b", 1), ("a->c", 0))


class House:
    """A ring, and the processes with its ends."""

    def __init__(self, words: IO[bytes]) -> None:
        self.ring = Ring.create(LINKS, slot_bytes=2 * MB)
        self._words = words
        self._spec = msgspec.json.encode(self.ring.spec).decode()
        self.writer: subprocess.Popen[bytes] | None = None
        self.readers: dict[tuple[str, int], subprocess.Popen[bytes]] = {}

    def start_writer(self, largest: int = 1_500_000) -> None:
        self.writer = self._start("write", str(largest))

    def start_reader(self, link: str, replica: int) -> None:
        self.readers[link, replica] = self._start("read", link, str(replica))

    def kill_writer(self) -> None:
        assert self.writer is not None
        self._kill(self.writer)

    def kill_reader(self, link: str, replica: int) -> None:
        self._kill(self.readers[link, replica])
        self.ring.forget(link, replica, "killed")

    def counts(self) -> LinkCounts:
        return self.ring.counts()["a->b"].plus(self.ring.counts()["a->c"])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        for process in (self.writer, *self.readers.values()):
            if process is not None:
                process.kill()
                process.wait()
        self.ring.close()

    def _start(self, *arguments: str) -> subprocess.Popen[bytes]:
        command = [
            sys.executable,
            "-m",
            "tests.flow.channels.ring_child",
            arguments[0],
            self._spec,
            *arguments[1:],
        ]
        return subprocess.Popen(command, pass_fds=self.ring.fds, stderr=self._words)

    def _kill(self, process: subprocess.Popen[bytes]) -> None:
        assert process.poll() is None, "a process ended by itself"
        assert not has_named_memory(process)
        process.kill()
        process.wait()


@pytest.fixture
def words(tmp_path: Path) -> Iterator[IO[bytes]]:
    """Where the processes write; nothing may have been said at the end."""
    with (tmp_path / "stderr.txt").open("wb") as file:
        yield file
    assert (tmp_path / "stderr.txt").read_text() == ""


def has_named_memory(process: subprocess.Popen[bytes]) -> bool:
    """Return whether it shares memory that has a name in /dev/shm, which could stay behind."""
    return "/dev/shm/" in Path(f"/proc/{process.pid}/maps").read_text()


def kill_at_random(words: IO[bytes], kills: int, seed: int) -> LinkCounts:
    """Kill writers and readers, one in four before it has done anything; return what was counted."""
    dice = random.Random(seed)
    files = descriptors_and_threads()
    with House(words) as house:
        before = house.counts()
        house.start_writer()
        for end in READERS:
            house.start_reader(*end)
        for kill in range(kills):
            if kill % 4:
                had = house.counts().delivered
                assert comes_true(lambda had=had: house.counts().delivered > had + 2)  # type: ignore[misc]
            time.sleep(dice.random() * 0.02)
            victim = dice.choice((None, None, *READERS))
            if victim is None:
                house.kill_writer()
                house.start_writer()
            else:
                house.kill_reader(*victim)
                house.start_reader(*victim)
            now = house.counts()
            assert all(counts.closes for counts in house.ring.counts().values())
            assert min(now.dropped.values(), default=0) >= 0
            assert now.sent >= before.sent
            assert now.delivered >= before.delivered
            before = now
        assert comes_true(lambda: house.counts().delivered > before.delivered + 20)
        house.kill_writer()
        for end in READERS:
            house.kill_reader(*end)
        result = house.counts()
    assert comes_true(lambda: descriptors_and_threads() == files, within_s=5)
    return result


def test_writers_and_readers_may_be_killed_at_any_moment(words: IO[bytes]) -> None:
    counts = kill_at_random(words, 30, 1)
    assert counts.closes
    assert counts.delivered > 100


@pytest.mark.soak
@pytest.mark.timeout(1800)
def test_five_hundred_kills_leave_nothing_behind_and_tear_nothing(words: IO[bytes]) -> None:
    counts = kill_at_random(words, 500, 2)
    assert counts.closes
    print(counts)


def count_when_all_run_as_fast_as_they_can(words: IO[bytes], deliveries: int) -> LinkCounts:
    with House(words) as house:
        house.start_writer(largest=4000)
        for end in READERS:
            house.start_reader(*end)
        assert comes_true(lambda: house.counts().delivered > deliveries, within_s=600)
        house.kill_writer()
        for end in READERS:
            house.kill_reader(*end)
        return house.counts()


def test_no_message_is_torn_when_all_run_as_fast_as_they_can(words: IO[bytes]) -> None:
    assert count_when_all_run_as_fast_as_they_can(words, 20_000).closes


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_of_a_million_messages_none_is_torn(words: IO[bytes]) -> None:
    counts = count_when_all_run_as_fast_as_they_can(words, 1_000_000)
    assert counts.closes
    print(counts)


def undisturbed(took: list[float]) -> float:
    """Return what sending takes when no other process of the machine is in the way."""
    return sorted(took)[len(took) // 10]


def test_a_stopped_reader_slows_nobody(words: IO[bytes]) -> None:
    with House(words) as house:
        sender, picture = RingSender(house.ring.spec), np.zeros(MB, np.uint8)
        sum_ = zlib.crc32(picture.data)
        other = RingReceiver(house.ring.spec, "a->c")
        house.start_reader("a->b", 0)
        sent = 0

        def send(count: int) -> list[float]:
            nonlocal sent
            took = []
            for _ in range(count):
                header = message(sent)
                packed = Encoder().encode(header, {"sum": sum_, "picture": picture, "number": sent})
                begin = time.perf_counter()
                sender.send(packed, header, lambda: False)
                took.append(time.perf_counter() - begin)
                sent += 1
            return took

        assert comes_true(lambda: bool(send(1)) and house.ring.counts()["a->b"].delivered > 0)
        process = house.readers["a->b", 0]
        running = send(300)
        for _ in range(10):
            send(random.randrange(5))
            process.send_signal(signal.SIGSTOP)
            os.waitid(os.P_PID, process.pid, os.WSTOPPED)
            stopped = send(300)
            delivery = take(other)
            assert value_of(delivery)["number"] == sent - 1
            other.accept(delivery)
            process.send_signal(signal.SIGCONT)
            assert undisturbed(stopped) < 3 * undisturbed(running)
        assert house.ring.counts()["a->b"].sent == sent
        had = house.ring.counts()["a->b"].delivered
        assert comes_true(lambda: bool(send(1)) and house.ring.counts()["a->b"].delivered > had)
        other.close()
        sender.close()


def test_a_message_whose_taker_was_killed_before_it_had_it_goes_to_its_sister(words: IO[bytes]) -> None:
    with House(words) as house:
        sender = RingSender(house.ring.spec)
        house.start_reader("a->b", 0)
        header = message(0)
        sister = RingReceiver(house.ring.spec, "a->b", 1)
        assert sister.receive() is None
        house.readers["a->b", 0].send_signal(signal.SIGSTOP)
        sender.send(Encoder().encode(header, 1), header, lambda: False)
        delivery = take(sister)
        house.kill_reader("a->b", 0)
        sister.accept(delivery)
        counts = house.ring.counts()["a->b"]
        assert (counts.sent, counts.delivered, counts.pending) == (1, 1, 0)
        sister.close()
        sender.close()
