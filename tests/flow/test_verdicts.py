"""Params that only the node itself can judge: what it says is the answer, in all replicas or in none."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from argus import QoS, System
from argus.flow.control import Control, RequestRefused, SystemNotRunning
from argus.flow.local import LocalSystem
from argus.flow.naming import SystemUnclear
from argus.flow.placement import HOSTS
from tests.flow.test_local import NODES, kept, replica
from tests.sources.settling import comes_true

CHOOSY = """
import time
from argus import SinkNode
from pydantic import BaseModel

class Choosy(SinkNode):
    class Params(BaseModel):
        file: str
        model: str = "small"
        setup_fails: str = ""
        takes: float = 0.0

    def setup(self):
        from pathlib import Path
        if self.params.setup_fails and not Path(self.params.setup_fails).exists():
            raise RuntimeError("no device")

    def loop(self, data):
        with open(self.params.file, "a") as file:
            file.write(f"{data['n']} {self.params.model} {self.replica}\\n")
        time.sleep(self.params.takes)

    def on_params(self, changed):
        if self.params.model == "huge" and self.replica == 1:
            raise MemoryError("huge needs 40 GB")
        if self.params.model == "none":
            raise FileNotFoundError("there is no model none")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in {**NODES, "choosy": CHOOSY}.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    return tmp_path


def choosy(folder: Path, *, replicas: int = 1, **params: Any) -> System:
    made = System(f"t-verdict-{os.getpid()}", script=str(folder / "main.py"))
    source = made.node("nodes/count", upto=100_000, fps=50)
    sink = made.node("nodes/choosy", file=str(folder / "kept"), replicas=replicas, **params)
    made.link(source).to(sink, qos=QoS.REALTIME)
    return made


@pytest.fixture
def two(folder: Path) -> Iterator[LocalSystem]:
    with LocalSystem(choosy(folder, replicas=2, takes=0.03).graph()) as running:
        assert comes_true(lambda: used(folder) == {("small", "0"), ("small", "1")}, within_s=15)
        yield running


def used(folder: Path, last: int = 10) -> set[tuple[str, str]]:
    """Return model and replica of the last lines."""
    file = folder / "kept"
    lines = file.read_text().splitlines() if file.is_file() else []
    return {(line.split()[1], line.split()[2]) for line in lines[-last:]}


def test_what_the_node_cannot_take_is_refused_in_its_words(two: LocalSystem, folder: Path) -> None:
    control = Control(two.graph.name)
    with pytest.raises(RequestRefused, match="node choosy: there is no model none"):
        control.set("choosy", {"model": "none"})
    assert control.set("choosy", {"model": "large"}).waiting == ()
    assert comes_true(lambda: used(folder) == {("large", "0"), ("large", "1")})


def test_what_one_replica_cannot_take_none_of_them_keeps(two: LocalSystem, folder: Path) -> None:
    with pytest.raises(RequestRefused, match="huge needs 40 GB"):
        Control(two.graph.name).set("choosy", {"model": "huge"})
    seen = len(kept(folder))
    assert comes_true(lambda: len(kept(folder)) > seen + 20)
    assert used(folder, 15) == {("small", "0"), ("small", "1")}


def test_who_is_away_gets_params_when_it_is_back(folder: Path) -> None:
    device = folder / "device"
    with LocalSystem(choosy(folder, setup_fails=str(device)).graph()) as running:
        assert comes_true(lambda: replica(running, "choosy").state == "backing-off", within_s=15)
        change = Control(running.graph.name).set("choosy", {"model": "large"})
        assert change.waiting == ("choosy",)
        device.touch()
        assert comes_true(lambda: used(folder, 5) == {("large", "0")}, within_s=15)


def test_who_is_at_work_for_long_takes_params_afterwards(folder: Path) -> None:
    with LocalSystem(choosy(folder, takes=2.0).graph()) as running:
        assert comes_true(lambda: len(kept(folder)) == 1, within_s=15)
        change = running.set("choosy", {"model": "large"}, wait=False)
        assert change.waiting == ("choosy",)
        assert comes_true(lambda: used(folder, 1) == {("large", "0")}, within_s=15)


def test_a_part_is_found_by_what_its_name_begins_with(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(HOSTS, "count=127.0.0.1")
    graph = choosy(folder).graph()
    with LocalSystem(graph, only=["choosy"]):
        assert Control(graph.name).status().name == graph.name
        with LocalSystem(graph, only=["count"]):
            with pytest.raises(SystemUnclear, match=r"there are .*: name one of them"):
                Control(graph.name)
            assert [node.name for node in Control(f"{graph.name}.co").status().nodes] == ["count"]
    with pytest.raises(SystemNotRunning, match="no system t-nothing runs here"):
        Control("t-nothing")
