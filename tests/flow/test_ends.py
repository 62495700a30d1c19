"""The end of a stream reaches those who take from it elsewhere: systems in parts, as on several hosts."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argus import QoS, System
from argus.flow import placement
from argus.flow.bench.redis_server import RedisServer
from argus.flow.local import LocalSystem
from argus.flow.qos import Promise
from tests.flow.test_local import NODES, kept, link, replica
from tests.ports import ports_in_a_row
from tests.sources.settling import comes_true

UNEVEN = """
from pathlib import Path
from argus import ProducerNode
from pydantic import BaseModel

class Count(ProducerNode):
    class Params(BaseModel):
        upto: str

    at = 0

    def loop(self):
        self.at += 1
        if self.replica == 0 or Path(self.params.upto).exists():
            self.finish()
        return {"n": self.at}
"""
ADDRESSES = "count=127.0.0.1,middle=127.0.0.1,other=127.0.0.1"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    monkeypatch.setattr(placement, "FIRST_PORT", ports_in_a_row())
    monkeypatch.setenv(placement.HOSTS, ADDRESSES)
    return tmp_path


def counted(folder: Path, qos: Promise, broker: str | None = None, **details: Any) -> System:
    """Return a system of a node that counts and one that writes down what it gets."""
    made = System(f"t-ends-{os.getpid()}", script=str(folder / "main.py"), broker=broker)
    source = made.node("nodes/count", upto=details.pop("upto", 20), fps=details.pop("fps", 100), **details)
    made.link(source).to(made.node("nodes/keep", file=str(folder / "kept")), qos=qos)
    return made


def states(part: LocalSystem) -> list[str]:
    return [replica.state for node in part.status().nodes for replica in node.replicas]


def test_a_stream_over_tcp_ends_for_who_takes_it_elsewhere(
    folder: Path, part: Callable[..., LocalSystem]
) -> None:
    system = counted(folder, QoS.REALTIME)
    taking, giving = part(system, "keep"), part(system, "count")
    assert giving.over.wait(20)
    assert taking.over.wait(10)
    assert kept(folder)[-1] == 19
    assert states(taking) == states(giving) == ["finished"]
    counts = link(giving.status(), "count->keep").counts
    assert counts.closes
    assert counts.sent == 20


def test_a_stream_over_redis_ends_for_who_takes_it_elsewhere(
    folder: Path, part: Callable[..., LocalSystem], redis: RedisServer
) -> None:
    system = counted(folder, QoS.DURABLE, redis.url)
    taking, giving = part(system, "keep"), part(system, "count")
    assert giving.over.wait(20)
    assert taking.over.wait(10)
    assert kept(folder) == list(range(20))
    assert states(taking) == ["finished"]


def test_who_comes_to_redis_after_the_end_has_everything_and_ends(
    folder: Path, part: Callable[..., LocalSystem], redis: RedisServer
) -> None:
    system = counted(folder, QoS.DURABLE, redis.url)
    assert part(system, "count").over.wait(20)
    assert part(system, "keep").over.wait(20)
    assert kept(folder) == list(range(20))


def test_an_end_that_was_had_is_none_for_the_next_run(
    folder: Path, part: Callable[..., LocalSystem], redis: RedisServer
) -> None:
    system = counted(folder, QoS.DURABLE, redis.url)
    for run in (1, 2):
        taking = part(system, "keep")
        assert comes_true(lambda t=taking: states(t) == ["running"], within_s=10)  # type: ignore[misc]
        giving = part(system, "count")
        assert giving.over.wait(20)
        assert taking.over.wait(10)
        assert kept(folder) == list(range(20)) * run
        taking.close()
        giving.close()


@pytest.mark.parametrize("durable", [False, True], ids=["tcp", "redis"])
def test_all_replicas_of_a_producer_must_have_ended(
    folder: Path, part: Callable[..., LocalSystem], redis: RedisServer, durable: bool
) -> None:
    qos = QoS.DURABLE if durable else QoS.REALTIME
    (folder / "nodes" / "count" / "node.py").write_text(UNEVEN)
    go = folder / "go"
    system = counted(folder, qos, redis.url, replicas=2, upto=str(go), fps=50)
    taking, giving = part(system, "keep"), part(system, "count")
    assert comes_true(lambda: replica(giving, "count", 0).state == "finished", within_s=20)
    seen = len(kept(folder))
    assert comes_true(lambda: len(kept(folder)) > seen + 50, within_s=20)
    assert not taking.over.is_set()
    go.touch()
    assert giving.over.wait(20)
    assert taking.over.wait(10)


@pytest.mark.parametrize("durable", [False, True], ids=["tcp", "redis"])
def test_a_producer_that_dies_is_no_end(
    folder: Path, part: Callable[..., LocalSystem], redis: RedisServer, durable: bool
) -> None:
    system = counted(folder, QoS.DURABLE if durable else QoS.REALTIME, redis.url, upto=100)
    taking, giving = part(system, "keep"), part(system, "count")
    assert comes_true(lambda: len(kept(folder)) > 5, within_s=20)
    pid = replica(giving, "count").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    # It begins to count again, and ends then.
    assert giving.over.wait(20)
    assert taking.over.wait(10)
    assert kept(folder)[-1] == 99
    assert sorted(kept(folder)) != kept(folder)
    assert replica(giving, "count").restarts == 1
    assert replica(taking, "keep").restarts == 0


@pytest.mark.parametrize("durable", [False, True], ids=["tcp", "redis"])
def test_a_part_that_is_stopped_is_no_end_for_the_others(
    folder: Path, part: Callable[..., LocalSystem], redis: RedisServer, durable: bool
) -> None:
    qos = QoS.DURABLE if durable else QoS.REALTIME
    taking = part(counted(folder, qos, redis.url), "keep")
    giving = part(counted(folder, qos, redis.url, upto=100_000), "count")
    assert comes_true(lambda: len(kept(folder)) > 5, within_s=20)
    giving.close()
    seen = len(kept(folder))
    again = part(counted(folder, qos, redis.url, upto=30), "count")
    assert again.over.wait(20)
    assert taking.over.wait(10)
    assert len(kept(folder)) > seen
    assert kept(folder)[-1] == 29


@pytest.mark.parametrize("durable", [False, True], ids=["tcp", "redis"])
def test_an_end_goes_on_from_part_to_part(
    folder: Path, part: Callable[..., LocalSystem], redis: RedisServer, durable: bool
) -> None:
    qos = QoS.DURABLE if durable else QoS.REALTIME
    system = System(f"t-ends-{os.getpid()}", script=str(folder / "main.py"), broker=redis.url)
    source, other = (
        system.node("nodes/count", upto=20, fps=100),
        system.node("nodes/count", name="other", upto=40, fps=100),
    )
    middle = system.node("nodes/keep", name="middle", file=str(folder / "middle"))
    last = system.node("nodes/keep", name="last", file=str(folder / "kept"))
    system.link(source).to(middle, qos=qos).to(last, qos=qos)
    system.link(other).to(last, qos=qos)
    # The last takes from here and from elsewhere.
    parts = [part(system, "last", "other"), part(system, "middle"), part(system, "count")]
    for running in parts:
        assert running.over.wait(30)
    assert kept(folder)[-1] in {19, 39}
    assert {19, 39} <= set(kept(folder))


def test_a_node_that_is_always_started_again_ends_its_stream_when_its_inputs_have(
    folder: Path, part: Callable[..., LocalSystem]
) -> None:
    system = System(f"t-ends-{os.getpid()}", script=str(folder / "main.py"))
    source = system.node("nodes/count", upto=20, fps=100)
    middle = system.node("nodes/keep", name="middle", file=str(folder / "middle"), restart="always")
    last = system.node("nodes/keep", name="last", file=str(folder / "kept"))
    system.link(source).to(middle, qos=QoS.DURABLE).to(last, qos=QoS.REALTIME)
    taking, giving = part(system, "last"), part(system, "count", "middle")
    assert giving.over.wait(20)
    assert taking.over.wait(10)
    assert kept(folder)[-1] == 19
