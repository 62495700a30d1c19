"""DURABLE on one host: what is sent arrives, whoever is killed."""

from __future__ import annotations

import contextlib
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from argus.flow.channels.log import Log
from argus.flow.channels.protocol import LinkCounts
from argus.flow.dead_letters import DeadLetters
from argus.flow.qos import Durable, QoS
from tests.flow.channels.log_player import noted, start
from tests.sources.settling import comes_true

LINK = "cam->log"
FOREVER = 0
NOTHING = -1
PATIENT = QoS.DURABLE(tries=1000, backoff=0.0)
"""No message is given up because its readers were killed by the test."""


class Stage:
    """A log whose ends are processes."""

    def __init__(self, folder: Path, qos: Durable, replicas: int = 1, file: Path | None = None) -> None:
        self.folder = folder
        self.log = Log.create(LINK, qos, replicas, file=file, dead=folder / "dead")
        self.letters = DeadLetters(folder / "dead")
        self._running: list[subprocess.Popen[bytes]] = []

    def producer(self, first: int = 0, count: int = FOREVER, pause_s: float = 0.0) -> subprocess.Popen[bytes]:
        return self._start("produce", self.folder / "sent", first, count, pause_s)

    def consumer(
        self, replica: int = 0, work_s: float = 0.0, poison: int = NOTHING
    ) -> subprocess.Popen[bytes]:
        return self._start("consume", self.folder / "seen", replica, work_s, poison)

    def _start(self, role: str, notes: Path, *args: object) -> subprocess.Popen[bytes]:
        process = start(role, self.log.spec, notes, *args)
        self._running.append(process)
        return process

    def kill(self, process: subprocess.Popen[bytes], replica: int | None = None) -> None:
        """Kill a process; a consumer's owner hears of it, as from a supervisor."""
        process.kill()
        process.wait()
        if replica is not None:
            self.log.forget(LINK, replica, "signal 9 (SIGKILL)")

    @property
    def sent(self) -> list[int]:
        return noted(self.folder / "sent")

    @property
    def seen(self) -> list[int]:
        return noted(self.folder / "seen")

    def counts(self) -> LinkCounts:
        return self.log.counts()[LINK]

    def all_done(self, sent: int) -> bool:
        return comes_true(lambda: self.counts().sent >= sent and not self.counts().pending, 60)

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.wait()
        self.log.close()


Opening = Callable[..., Stage]


@pytest.fixture
def opening(tmp_path: Path) -> Iterator[Opening]:
    stages: list[Stage] = []

    def open_(qos: Durable = PATIENT, replicas: int = 1, file: Path | None = None) -> Stage:
        stages.append(Stage(tmp_path, qos, replicas, file))
        return stages[-1]

    yield open_
    for stage in stages:
        stage.close()


def kill_consumers(stage: Stage, count: int, kills: int, work_s: float) -> str:
    """Let messages flow while the consumer is killed again and again; return how often what happened."""
    chance = random.Random(4)
    consumer = stage.consumer(work_s=work_s)
    stage.producer(count=count)
    for _ in range(kills):
        before, until_s = len(stage.seen), time.monotonic() + 30
        while len(stage.seen) == before:
            assert time.monotonic() < until_s, "it goes on"
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 2 * work_s))  # a random point in its work
        stage.kill(consumer, 0)
        assert stage.counts().closes
        consumer = stage.consumer(work_s=work_s)
    assert stage.all_done(count)
    seen = stage.seen
    assert sorted(set(seen)) == list(range(count)), "none is lost"
    assert in_order(seen)
    counts = stage.counts()
    assert (counts.sent, counts.delivered, counts.dropped) == (count, count, {})
    assert len(seen) - count <= counts.redelivered <= kills, "what was seen twice was counted"
    return f"{kills} kills, {counts.redelivered} redelivered, {len(seen) - count} seen twice"


def in_order(seen: list[int]) -> bool:
    """Return whether each number follows the one before it, or is the same once more."""
    return all(b in {a, a + 1} for a, b in itertools.pairwise(seen))


def test_a_consumer_killed_at_random_points_loses_nothing(opening: Opening) -> None:
    kill_consumers(opening(), count=200, kills=15, work_s=0.004)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_a_consumer_killed_two_hundred_times_loses_nothing_of_a_thousand(opening: Opening) -> None:
    print(kill_consumers(opening(), count=1000, kills=200, work_s=0.004))


def test_what_a_killed_producer_had_sent_is_delivered(opening: Opening) -> None:
    stage = opening()
    consumer = stage.consumer()
    first = 0
    for round_ in range(1, 5):
        producer = stage.producer(first)
        assert comes_true(lambda: len(stage.sent) > round_ * 60)  # noqa: B023
        stage.kill(producer)
        first = stage.sent[-1] + 1
    sent = stage.sent
    assert stage.all_done(len(sent))
    assert set(sent) <= set(stage.seen)
    assert -1 not in stage.seen
    assert stage.counts().sent - len(sent) <= 4, "of each life one at most was sent and not noted"
    stage.kill(consumer, 0)


