"""Systems over a Redis that is cut off, black-holed, slowed, restarted: they say so and lose nothing."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argus import QoS, System
from argus.flow.bench.redis_server import RedisServer
from argus.flow.dead_letters import DeadLetters
from argus.flow.home import dead_of
from argus.flow.letter_box import LetterBox
from argus.flow.local import LocalSystem
from argus.processes.policy import RestartPolicy
from tests.flow.channels.network import Network
from tests.flow.test_local import NODES, kept, link, replica
from tests.sources.settling import comes_true


@pytest.fixture
def network(redis: RedisServer) -> Iterator[Network]:
    with Network(redis.port) as made:
        yield made


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    return tmp_path


def through(network: Network, folder: Path, *, upto: int, tries: int = 3, **params: Any) -> System:
    made = System(
        f"t-weather-{os.getpid()}",
        script=str(folder / "main.py"),
        broker=f"redis://127.0.0.1:{network.port}/0",
    )
    source = made.node("nodes/count", upto=upto, fps=100)
    soon = RestartPolicy(longest_s=0.2)
    sink = made.node("nodes/keep", file=str(folder / "kept"), restart=soon, **params)
    made.link(source).to(sink, qos=QoS.DURABLE(tries=tries, backoff=0.01, capacity=100))
    return made


@pytest.mark.parametrize("weather", ["cut", pytest.param("half-open", marks=pytest.mark.soak), "stalled"])
def test_a_system_says_that_it_waits_and_resumes(folder: Path, network: Network, weather: Any) -> None:
    with LocalSystem(through(network, folder, upto=300).graph()) as running:
        assert comes_true(lambda: len(kept(folder)) > 30, within_s=20)
        network.weather = weather
        assert comes_true(lambda: replica(running, "keep").state == "waiting", within_s=20)
        assert replica(running, "keep").reason
        seen = len(kept(folder))
        network.weather = "fair"
        assert comes_true(lambda: len(kept(folder)) > seen, within_s=30)
        assert comes_true(lambda: replica(running, "keep").state in {"running", "finished"}, within_s=10)
        assert running.over.wait(60)
        counts = link(running.status(), "count->keep").counts
    assert list(dict.fromkeys(kept(folder))) == list(range(300))
    assert (counts.closes, counts.delivered, counts.dropped) == (True, 300, {})


def test_a_slow_way_to_redis_only_takes_longer(folder: Path, network: Network) -> None:
    network.bytes_per_s = 20_000
    with LocalSystem(through(network, folder, upto=100).graph()) as running:
        assert comes_true(lambda: len(kept(folder)) == 100, within_s=60)
        network.bytes_per_s = None
        assert running.over.wait(60)
    assert kept(folder) == list(range(100))


@pytest.mark.soak
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", range(3))
def test_a_thousand_frames_come_through_all_weathers_but_those_that_are_poison(
    folder: Path, redis: RedisServer, network: Network, seed: int
) -> None:
    chance = random.Random(seed)
    system = through(network, folder, upto=1000, tries=3, takes=0.02, kills=200, raises=400)
    with LocalSystem(system.graph()) as running:
        while len(kept(folder)) < 900:
            assert not running.over.is_set()
            time.sleep(chance.uniform(0.2, 2.0))
            what = chance.choice(["cut", "half-open", "stalled", "slow", "restart"])
            if what == "restart":
                redis.stop()
                time.sleep(chance.random())
                redis.start()
            elif what == "slow":
                network.bytes_per_s = 20_000
                time.sleep(chance.uniform(0.5, 2.0))
                network.bytes_per_s = None
            else:
                network.weather = what  # type: ignore[assignment]  # one of them
                time.sleep(chance.uniform(0.1, 5.0))
                network.weather = "fair"
            seen = len(kept(folder))
            assert comes_true(lambda s=seen: len(kept(folder)) > s or running.over.is_set(), 60.0)  # type: ignore[misc]
        assert running.over.wait(120)
        counts = link(running.status(), "count->keep").counts
        reasons = sorted(letter.reason.splitlines()[-1] for letter in LetterBox(system.name).list())
    assert set(kept(folder)) == set(range(1000)) - {200, 400}
    assert counts.closes
    assert (counts.sent, counts.delivered, counts.dropped) == (1000, 998, {"dead": 2})
    assert reasons[0] == "ValueError: poison"
    assert "SIGSEGV" in reasons[1]
    assert DeadLetters(dead_of(system.name)).list() == []
