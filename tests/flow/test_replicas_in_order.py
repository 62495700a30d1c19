"""DURABLE links behind replicas: whoever must have things in order gets them so, on a bad day too."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argus import QoS, System
from argus.flow.local import LocalSystem
from argus.processes.policy import RestartPolicy
from tests.flow.killing import kill_at_work
from tests.flow.test_local import NODES, kept, link

UNEVEN = """
import random, time
from pydantic import BaseModel
from argus import ConsumerNode

class Uneven(ConsumerNode):
    class Params(BaseModel):
        raises: int = -1
        every: int = 1

    def loop(self, data):
        time.sleep(random.uniform(0.0, 0.02))
        if data["n"] == self.params.raises and self.message.tries == 1:
            raise ValueError("not yet")
        return data if data["n"] % self.params.every == 0 else None
"""


BOTH = """
from pydantic import BaseModel
from argus import FusionNode

class Both(FusionNode):
    class Params(BaseModel):
        file: str

    slop = 0.0

    def loop(self, data):
        with open(self.params.file, "a") as file:
            file.write(f"{data['uneven']['n']} {data['count']['n']}\\n")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {**NODES, "uneven": UNEVEN, "both": BOTH}.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    return tmp_path


def uneven(folder: Path, broker: str | None, *, upto: int, lateness: float = 5.0, **params: Any) -> System:
    system = System(f"t-order-{os.getpid()}", script=str(folder / "main.py"), broker=broker)
    soon = RestartPolicy(longest_s=0.2)
    durable = QoS.DURABLE(backoff=0.05)
    middle = system.node("nodes/uneven", replicas=3, restart=soon, **params)
    last = system.node("nodes/keep", file=str(folder / "kept"))
    system.link(system.node("nodes/count", upto=upto)).to(middle, qos=durable)
    system.link(middle).to(last, qos=durable(ordered=True, lateness=lateness))
    return system


@pytest.mark.parametrize("where", ["log", "redis"])
def test_what_uneven_replicas_hand_on_comes_in_order(
    folder: Path, part: Callable[..., LocalSystem], where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    running = part(uneven(folder, broker, upto=150))
    assert running.over.wait(60)
    assert kept(folder) == list(range(150))
    counts = link(running.status(), "uneven->keep").counts
    assert (counts.closes, counts.delivered, counts.redelivered) == (True, 150, 0)


@pytest.mark.parametrize("where", ["log", "redis"])
def test_a_fusion_behind_replicas_finds_every_pair(
    folder: Path, part: Callable[..., LocalSystem], where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    system = System(f"t-both-{os.getpid()}", script=str(folder / "main.py"), broker=broker)
    durable = QoS.DURABLE(ordered=True, lateness=5.0)
    source = system.node("nodes/count", upto=150)
    both = system.node("nodes/both", file=str(folder / "kept"))
    system.link(source).to(system.node("nodes/uneven", replicas=3), qos=QoS.DURABLE).to(both, qos=durable)
    system.link(source).to(both, qos=QoS.DURABLE)
    running = part(system)
    assert running.over.wait(60)
    assert (folder / "kept").read_text().splitlines() == [f"{n} {n}" for n in range(150)]


def test_what_was_tried_again_comes_in_its_place(folder: Path, part: Callable[..., LocalSystem]) -> None:
    running = part(uneven(folder, None, upto=60, raises=20))
    assert running.over.wait(60)
    assert kept(folder) == list(range(60))


def test_replicas_that_leave_most_out_are_not_waited_for_long(
    folder: Path, part: Callable[..., LocalSystem]
) -> None:
    running = part(uneven(folder, None, upto=60, every=5, lateness=0.3))
    assert running.over.wait(60)
    assert sorted(kept(folder)) == list(range(0, 60, 5))


@pytest.mark.parametrize("where", ["log", pytest.param("redis", marks=pytest.mark.soak)])
def test_replicas_and_the_last_one_killed_at_any_moment_lose_nothing(
    folder: Path, part: Callable[..., LocalSystem], where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    running = part(uneven(folder, broker, upto=1000, lateness=1.0))
    victims = [("uneven", 0), ("uneven", 1), ("keep", 0)]
    kill_at_work(running, victims, lambda: len(kept(folder)), times=5, each=10)
    assert running.over.wait(60)
    assert set(kept(folder)) == set(range(1000))
    counts = link(running.status(), "uneven->keep").counts
    assert counts.closes
    assert (counts.dropped, counts.pending) == ({}, 0)
