"""DURABLE over Redis between real processes that are killed at random points: everything at least once."""

from __future__ import annotations

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import numpy as np
import pytest

from argus.flow.bench.redis_server import RedisServer
from argus.flow.channels.redis_channel import RedisChannel
from argus.flow.graph import Broker
from argus.flow.qos import Durable, QoS
from tests.conftest import need
from tests.flow.channels.contract import put
from tests.flow.channels.redis_child import Job
from tests.flow.channels.redis_ends import RedisWire
from tests.sources.settling import comes_true


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    need(RedisServer.there(), "no redis-server here: apt install redis-server")
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


class _Child:
    """An end in a process of its own; killed when the test ends."""

    def __init__(self, what: str, job: Job, log: Path) -> None:
        self._what, self._job, self.log = what, job, log
        log.touch()
        self.start()

    def start(self, first: int = 0) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.flow.channels.redis_child", self._what, str(self.log)],
            stdin=subprocess.PIPE,
            cwd=Path(__file__).parents[3],
        )
        assert self.process.stdin is not None
        self.process.stdin.write(msgspec.json.encode(msgspec.structs.replace(self._job, first=first)))
        self.process.stdin.close()

    def numbers(self) -> list[int]:
        # A kill leaves a whole line or none: each is written at once.
        return [int(line) for line in self.log.read_text().split()]

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


def _without_receivers(redis: RedisServer, qos: Durable, replicas: int = 1) -> RedisWire:
    wire = RedisWire(Broker(control=redis.url), qos, replicas)
    for end in wire.ends:
        end.close()
    wire.ends.clear()
    return wire


def _kill_consumers(
    redis: RedisServer,
    tmp_path: Path,
    *,
    replicas: int,
    kills: int,
    size: int,
    seed: int,
    pause_s: float = 0.0005,
) -> int:
    chance = random.Random(seed)
    wire = RedisWire(
        Broker(control=redis.url), QoS.DURABLE(tries=100, backoff=0.001, capacity=2000), replicas
    )
    for end in wire.ends:
        end.close()
    wire.ends.clear()
    for index in range(1000):
        put(wire, index, {"n": index, "ballast": np.zeros(size, np.uint8)})
    wire.sender.flush()
    job = Job(spec=wire.channel.spec, pause_s=pause_s)
    consumers = [
        _Child("consume", msgspec.structs.replace(job, replica=replica), tmp_path / f"{replica}.log")
        for replica in range(replicas)
    ]

    def done() -> bool:
        return wire.channel.counts()["a->b"].pending == 0

    killed = 0
    try:
        while killed < kills:
            replica = chance.randrange(replicas)
            consumer = consumers[replica]
            before = len(consumer.numbers())
            assert comes_true(lambda c=consumer, b=before: len(c.numbers()) > b or done())  # type: ignore[misc]
            if done():
                break
            time.sleep(chance.random() * 0.03)
            consumer.kill()
            killed += 1
            wire.channel.forget("a->b", replica, "signal 9 (SIGKILL)")
            consumer.start()
        assert comes_true(done, 60.0)
    finally:
        for consumer in consumers:
            consumer.kill()
    seen = [number for consumer in consumers for number in consumer.numbers()]
    assert set(seen) == set(range(1000))
    duplicates = len(seen) - 1000
    assert duplicates <= killed, f"{duplicates} duplicates after {killed} kills"
    counts = wire.counts()
    assert counts.closes
    assert (counts.sent, counts.delivered, counts.dropped) == (1000, 1000, {})
    assert duplicates <= counts.redelivered <= killed
    wire.close()
    return killed


def test_a_consumer_killed_at_random_points_loses_nothing(redis: RedisServer, tmp_path: Path) -> None:
    _kill_consumers(redis, tmp_path, replicas=1, kills=4, size=0, seed=1)


@pytest.mark.soak
def test_two_replicas_killed_at_random_points_lose_nothing(redis: RedisServer, tmp_path: Path) -> None:
    _kill_consumers(redis, tmp_path, replicas=2, kills=4, size=10_000, seed=2)


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(10))
def test_consumers_killed_sixty_times_lose_nothing(redis: RedisServer, tmp_path: Path, seed: int) -> None:
    replicas, size = 1 + seed % 3, [0, 20_000][seed % 2]
    killed = _kill_consumers(redis, tmp_path, replicas=replicas, kills=60, size=size, seed=seed, pause_s=0.05)
    assert killed > 40


