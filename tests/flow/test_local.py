"""Systems as real processes: they run to the end, survive deaths, and answer."""

from __future__ import annotations

import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from argus import QoS, System
from argus.core.errors import ArgusError
from argus.flow.bench.redis_server import RedisServer
from argus.flow.control import Control, ControlServer, RequestRefused, SystemNotRunning
from argus.flow.control import running as running_systems
from argus.flow.home import last_status
from argus.flow.local import LocalSystem
from argus.flow.status import Change, LinkStatus, ReplicaStatus
from argus.flow.system import run
from tests.conftest import need
from tests.flow.killing import kill_at_work
from tests.sources.settling import comes_true

NODES = {
    "count": """
import time
from pydantic import BaseModel
from argus import ProducerNode

class Count(ProducerNode):
    class Params(BaseModel):
        upto: int = 10
        at_end: float = 0.0

    def setup(self):
        self.at = 0

    def loop(self):
        if self.at == self.params.upto:
            self.pause(self.params.at_end)
            self.finish()
        self.at += 1
        return {"n": self.at - 1}
""",
    "keep": """
import os, signal, time
from pydantic import BaseModel, Field
from argus import ConsumerNode

class Keep(ConsumerNode):
    class Params(BaseModel):
        file: str
        kills: int = -1
        raises: int = -1
        takes: float = 0.0
        scale: int = Field(default=1, ge=1)

    def loop(self, data):
        if data["n"] == self.params.kills:
            os.kill(os.getpid(), signal.SIGSEGV)
        if data["n"] == self.params.raises:
            raise ValueError("poison")
        time.sleep(self.params.takes)
        with open(self.params.file, "a") as file:
            file.write(f"{data['n'] * self.params.scale} {self.message.tries} {self.replica}\\n")
        return data

    def on_params(self, changed):
        self.log.info("keep.changed", changed=sorted(changed))
""",
    "broken": """
from argus import SinkNode

class Broken(SinkNode):
    def setup(self):
        raise RuntimeError("no such device")
    def loop(self, data):
        pass
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in NODES.items():
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(text)
    return tmp_path


@pytest.fixture
def new(folder: Path, request: pytest.FixtureRequest) -> Callable[..., System]:
    def make(**details: Any) -> System:
        # Tests run side by side: each system has a name of its own.
        name = f"t-{os.getpid()}-{abs(hash(request.node.name)) % 10**6}"
        return System(name, script=str(folder / "main.py"), **details)

    return make


@pytest.fixture
def started() -> Iterator[Callable[[System], LocalSystem]]:
    systems: list[LocalSystem] = []

    def start(system: System) -> LocalSystem:
        systems.append(LocalSystem(system.graph()))
        return systems[-1]

    yield start
    for system in systems:
        system.close()


def kept(folder: Path) -> list[int]:
    file = folder / "kept"
    return [int(line.split()[0]) for line in file.read_text().splitlines()] if file.is_file() else []


def replica(system: LocalSystem, name: str, at: int = 0) -> ReplicaStatus:
    node = next(node for node in system.status().nodes if node.name == name)
    return node.replicas[at]


def link(status: Any, id_: str) -> LinkStatus:
    found: LinkStatus = next(one for one in status.links if one.id == id_)
    return found


def durable(new: Callable[..., System], folder: Path, *, upto: int = 10, **params: Any) -> System:
    system = new()
    source = system.node("nodes/count", upto=upto, at_end=params.pop("at_end", 0.0))
    qos = params.pop("qos", QoS.DURABLE)
    sink = system.node("nodes/keep", file=str(folder / "kept"), replicas=params.pop("replicas", 1), **params)
    system.link(source).to(sink, qos=qos)
    return system


def test_a_system_runs_until_its_stream_has_ended_and_everything_was_had(
    new: Callable[..., System], folder: Path
) -> None:
    system = durable(new, folder, upto=50)
    assert run(system) == 0
    assert kept(folder) == list(range(50))
    status = last_status(system.name)
    assert status is not None
    assert [n.replicas[0].state for n in status.nodes] == ["finished", "finished"]
    counts = link(status, "count->keep").counts
    assert (counts.sent, counts.delivered, counts.pending, counts.dropped) == (50, 50, 0, {})


def test_a_system_is_here_until_the_last_of_its_processes_has_ended(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    system = started(durable(new, folder, takes=0.5))
    assert comes_true(lambda: link(system.status(), "count->keep").counts.pending > 0)
    pid = replica(system, "keep").pid
    Control(system.graph.name).stop()
    assert comes_true(lambda: system.graph.name not in running_systems())
    assert not Path(f"/proc/{pid}").exists()


def test_what_is_infinite_stays_so_on_its_way_to_a_process(new: Callable[..., System], folder: Path) -> None:
    never = QoS.DURABLE(backoff=math.inf, lateness=math.inf)
    assert run(durable(new, folder, qos=never, hang_after=math.inf, restart="never")) == 0
    assert kept(folder) == list(range(10))


def test_consumers_miss_nothing_of_a_beginning(new: Callable[..., System], folder: Path) -> None:
    system = new()
    source = system.node("nodes/count", upto=3, fps=20)
    system.link(source).to(system.node("nodes/keep", file=str(folder / "kept")), qos=QoS.REALTIME)
    assert run(system) == 0
    assert kept(folder) == [0, 1, 2]


def test_a_consumer_killed_at_any_moment_loses_nothing(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    running = started(durable(new, folder, upto=150, takes=0.01, qos=QoS.DURABLE(tries=50, backoff=0.0)))
    kill_at_work(running, [("keep", 0)], lambda: len(kept(folder)), times=4)
    assert running.over.wait(30)
    assert set(kept(folder)) == set(range(150))
    counts = link(running.status(), "count->keep").counts
    assert counts.closes
    assert counts.delivered == 150
    assert replica(running, "keep").restarts == 4
    assert len(kept(folder)) - 150 <= counts.redelivered <= 4


def test_a_producer_killed_in_its_stream_has_sent_what_it_had_sent(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    running = started(durable(new, folder, upto=20, at_end=60.0))
    assert comes_true(lambda: len(kept(folder)) == 20, within_s=15)
    pid = replica(running, "count").pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    assert comes_true(lambda: len(kept(folder)) == 40, within_s=15)
    assert kept(folder) == [*range(20), *range(20)]


def test_a_message_that_kills_its_reader_is_a_dead_letter_and_can_be_replayed(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    running = started(
        durable(new, folder, upto=6, kills=2, at_end=60.0, qos=QoS.DURABLE(tries=2, backoff=0.01))
    )
    assert comes_true(lambda: kept(folder) == [0, 1, 3, 4, 5], within_s=20)
    control = Control(running.graph.name)
    [letter] = control.dead("count->keep")
    assert "SIGSEGV" in letter.reason
    assert letter.tries == 2
    control.set("keep", {"kills": -1})
    assert control.replay("count->keep") == 1
    assert comes_true(lambda: kept(folder)[-1:] == [2], within_s=10)
    assert control.dead() == []
    assert link(control.status(), "count->keep").counts.closes


def test_a_message_that_a_loop_cannot_take_is_a_dead_letter_with_its_traceback(
    new: Callable[..., System], folder: Path
) -> None:
    system = durable(new, folder, upto=5, raises=1, qos=QoS.DURABLE(tries=2, backoff=0.01))
    assert run(system) == 0
    assert kept(folder) == [0, 2, 3, 4]
    status = last_status(system.name)
    assert status is not None
    assert link(status, "count->keep").counts.dropped == {"dead": 1}


FUSION = """
from argus import FusionNode

class Pair(FusionNode):
    slop = 0.001

    def loop(self, data):
        with open({file!r}, "a") as file:
            file.write(f"{{data['left']['n']}} {{data['right']['n']}}\\n")
"""
TIMED = """
from pydantic import BaseModel
from argus import ProducerNode

class Timed(ProducerNode):
    class Params(BaseModel):
        upto: int

    def setup(self):
        self.at = 0

    def loop(self):
        if self.at == self.params.upto:
            self.finish()
        self.at += 1
        self.send({"n": self.at}, time_s=float(self.at))
"""


def test_a_fusion_of_unequal_streams_ends_and_leaves_nothing_pending(
    new: Callable[..., System], folder: Path
) -> None:
    (folder / "pair.py").write_text(FUSION.format(file=str(folder / "kept")))
    (folder / "timed.py").write_text(TIMED)
    system = new()
    left = system.node("timed.py", name="left", upto=12)
    right = system.node("timed.py", name="right", upto=7)
    pair = system.node("pair.py")
    system.link(left).to(pair, qos=QoS.DURABLE)
    system.link(right).to(pair, qos=QoS.DURABLE)
    assert run(system) == 0
    assert kept(folder) == list(range(1, 8))
    status = last_status(system.name)
    assert status is not None
    assert [(one.counts.delivered, one.counts.pending) for one in status.links] == [(12, 0), (7, 0)]


def test_replicas_share_a_durable_link(new: Callable[..., System], folder: Path) -> None:
    assert run(durable(new, folder, upto=40, takes=0.02, replicas=2)) == 0
    assert sorted(kept(folder)) == list(range(40))
    who = {line.split()[2] for line in (folder / "kept").read_text().splitlines()}
    assert who == {"0", "1"}


def test_a_node_that_cannot_be_set_up_is_told_with_file_line_and_reason(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    system = new()
    source = system.node("nodes/count", upto=1, at_end=60.0)
    system.link(source).to(system.node("nodes/keep", file=str(folder / "kept")))
    system.link(source).to(system.node("nodes/broken"))
    running = started(system)
    assert comes_true(lambda: replica(running, "broken").restarts >= 1, within_s=15)
    said = replica(running, "broken")
    assert said.state in {"backing-off", "starting"}
    assert f"{folder / 'nodes' / 'broken' / 'node.py'}:6: RuntimeError: no such device" in said.reason
    assert comes_true(lambda: kept(folder) == [0], within_s=15)
    assert comes_true(lambda: running.failed)


def test_a_consumer_that_leaves_in_setup_has_not_come_to_its_end(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    (folder / "nodes" / "broken" / "node.py").write_text(
        "import sys\nfrom argus import SinkNode\nclass Leaves(SinkNode):\n"
        "    def setup(self):\n        sys.exit(0)\n    def loop(self, data): ...\n"
    )
    system = new()
    source = system.node("nodes/count", upto=1, at_end=60.0)
    system.link(source).to(system.node("nodes/broken"), qos=QoS.DURABLE)
    running = started(system)
    assert comes_true(lambda: "SystemExit" in replica(running, "broken").reason, within_s=15)


def test_a_node_that_failed_and_is_tried_again_is_failing(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    (folder / "tried.py").write_text(
        "import pathlib, time\nfrom argus import SinkNode\nclass Tried(SinkNode):\n"
        "    def setup(self):\n"
        f"        seen = pathlib.Path({str(folder / 'seen')!r})\n"
        "        if not seen.exists():\n            seen.touch()\n            raise OSError('not yet')\n"
        "        time.sleep(60)\n"
        "    def loop(self, data):\n        pass\n"
    )
    system = new()
    system.link(system.node("nodes/count", upto=1)).to(system.node("tried.py"))
    running = started(system)
    assert not running.failed
    assert comes_true(lambda: replica(running, "tried").restarts == 1, within_s=15)
    assert replica(running, "tried").state == "starting"
    assert running.failed


def test_a_node_that_fails_for_good_makes_the_program_fail(new: Callable[..., System], folder: Path) -> None:
    system = new()
    source = system.node("nodes/count", upto=1)
    system.link(source).to(system.node("nodes/broken", restart="never"))
    assert run(system) == 1


def test_params_are_changed_while_it_runs_and_bad_ones_change_nothing(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    system = new()
    source = system.node("nodes/count", upto=10_000, fps=50)
    system.link(source).to(system.node("nodes/keep", file=str(folder / "kept"), replicas=2))
    running = started(system)
    assert comes_true(lambda: len(kept(folder)) > 3, within_s=15)
    control = Control(running.graph.name)
    params = {"file": str(folder / "kept"), "kills": -1, "raises": -1, "takes": 0.0, "scale": 1000}
    assert control.set("keep", {"scale": 1000}) == Change(params=params)
    assert comes_true(lambda: kept(folder)[-1] >= 1000, within_s=5)
    with pytest.raises(RequestRefused, match=r"scale: Input should be greater than or equal to 1"):
        control.set("keep", {"scale": 0})
    with pytest.raises(RequestRefused, match="takes no skale"):
        control.set("keep", {"skale": 2})
    with pytest.raises(RequestRefused, match="there is no node 'kep'"):
        control.set("kep", {"scale": 2})
    assert comes_true(lambda: control.status().nodes[1].params.get("scale") == 1000)
    for at in (0, 1):
        pid = replica(running, "keep", at).pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
    assert comes_true(lambda: replica(running, "keep").restarts == 1, within_s=10)
    before = len(kept(folder))
    assert comes_true(lambda: len(kept(folder)) > before + 10, within_s=10)
    assert kept(folder)[-1] >= 1000
    assert kept(folder)[-1] % 1000 == 0


def test_two_systems_of_one_name_never_run_at_once(
    new: Callable[..., System], folder: Path, started: Callable[[System], LocalSystem]
) -> None:
    system = durable(new, folder, at_end=60.0)
    started(system)
    with pytest.raises(RequestRefused, match="runs already"):
        LocalSystem(system.graph())
    with pytest.raises(SystemNotRunning):
        Control("nobody-runs-this").status()


MAIN = """
from argus import System, QoS
sys = System({name!r})
source = sys.node("nodes/count", upto=1000000, fps=100)
sys.link(source).to(sys.node("nodes/keep", file={file!r}), qos=QoS.DURABLE)
sys.run()
"""


def main(folder: Path, name: str) -> subprocess.Popen[bytes]:
    file = folder / "main.py"
    file.write_text(MAIN.format(name=name, file=str(folder / "kept")))
    return subprocess.Popen([sys.executable, str(file)], cwd=folder, stderr=subprocess.DEVNULL)


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    tasks = [p.read_text() for p in Path(f"/proc/{pid}/task").glob("*/children")]
    return [int(word) for one in {text, *tasks} for word in one.split()]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def test_sigterm_drains_and_ends_everything(folder: Path) -> None:
    name = f"t-term-{os.getpid()}"
    process = main(folder, name)
    assert comes_true(lambda: len(kept(folder)) > 5, within_s=15)
    pids = children(process.pid)
    assert len(pids) >= 2
    process.send_signal(signal.SIGTERM)
    assert process.wait(10) == 0
    assert not any(map(alive, pids))
    status = last_status(name)
    assert status is not None
    counts = link(status, "count->keep").counts
    assert counts.closes
    assert counts.delivered == len(kept(folder))


def test_children_do_not_outlive_a_killed_parent_and_the_name_is_free_again(folder: Path) -> None:
    name = f"t-kill-{os.getpid()}"
    process = main(folder, name)
    assert comes_true(lambda: len(kept(folder)) > 5, within_s=15)
    pids = children(process.pid)
    process.kill()
    process.wait(10)
    assert comes_true(lambda: not any(map(alive, pids)), within_s=2)
    again = main(folder, name)
    before = len(kept(folder))
    assert comes_true(lambda: len(kept(folder)) > before, within_s=15)
    again.send_signal(signal.SIGINT)
    assert again.wait(10) == 0


def test_the_last_account_is_kept_as_json(new: Callable[..., System], folder: Path, argus_home: Path) -> None:
    system = durable(new, folder)
    run(system)
    told = json.loads((argus_home / "flow" / system.name / "state" / "last.json").read_bytes())
    assert told["links"][0]["counts"]["delivered"] == 10
    log = argus_home / "flow" / system.name / "logs" / "keep.log"
    assert log.is_file()


def test_a_chain_of_five_shows_its_first_message_soon(folder: Path) -> None:
    """A guard against the grossest; `argus bench flow` measures it."""
    system = System(f"t-five-{os.getpid()}", script=str(folder / "main.py"))
    chain = system.link(system.node("nodes/count", upto=1, at_end=0.0))
    for at in range(3):
        chain = chain.to(system.node("nodes/keep", name=f"k{at}", file=str(folder / f"k{at}")))
    chain.to(system.node("nodes/keep", name="last", file=str(folder / "kept")))
    began = time.monotonic()
    running = LocalSystem(system.graph())
    try:
        assert comes_true(lambda: kept(folder) == [0], within_s=20)
        assert time.monotonic() - began < 20
    finally:
        running.close()


def test_who_asks_a_system_that_is_starting_gets_an_answer_when_it_has_begun(
    new: Callable[..., System], folder: Path, tmp_path: Path
) -> None:
    need(RedisServer.there(), "no redis-server here: apt install redis-server")
    redis = RedisServer(tmp_path / "redis")
    system = durable(lambda: new(broker=redis.url), folder, at_end=60.0)
    begun: list[LocalSystem] = []
    thread = threading.Thread(target=lambda: begun.append(LocalSystem(system.graph())))
    thread.start()
    try:
        assert comes_true(lambda: system.name in running_systems(), within_s=10)
        with ThreadPoolExecutor() as pool:
            asked = pool.submit(lambda: Control(system.name).status())
            assert not begun
            with redis:
                status = asked.result(20)
                thread.join(20)
                begun[0].close()
    finally:
        thread.join(20)
    assert [node.name for node in status.nodes] == ["count", "keep"]


def test_who_asks_a_system_that_cannot_begin_is_told(new: Callable[..., System], folder: Path) -> None:
    server = ControlServer("t-never-begins")
    with ThreadPoolExecutor() as pool:
        asked = pool.submit(lambda: Control("t-never-begins").status())
        assert comes_true(asked.running)
        server.close()
        with pytest.raises(ArgusError, match=r"could not begin|is ending|no system"):
            asked.result(10)
