"""One system in several parts, as on several hosts: the parts find each other and go on over deaths."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from argus import QoS, System
from argus.core.errors import SpecError
from argus.flow import placement as placement_of
from argus.flow.local import LocalSystem
from argus.flow.placement import Placement
from tests.flow.test_local import NODES, kept, link, replica
from tests.ports import ports_in_a_row
from tests.sources.settling import comes_true


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    return tmp_path


@pytest.fixture
def free_ports(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement_of, "FIRST_PORT", ports_in_a_row())
    monkeypatch.setenv("ARGUS_FLOW_HOSTS", "count=127.0.0.1,box=127.0.0.1")


def system(folder: Path, host: str | None = None) -> System:
    made = System(f"t-hosts-{os.getpid()}", script=str(folder / "main.py"), hosts={"far": "10.0.0.5"})
    source = made.node("nodes/count", upto=100_000, fps=50, host=host)
    made.link(source).to(made.node("nodes/keep", file=str(folder / "kept")), qos=QoS.REALTIME)
    return made


@pytest.mark.usefixtures("free_ports")
def test_parts_of_a_system_meet_over_tcp(folder: Path) -> None:
    graph = system(folder).graph()
    with LocalSystem(graph, only=["keep"]) as taking, LocalSystem(graph, only=["count"]) as giving:
        assert comes_true(lambda: len(kept(folder)) > 10, within_s=20)
        status = link(giving.status(), "count->keep")
        assert status.transport == "tcp"
        assert comes_true(lambda: link(giving.status(), "count->keep").counts.delivered > 5)
        assert link(giving.status(), "count->keep").counts.closes
        pid = replica(giving, "count").pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        # The producer begins again at 0; whoever takes from it needs no help.
        seen = len(kept(folder))
        assert comes_true(lambda: len(kept(folder)) > seen + 10, within_s=20)
        assert [node.name for node in taking.status().nodes] == ["keep"]


def test_a_link_within_a_part_stays_in_memory_and_others_go_by_tcp(folder: Path) -> None:
    placement = Placement(system(folder, host="far").graph(), host="far")
    assert placement.here == ("count", "keep")
    far = Placement(system(folder, host="far").graph(), only=["keep"])
    [one] = system(folder, host="far").graph().links
    assert not far.together(one)
    assert far.address(system(folder, host="far").graph().node("count")) == "10.0.0.5"


def test_ports_are_the_same_on_every_machine_and_never_shared(folder: Path) -> None:
    made = System("ports", script=str(folder / "main.py"))
    a, b = made.node("nodes/count", name="a", replicas=3), made.node("nodes/count", name="b")
    sink = made.node("nodes/keep", file="x")
    made.link(a).to(sink)
    made.link(a["mask"]).to(sink)
    made.link(b).to(sink)
    graph = made.graph()
    placement = Placement(graph)
    ports = [placement.port(graph.node("a"), output, at) for output in (None, "mask") for at in range(3)]
    ports.append(placement.port(graph.node("b"), None, 0))
    assert ports == list(range(placement_of.FIRST_PORT, placement_of.FIRST_PORT + 7))


def test_a_part_that_is_not_there_is_named(folder: Path) -> None:
    graph = system(folder).graph()
    with pytest.raises(SpecError, match="there is no node kep: it has count, keep"):
        Placement(graph, only=["kep"])
    with pytest.raises(SpecError, match="no node runs on 'moon'"):
        Placement(graph, host="moon")
