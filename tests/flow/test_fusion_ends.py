"""Fusions on a bad day: partners that are late are waited for, those that never come are not."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from argus import QoS, System
from argus.flow import placement
from argus.flow.local import LocalSystem
from argus.flow.qos import Promise
from argus.processes.policy import RestartPolicy
from tests.flow.killing import kill_at_work
from tests.flow.test_local import link, replica
from tests.ports import ports_in_a_row
from tests.sources.settling import comes_true

TIMED = """
from pydantic import BaseModel
from argus import ProducerNode

class Timed(ProducerNode):
    class Params(BaseModel):
        upto: int

    at = 0

    def loop(self):
        if self.at == self.params.upto:
            self.finish()
        self.at += 1
        self.send({"n": self.at}, time_s=float(self.at))
"""
PAIR = """
import os, signal, time
from pydantic import BaseModel
from argus import FusionNode

class Pair(FusionNode):
    class Params(BaseModel):
        file: str
        kills: list[int] = []
        fails: list[int] = []
        takes: float = 0.0

    slop = 0.001

    def loop(self, data):
        if data["left"]["n"] in self.params.kills:
            os.kill(os.getpid(), signal.SIGSEGV)
        if data["left"]["n"] in self.params.fails:
            raise ValueError("poison")
        with open(self.params.file, "a") as file:
            time.sleep(self.params.takes)
            file.write(f"{data['left']['n']} {data['right']['n']}\\n")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "timed.py").write_text(TIMED)
    (tmp_path / "pair.py").write_text(PAIR)
    monkeypatch.setattr(placement, "FIRST_PORT", ports_in_a_row())
    monkeypatch.setenv(placement.HOSTS, "left=127.0.0.1,right=127.0.0.1")
    return tmp_path


def paired(
    folder: Path,
    qos: Promise,
    broker: str | None,
    *,
    upto: tuple[int, int],
    fps: tuple[int, int] = (200, 20),
    **how: Any,
) -> System:
    system = System(f"t-pair-{os.getpid()}", script=str(folder / "main.py"), broker=broker)
    soon = RestartPolicy(longest_s=0.2)
    pair = system.node("pair.py", file=str(folder / "pairs"), restart=soon, **how)
    for name, count, rate in zip(("left", "right"), upto, fps, strict=True):
        system.link(system.node("timed.py", name=name, upto=count, fps=rate)).to(pair, qos=qos)
    return system


def pairs(folder: Path) -> list[str]:
    file = folder / "pairs"
    return file.read_text().splitlines() if file.is_file() else []


