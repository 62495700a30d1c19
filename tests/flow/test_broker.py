"""Whole systems whose DURABLE links go through a real Redis."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from argus import QoS, System
from argus.flow.bench.redis_server import RedisServer
from argus.flow.control import Control
from argus.flow.local import LocalSystem
from argus.flow.system import run
from tests.flow.test_local import NODES, kept, link, replica
from tests.sources.settling import comes_true


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    return tmp_path


def system(name: str, folder: Path, redis: RedisServer, *, upto: int = 40, **params: Any) -> System:
    promise = params.pop("qos", QoS.DURABLE)
    made = System(f"{name}-{os.getpid()}", script=str(folder / "main.py"), broker=redis.url)
    source = made.node("nodes/count", upto=upto, at_end=params.pop("at_end", 0.0))
    sink = made.node("nodes/keep", file=str(folder / "kept"), **params)
    made.link(source).to(sink, qos=promise)
    return made


def test_a_system_over_redis_gives_everything_and_ends(folder: Path, redis: RedisServer) -> None:
    assert run(system("t-redis", folder, redis)) == 0
    assert kept(folder) == list(range(40))


def test_a_killed_consumer_loses_nothing_over_redis(folder: Path, redis: RedisServer) -> None:
    promise = QoS.DURABLE(tries=50, backoff=0.0)
    with LocalSystem(system("t-kill", folder, redis, upto=80, takes=0.01, qos=promise).graph()) as running:
        for least in (10, 30):
            assert comes_true(lambda least=least: len(kept(folder)) > least, within_s=20)  # type: ignore[misc]
            pid = replica(running, "keep").pid
            if pid is not None:
                os.kill(pid, signal.SIGKILL)
        assert running.over.wait(40)
        assert set(kept(folder)) == set(range(80))
        counts = link(running.status(), "count->keep").counts
        assert counts.closes
        assert counts.delivered == 80
        assert link(running.status(), "count->keep").transport == "redis"


def test_a_restarted_redis_is_waited_for_and_nodes_say_so(folder: Path, redis: RedisServer) -> None:
    made = system("t-restart", folder, redis, upto=100_000, takes=0.005)
    with LocalSystem(made.graph()) as running:
        assert comes_true(lambda: len(kept(folder)) > 10, within_s=20)
        redis.kill()
        assert comes_true(lambda: replica(running, "keep").state == "waiting", within_s=20)
        assert replica(running, "keep").reason
        redis.start()
        seen = len(kept(folder))
        assert comes_true(lambda: len(kept(folder)) > seen + 20, within_s=30)
        assert comes_true(lambda: replica(running, "keep").state == "running", within_s=10)


def test_dead_letters_over_redis_are_listed_and_replayed(folder: Path, redis: RedisServer) -> None:
    promise = QoS.DURABLE(tries=2, backoff=0.01)
    made = system("t-dead", folder, redis, upto=4, raises=2, at_end=60.0, qos=promise)
    with LocalSystem(made.graph()) as running:
        assert comes_true(lambda: kept(folder) == [0, 1, 3], within_s=20)
        control = Control(running.graph.name)
        assert comes_true(lambda: len(control.dead()) == 1)
        [letter] = control.dead("count->keep")
        assert "ValueError: poison" in letter.reason
        control.set("keep", {"raises": -1})
        assert control.replay("count->keep") == 1
        assert comes_true(lambda: kept(folder)[-1] == 2, within_s=10)
        assert control.dead() == []


def test_two_systems_on_one_redis_never_see_each_other(folder: Path, redis: RedisServer) -> None:
    (folder / "b").mkdir()
    one = system("t-one", folder, redis, upto=10)
    other = System(f"t-other-{os.getpid()}", script=str(folder / "main.py"), broker=redis.url)
    source = other.node("nodes/count", upto=5)
    other.link(source).to(other.node("nodes/keep", file=str(folder / "b" / "kept")), qos=QoS.DURABLE)
    assert run(one, other) == 0
    assert kept(folder) == list(range(10))
    assert kept(folder / "b") == list(range(5))
