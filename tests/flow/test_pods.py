"""Replicas as pods of a cluster: one process each behind one name, as several addresses of this machine."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from argus import QoS, System
from argus.flow import placement
from argus.flow.bench.redis_server import RedisServer
from argus.flow.deploy.layout import layout_of
from argus.flow.local import LocalSystem
from argus.flow.placement import in_pods
from tests.flow.test_local import link, replica
from tests.ports import ports_in_a_row
from tests.sources.settling import comes_true

NODES = {
    "count": """
from argus import ProducerNode
from pydantic import BaseModel

class Count(ProducerNode):
    class Params(BaseModel):
        upto: int = 100_000

    at = 0

    def loop(self):
        self.at += 1
        if self.at > self.params.upto:
            self.finish()
        return {"n": self.at - 1}
""",
    "keep": """
from argus import SinkNode
from pydantic import BaseModel

class Keep(SinkNode):
    class Params(BaseModel):
        file: str

    def loop(self, data):
        with open(self.params.file, "a") as file:
            header = self.message.header
            file.write(f"{data['n']} {header.origin.source} {header.id}\\n")
""",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    monkeypatch.setattr(placement, "FIRST_PORT", ports_in_a_row())
    return tmp_path


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., LocalSystem]]:
    """Start a pod: its own address, its own sockets, and what the name of the others leads to."""
    with ExitStack() as pods:
        # Sockets have short paths.
        folder = Path(pods.enter_context(TemporaryDirectory(prefix="p-")))

        def start(system: System, node: str, name: str, address: str) -> LocalSystem:
            run = folder / name
            run.mkdir(mode=0o700)
            monkeypatch.setenv("XDG_RUNTIME_DIR", str(run))
            monkeypatch.setenv(placement.HOSTS, f"count={address}")
            return pods.enter_context(LocalSystem(system.graph(), only=[node], pod=name))

        yield start


def counted(folder: Path, qos: object, broker: str | None = None, upto: int = 100_000) -> System:
    made = System(f"t-pods-{os.getpid()}", script=str(folder / "main.py"), broker=broker)
    source = made.node("nodes/count", upto=upto, fps=50, replicas=2)
    sink = made.node("nodes/keep", file=str(folder / "kept"), replicas=2)
    made.link(source).to(sink, qos=qos)  # type: ignore[arg-type]
    return made


def lines(folder: Path) -> list[list[str]]:
    file = folder / "kept"
    return [line.split() for line in file.read_text().splitlines()] if file.is_file() else []


def sources(folder: Path) -> set[str]:
    return {line[1] for line in lines(folder)}


def test_a_consumer_takes_from_every_pod_behind_a_name_and_ends_with_the_last(
    folder: Path, pod: Callable[..., LocalSystem]
) -> None:
    both = "127.0.0.2+127.0.0.3"
    system = counted(folder, QoS.REALTIME, upto=200)
    taking = [pod(system, "keep", f"keep-{n}", both) for n in "xy"]
    first = pod(system, "count", "count-a", "127.0.0.2")
    assert comes_true(lambda: sources(folder) == {"count.count-a"}, within_s=20)
    second = pod(system, "count", "count-b", "127.0.0.3")
    assert comes_true(lambda: sources(folder) == {"count.count-a", "count.count-b"}, within_s=20)
    assert first.over.wait(20)
    assert not any(part.over.is_set() for part in taking)
    assert second.over.wait(20)
    for part in taking:
        assert part.over.wait(15)
    assert link(first.status(), "count->keep").counts.closes


def test_pods_share_a_realtime_stream(folder: Path, pod: Callable[..., LocalSystem]) -> None:
    system = counted(folder, QoS.REALTIME)
    pods = [pod(system, "keep", f"keep-{n}", "127.0.0.2") for n in "xy"]
    giving = pod(system, "count", "count-a", "127.0.0.2")

    def taken() -> list[int]:
        return [link(p.status(), "count->keep").counts.delivered for p in pods]

    assert comes_true(lambda: min(taken()) > 5, within_s=20)
    assert link(giving.status(), "count->keep").counts.closes
    ids = [line[2] for line in lines(folder)]
    assert len(ids) == len(set(ids))


def test_pods_send_on_one_durable_link_and_share_it(
    folder: Path, pod: Callable[..., LocalSystem], redis: RedisServer
) -> None:
    system = counted(folder, QoS.DURABLE(tries=50, backoff=0.0), redis.url, upto=150)
    taking = [pod(system, "keep", f"keep-{n}", "127.0.0.2") for n in "xy"]
    giving = [pod(system, "count", f"count-{n}", "127.0.0.2") for n in "ab"]
    assert comes_true(lambda: len(lines(folder)) > 40, within_s=20)
    pid = replica(taking[0], "keep").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    for part in (*giving, *taking):
        assert part.over.wait(30)
    assert sources(folder) == {"count.count-a", "count.count-b"}
    for source in sources(folder):
        assert {int(n) for n, of, _ in lines(folder) if of == source} == set(range(150))
    counts = link(taking[0].status(), "count->keep").counts
    assert (counts.sent, counts.delivered, counts.pending) == (300, 300, 0)
    assert replica(taking[0], "keep").restarts == 1


def test_a_pod_that_takes_the_place_of_another_is_another_sender(
    folder: Path, pod: Callable[..., LocalSystem], redis: RedisServer
) -> None:
    system = counted(folder, QoS.DURABLE, redis.url, upto=100)
    taking = pod(system, "keep", "keep-x", "127.0.0.2")
    lost = pod(system, "count", "count-a", "127.0.0.2")
    other = pod(system, "count", "count-b", "127.0.0.2")
    assert comes_true(lambda: len(sources(folder)) == 2, within_s=20)
    lost.close()
    assert not taking.over.is_set()
    new = pod(system, "count", "count-c", "127.0.0.2")
    assert other.over.wait(20)
    assert new.over.wait(20)
    assert comes_true(lambda: {f"count.count-{n}" for n in "abc"} == sources(folder), within_s=10)
    for name in "bc":
        assert {int(n) for n, of, _ in lines(folder) if of.endswith(name)} == set(range(100))
    # The lost one's end never came, and is not waited for: both that there are to be have ended.
    assert taking.over.wait(45)


def test_ports_in_pods_are_those_of_the_manifests(folder: Path) -> None:
    system = System("s", script=str(folder / "main.py"))
    many = system.node("nodes/count", name="many", replicas=3)
    one = system.node("nodes/count", name="one")
    sink = system.node("nodes/keep", file="x")
    system.link(many).to(sink)
    system.link(one).to(sink)
    graph = in_pods(system.graph())
    inside, layout = placement.Placement(graph, ["one"], pod="one-x"), layout_of(system.graph())
    for node in (graph.node("many"), graph.node("one")):
        assert list(layout.place(node.name).ports.values()) == [inside.port(node, None, 0)]
