"""A system that is killed and started again: no id is given twice, nothing is lost, order is kept."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from argus import QoS, System
from argus.flow import placement
from argus.flow.channels.freshness import Freshness
from argus.flow.control import Control
from argus.flow.dead_letters import DeadLetters
from argus.flow.home import begin_life, dead_of, state_of
from argus.flow.local import LocalSystem
from argus.flow.message import Header, Hop, Origin
from argus.flow.tracing import spans_of, trace_of
from tests.flow.test_local import NODES, kept
from tests.ports import ports_in_a_row
from tests.sources.settling import comes_true

MAIN = """
from pathlib import Path
from argus import ProducerNode, QoS, SinkNode, System, run

RUN = {run!r}

class Count(ProducerNode):
    at = 0

    def loop(self):
        if self.at == 40:
            self.finish()
        self.at += 1
        return [RUN, self.at - 1]

def doubled(data):
    return data

class Keep(SinkNode):
    def loop(self, data):
        if data[1] == 3:
            raise ValueError("a dead letter of each run")
        self.pause({takes})
        header = self.message.header
        line = " ".join(map(str, (*data, header.id, header.origin.source, header.origin.index)))
        with Path({file!r}).open("a") as file:
            file.write(line + "\\n")

sys = System({name!r}, broker={broker!r})
link = QoS.DURABLE(on_disk={disk}, tries=2, backoff=0.01)
sys.link(sys.node(Count)).to(sys.node(doubled), qos=link).to(sys.node(Keep), qos=link)
sys.run()
"""
UPTO = 40


def start(folder: Path, run: str, name: str, broker: str | None, takes: float) -> subprocess.Popen[bytes]:
    """Start a system of three nodes in a process of its own, as a user does."""
    (folder / "main.py").write_text(
        MAIN.format(
            run=run, name=name, broker=broker, disk=broker is None, takes=takes, file=str(folder / "kept")
        )
    )
    return subprocess.Popen([sys.executable, str(folder / "main.py")], cwd=folder, stderr=subprocess.DEVNULL)


def lines(folder: Path) -> list[list[str]]:
    file = folder / "kept"
    return [line.split() for line in file.read_text().splitlines()] if file.is_file() else []


def sent(name: str) -> int:
    try:
        return Control(name).status().links[0].counts.sent
    except Exception:  # noqa: BLE001 - it is starting
        return 0


@pytest.mark.parametrize("where", ["redis", "disk"])
def test_two_lives_of_a_system_share_no_id_lose_nothing_and_keep_order(
    tmp_path: Path, where: str, request: pytest.FixtureRequest
) -> None:
    broker = request.getfixturevalue("redis").url if where == "redis" else None
    name = f"t-lives-{where}-{os.getpid()}"
    first = start(tmp_path, "first", name, broker, takes=0.05)
    try:
        assert comes_true(lambda: sent(name) == UPTO and len(lines(tmp_path)) > 5, within_s=30)
    finally:
        first.kill()
        first.wait(10)
    assert {line[0] for line in lines(tmp_path)} == {"first"}
    second = start(tmp_path, "second", name, broker, takes=0.0)
    try:
        last = ["second", str(UPTO - 1)]
        assert comes_true(lambda: last in [line[:2] for line in lines(tmp_path)], within_s=30)
    finally:
        second.send_signal(signal.SIGTERM)
        assert second.wait(20) == 0
    found = lines(tmp_path)
    # Nothing is lost, of either life.
    assert {(run, int(n)) for run, n, *_ in found} == {
        (run, n) for run in ("first", "second") for n in range(UPTO) if n != 3
    }
    # An id is of one message, also in other hands.
    messages: dict[str, set[tuple[str, str]]] = {}
    for run, n, id_, *_ in found:
        messages.setdefault(id_, set()).add((run, n))
    assert [id_ for id_, of in messages.items() if len(of) > 1] == []
    if broker is None:
        first_letter, second_letter = DeadLetters(dead_of(name)).list()
        assert first_letter.message != second_letter.message
    # What came twice aside, the first life comes before the second, and each in order.
    places = [(run, int(n)) for run, n, *_ in found]
    assert list(dict.fromkeys(places)) == sorted(set(places))
    assert {line[3] for line in found} == {"count"}


def test_an_ordered_link_takes_a_producer_whose_part_was_started_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    monkeypatch.setattr(placement, "FIRST_PORT", ports_in_a_row())
    monkeypatch.setenv(placement.HOSTS, "count=127.0.0.1")

    def counted(upto: int) -> System:
        system = System(f"t-lives-parts-{os.getpid()}", script=str(tmp_path / "main.py"))
        keep = system.node("nodes/keep", file=str(tmp_path / "kept"))
        system.link(system.node("nodes/count", upto=upto, fps=100)).to(keep, qos=QoS.REALTIME(ordered=True))
        return system

    with LocalSystem(counted(100_000).graph(), only=["keep"]) as taking:
        with LocalSystem(counted(100_000).graph(), only=["count"]):
            assert comes_true(lambda: len(kept(tmp_path)) > 50, within_s=20)
        with LocalSystem(counted(20).graph(), only=["count"]) as again:
            assert again.over.wait(20)
        assert taking.over.wait(10)
    assert kept(tmp_path)[-1] == 19


def test_what_an_earlier_life_sent_is_overtaken_by_a_later_one() -> None:
    fresh = Freshness(QoS.REALTIME(ordered=True))
    came = [(1, 7), (1, 8), (2, 0), (1, 9), (2, 0), (2, 1)]
    told = [fresh.fault(Header("", Origin("cam", index, 0.0, 0, life))) for life, index in came]
    assert told == [None, None, None, "overtaken", "overtaken", None]


def test_a_life_comes_after_all_before_it_though_the_clock_was_set_back(argus_home: Path) -> None:
    first = begin_life("t-lived")
    assert begin_life("t-lived") > first
    (state_of("t-lived") / "life").write_text(str(first + 10**12))
    assert begin_life("t-lived") == first + 10**12 + 1
    (state_of("t-lived") / "life").write_text("damaged")
    assert begin_life("t-lived") > first


def test_frames_of_two_lives_with_one_index_are_two_traces() -> None:
    def trace_id(life: int) -> int:
        header = Header("", Origin("cam", 7, 0.28, 100, life), (Hop("cam", 100, 100),))
        spans = spans_of(trace_of(header, "sink", 200, 300), "robot", unix_minus_monotonic_ns=0)
        return next(spans).trace_id

    assert trace_id(1) == trace_id(1) != trace_id(2)