@pytest.mark.parametrize("where", ["log", "redis"])
def test_sets_that_kill_their_fusion_take_no_other_along(
    folder: Path, part: Callable[..., LocalSystem], where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    running = part(paired(folder, QoS.DURABLE(tries=2, backoff=0.05), broker, upto=(20, 20), kills=[4, 7]))
    assert running.over.wait(60)
    assert pairs(folder) == [f"{n} {n}" for n in range(1, 21) if n not in {4, 7}]
    for one in ("left->pair", "right->pair"):
        counts = link(running.status(), one).counts
        assert counts.closes
        assert (counts.delivered, counts.dropped, counts.pending) == (18, {"dead": 2}, 0)
    assert replica(running, "pair").restarts == 4


@pytest.mark.parametrize("where", ["log", "redis"])
def test_a_set_that_fails_is_tried_again_and_takes_no_other_along(
    folder: Path, part: Callable[..., LocalSystem], where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    running = part(paired(folder, QoS.DURABLE(tries=3, backoff=0.05), broker, upto=(60, 60), fails=[4, 7]))
    assert running.over.wait(60)
    assert pairs(folder) == [f"{n} {n}" for n in range(1, 61) if n not in {4, 7}]
    for one in ("left->pair", "right->pair"):
        counts = link(running.status(), one).counts
        assert counts.closes
        assert (counts.delivered, counts.dropped, counts.redelivered) == (58, {"dead": 2}, 4)


@pytest.mark.parametrize("where", ["log", pytest.param("redis", marks=pytest.mark.soak)])
def test_a_fusion_killed_at_any_moment_loses_no_set_and_blames_none(
    folder: Path, part: Callable[..., LocalSystem], where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    running = part(
        paired(folder, QoS.DURABLE(tries=2, backoff=0.05), broker, upto=(80, 80), fps=(60, 50), takes=0.02)
    )
    kill_at_work(running, [("pair", 0)], lambda: len(pairs(folder)), times=5)
    assert running.over.wait(30)
    assert set(pairs(folder)) == {f"{n} {n}" for n in range(1, 81)}
    for one in ("left->pair", "right->pair"):
        counts = link(running.status(), one).counts
        assert counts.closes
        assert (counts.delivered, counts.dropped, counts.pending) == (80, {}, 0)
        assert counts.redelivered <= 5


@pytest.mark.parametrize("where", ["tcp", "redis"])
def test_a_fusion_of_streams_from_elsewhere_ends_though_some_have_no_partner(
    folder: Path, part: Callable[..., LocalSystem], where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    qos = QoS.DURABLE if where == "redis" else QoS.REALTIME
    system = paired(folder, qos, broker, upto=(12, 7))
    taking = part(system, "pair", "right")
    assert comes_true(lambda: replica(taking, "pair").state == "running", within_s=20)
    giving = part(system, "left")
    assert giving.over.wait(30)
    assert taking.over.wait(20)
    counts = link(giving.status(), "left->pair").counts
    assert (counts.closes, counts.pending) == (True, 0)
    if where == "redis":
        assert pairs(folder) == [f"{n} {n}" for n in range(1, 8)]
        assert counts.delivered == 12


SLOW = """
import time
from argus import ConsumerNode

class Slow(ConsumerNode):
    def loop(self, data):
        time.sleep(0.5)
        return data
"""
SELDOM = """
from argus import ConsumerNode

class Seldom(ConsumerNode):
    def loop(self, data):
        return data if data["n"] % 10 == 0 else None
"""


@pytest.mark.parametrize(
    ("where", "room"), [("log", {"capacity": 4}), ("log", {"max_bytes": 2000}), ("redis", {"capacity": 4})]
)
def test_a_link_that_is_full_of_what_waits_does_not_stop_its_sender_for_ever(
    folder: Path,
    part: Callable[..., LocalSystem],
    where: str,
    room: dict[str, int],
    request: pytest.FixtureRequest,
) -> None:
    """What `left` lacks comes only after more messages than `right` has room for, from the same sender."""
    (folder / "seldom.py").write_text(SELDOM)
    (folder / "pair.py").write_text(PAIR.replace("slop = 0.001", "slop = 0.001\n    grace = 0.1"))
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    system = System(f"t-full-{os.getpid()}", script=str(folder / "main.py"), broker=broker)
    cam = system.node("timed.py", name="cam", upto=40, fps=40)
    pair = system.node("pair.py", file=str(folder / "pairs"))
    system.link(cam).to(system.node("seldom.py"), qos=QoS.DURABLE).to(pair, qos=QoS.DURABLE, input="left")
    system.link(cam).to(pair, qos=QoS.DURABLE(**room), input="right")
    running = part(system)
    assert running.over.wait(60)
    assert set(pairs(folder)) <= {f"{n} {n}" for n in range(10, 41, 10)}
    assert pairs(folder)
    counts = next(
        one.counts for one in running.status().links if one.target == "pair" and one.source == "cam"
    )
    assert (counts.sent, counts.delivered, counts.pending) == (40, 40, 0)


def test_a_partner_that_is_only_slow_is_waited_for_though_its_link_is_full(
    folder: Path, part: Callable[..., LocalSystem]
) -> None:
    (folder / "slow.py").write_text(SLOW)
    (folder / "pair.py").write_text(PAIR.replace("slop = 0.001", "slop = 0.001\n    grace = 0.2"))
    system = System(f"t-slow-{os.getpid()}", script=str(folder / "main.py"))
    cam = system.node("timed.py", name="cam", upto=8, fps=50)
    pair = system.node("pair.py", file=str(folder / "pairs"))
    system.link(cam).to(system.node("slow.py"), qos=QoS.DURABLE).to(pair, qos=QoS.DURABLE, input="left")
    system.link(cam).to(pair, qos=QoS.DURABLE(capacity=2), input="right")
    assert part(system).over.wait(60)
    assert pairs(folder) == [f"{n} {n}" for n in range(1, 9)]