def _kill_producers(redis: RedisServer, tmp_path: Path, *, kills: int, size: int, seed: int) -> None:
    chance = random.Random(seed)
    wire = RedisWire(Broker(control=redis.url), QoS.DURABLE(capacity=1_000_000, max_bytes=1 << 32))
    for end in wire.ends:
        end.close()
    wire.ends.clear()
    producer = _Child(
        "produce", Job(spec=wire.channel.spec, last=10_000_000, size=size), tmp_path / "sent.log"
    )
    try:
        for _ in range(kills):
            before = len(producer.numbers())
            assert comes_true(lambda b=before: len(producer.numbers()) > b)  # type: ignore[misc]
            time.sleep(chance.random() * 0.05)
            producer.kill()
            sent = producer.numbers()
            producer.start(first=sent[-1] + 1)
    finally:
        producer.kill()
    sent = producer.numbers()
    consumer = _Child("consume", Job(spec=wire.channel.spec), tmp_path / "seen.log")
    try:
        assert comes_true(lambda: wire.channel.counts()["a->b"].pending == 0, 60.0)
    finally:
        consumer.kill()
    seen = consumer.numbers()
    assert set(sent) <= set(seen)
    # What it was about to write to its log when it was killed is one message each time.
    assert len(seen) - len(sent) <= kills + 1
    assert wire.channel.counts()["a->b"].closes
    wire.channel.close()


def test_what_a_killed_producer_had_sent_is_delivered(redis: RedisServer, tmp_path: Path) -> None:
    _kill_producers(redis, tmp_path, kills=3, size=0, seed=1)


@pytest.mark.soak
@pytest.mark.parametrize("size", [0, 3000, 100_000])
def test_what_a_producer_killed_sixty_times_had_sent_is_delivered(
    redis: RedisServer, tmp_path: Path, size: int
) -> None:
    _kill_producers(redis, tmp_path, kills=60, size=size, seed=size)


def test_a_message_that_kills_its_process_is_a_dead_letter_and_the_rest_flows(
    redis: RedisServer, tmp_path: Path
) -> None:
    wire = _without_receivers(redis, QoS.DURABLE(tries=2, backoff=0.01))
    for number in (0, 1, -1, 3, 4):
        put(wire, number, {"n": number})
    wire.sender.flush()
    consumer = _Child("consume", Job(spec=wire.channel.spec), tmp_path / "seen.log")
    try:
        for _ in range(2):
            assert consumer.process.wait(20.0) == -11
            wire.channel.forget("a->b", 0, "signal 11 (SIGSEGV)")
            consumer.start()
        assert comes_true(lambda: wire.channel.counts()["a->b"].pending == 0)
    finally:
        consumer.kill()
    assert consumer.numbers() == [0, 1, 3, 4]
    assert wire.dead() == [("signal 11 (SIGSEGV)", 2)]
    assert wire.counts().closes
    wire.close()


def test_a_process_that_only_defines_a_channel_loads_no_redis_client() -> None:
    code = (
        "import sys, argus.flow.channels.redis_channel, argus.flow.channels.redis_receiver, "
        "argus.flow.channels.redis_sender; print([m for m in sys.modules if m.split('.')[0] == 'redis'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.soak
def test_a_redis_killed_again_and_again_loses_a_second_each_time_at_most(tmp_path: Path) -> None:
    need(RedisServer.there(), "no redis-server here: apt install redis-server")
    chance = random.Random(3)
    with RedisServer(tmp_path / "killed") as server:
        channel = RedisChannel.create("killed", "a->b", QoS.DURABLE, 1, Broker(control=server.url))
        job = Job(spec=channel.spec, last=3000, pause_s=0.005)
        producer = _Child("produce", job, tmp_path / "sent.log")
        consumer = _Child("consume", Job(spec=channel.spec), tmp_path / "seen.log")
        try:
            for _ in range(6):
                time.sleep(2.0 + chance.random())
                server.kill()
                time.sleep(chance.random())
                server.start()
            assert producer.process.wait(120.0) == 0
            assert comes_true(lambda: channel.counts()["a->b"].pending == 0, 60.0)
        finally:
            producer.kill()
            consumer.kill()
            channel.close()
        lost = set(producer.numbers()) - set(consumer.numbers())
        assert len(lost) <= 6 * 2 / 0.005 / 2
        assert max(consumer.numbers()) == 2999