def kill_both(stage: Stage, kills: int) -> None:
    chance = random.Random(5)
    first, producer, consumer = 0, stage.producer(pause_s=0.001), stage.consumer(work_s=0.001)
    for _ in range(kills):
        before = len(stage.seen)
        assert comes_true(lambda: len(stage.seen) > before + 5, 60)  # noqa: B023
        time.sleep(chance.uniform(0, 0.005))
        if chance.random() < 0.6:
            stage.kill(producer)
            first = stage.sent[-1] + 1
            producer = stage.producer(first, pause_s=0.001)
        if chance.random() < 0.6:
            stage.kill(consumer, 0)
            consumer = stage.consumer(work_s=0.001)
        assert stage.counts().closes
    stage.kill(producer)
    sent = stage.sent
    assert stage.all_done(len(sent))
    assert set(sent) <= set(stage.seen)
    assert -1 not in stage.seen
    assert stage.counts().closes


def test_both_ends_killed_lose_nothing(opening: Opening) -> None:
    kill_both(opening(), 5)


@pytest.mark.soak
@pytest.mark.timeout(900)
def test_both_ends_killed_two_hundred_times_lose_nothing(opening: Opening) -> None:
    kill_both(opening(), 200)


def test_of_two_replicas_one_dies_and_the_other_does_its_work(opening: Opening) -> None:
    stage = opening(replicas=2)
    dying, _ = stage.consumer(0, work_s=0.005), stage.consumer(1, work_s=0.005)
    stage.producer(count=200)
    assert comes_true(lambda: len(stage.seen) > 20)
    stage.kill(dying, 0)
    assert stage.all_done(200)
    assert sorted(set(stage.seen)) == list(range(200))
    assert len(stage.seen) - 200 <= stage.counts().redelivered <= 1


def test_a_stopped_replica_harms_nobody_once_it_is_killed(opening: Opening) -> None:
    """Wherever it stopped, in the middle of taking a message too, where the other replica waits for it."""
    stage = opening(replicas=2)
    stage.consumer(0)
    producer = stage.producer(pause_s=0.0005)
    chance = random.Random(6)
    for _ in range(4):
        stopped = stage.consumer(1)
        before = len(stage.seen)
        assert comes_true(lambda: len(stage.seen) > before + 50)  # noqa: B023
        time.sleep(chance.uniform(0, 0.003))
        stopped.send_signal(signal.SIGSTOP)
        began_s = time.monotonic()
        assert stage.counts().closes
        assert time.monotonic() - began_s < 1.0, "the owner does not wait for it"
        stage.kill(stopped, 1)
        before = len(stage.seen)
        assert comes_true(lambda: len(stage.seen) > before + 50)  # noqa: B023
    stage.kill(producer)
    assert stage.all_done(len(stage.sent))
    assert set(stage.sent) <= set(stage.seen)


def test_a_slow_consumer_slows_its_producer_and_gets_everything(opening: Opening) -> None:
    stage = opening(QoS.DURABLE(capacity=10))
    stage.consumer(work_s=0.01)
    producer = stage.producer(count=100)
    waiting = 0
    while producer.poll() is None:
        waiting = max(waiting, stage.counts().pending)
        time.sleep(0.005)
    assert waiting == 10
    assert stage.all_done(100)
    assert stage.seen == list(range(100))


def test_a_message_that_kills_its_readers_ends_as_a_dead_letter(opening: Opening) -> None:
    stage = opening(QoS.DURABLE(tries=2, backoff=0.01))
    stage.producer(count=30)
    for _ in range(2):
        consumer = stage.consumer(poison=7)
        assert consumer.wait(30) == -signal.SIGSEGV
        stage.log.forget(LINK, 0, "signal 11 (SIGSEGV)")
    stage.consumer(poison=7)
    assert stage.all_done(30)
    assert stage.seen == [*range(7), *range(8, 30)]
    [letter] = stage.letters.list(LINK)
    assert (letter.reason, letter.tries) == ("signal 11 (SIGSEGV)", 2)
    assert letter.message.endswith("/7")
    assert (stage.counts().dropped, stage.counts().closes) == ({"dead": 1}, True)


def test_a_file_survives_the_death_of_all(opening: Opening, tmp_path: Path) -> None:
    """The whole system is killed in the middle, three times over, and the next one finds everything."""
    file, first = tmp_path / "log", 0
    for _ in range(3):
        system = subprocess.Popen(
            [sys.executable, "-m", "tests.flow.channels.test_log_processes", str(tmp_path), str(first)],
            start_new_session=True,
        )
        before = len(noted(tmp_path / "seen"))
        assert comes_true(lambda: len(noted(tmp_path / "seen")) > before + 20, 30)  # noqa: B023
        os.killpg(system.pid, signal.SIGKILL)
        system.wait()
        first = noted(tmp_path / "sent")[-1] + 1
    stage = opening(file=file)
    found = stage.counts()
    assert found.sent == found.pending
    stage.consumer()
    assert stage.all_done(found.sent)
    assert set(stage.sent) <= set(stage.seen)
    assert -1 not in stage.seen
    assert stage.letters.list() == []


def whole_system(folder: Path, first: int) -> None:
    """Be the owner of a log on disk, with a producer and a slower consumer, until killed."""
    stage = Stage(folder, PATIENT, file=folder / "log")
    stage.producer(first, pause_s=0.001)
    stage.consumer(work_s=0.003)
    with contextlib.suppress(KeyboardInterrupt):
        signal.pause()


if __name__ == "__main__":
    whole_system(Path(sys.argv[1]), int(sys.argv[2]))
