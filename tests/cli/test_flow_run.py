"""`argus flow run`, `record` and `replay`: real systems, real processes, to their end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from argus.flow import placement
from argus.flow.control import Control, running
from tests.cli.conftest import Argus
from tests.cli.flow_fakes import fake_system
from tests.ports import ports_in_a_row
from tests.sources.settling import comes_true

MAIN = """
from argus import ConsumerNode, ProducerNode, QoS, SinkNode, System
from pydantic import BaseModel

class Cam(ProducerNode):
    class Params(BaseModel):
        frames: int = 20
        name: str = "cam"
    count = 0
    def loop(self):
        self.count += 1
        if self.count > self.params.frames:
            self.finish()
        return {"n": self.count, "by": self.params.name}

class Double(ConsumerNode):
    def loop(self, data):
        return {"twice": 2 * data["n"]}

class Log(SinkNode):
    def loop(self, data):
        print("log has", data["twice"], flush=True)

sys = System("SYSTEM")
cam, double, log = sys.node(Cam, fps=100), sys.node(Double), sys.node(Log)
sys.link(cam).to(double, qos=QoS.DURABLE).to(log, qos=QoS.DURABLE)
if __name__ == "__main__":
    sys.run()
"""


@pytest.fixture
def main(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    """Return the file of a system of three nodes, named after the test."""
    name = "t" + "".join(c if c.isalnum() else "-" for c in request.node.name.lower())[:50].strip("-")
    (tmp_path / "main.py").write_text(MAIN.replace("SYSTEM", name))
    return tmp_path / "main.py"


def test_a_system_runs_to_its_end_and_tells_what_became_of_every_message(argus: Argus, main: Path) -> None:
    done = argus("flow", "run", main, "--params", "cam.frames=5")
    assert done.code == 0, done.err
    rows = {line.split()[0]: line.split() for line in done.out.splitlines() if "->" in line}
    assert rows["cam->double"][-3:] == ["5", "5", "0"]
    assert rows["double->log"][-3:] == ["5", "5", "0"]
    told = " ".join(done.err.split())
    assert "cam 1 → double durable, log" in told
    assert "log | log has 10" in told
    for node in ("cam", "double", "log"):
        assert f"{node} finished" in told or f"{node} stopped" in told
    lines = argus("flow", "logs", "log", "--system", _name(main), "-n", "2")
    assert lines.out.split("\n")[:2] == ["log has 8", "log has 10"]


def test_for_programs_the_end_is_a_status(argus: Argus, main: Path) -> None:
    done = argus("flow", "run", main, "-o", "json", "-q")
    [status] = json.loads(done.out)["items"]
    assert [link["counts"]["delivered"] for link in status["links"]] == [20, 20]
    assert done.err == ""


def test_while_debugging_all_is_in_this_process(argus: Argus, main: Path) -> None:
    done = argus("flow", "run", main, "--debug", "-p", "cam.frames=3")
    assert done.code == 0
    assert done.out.splitlines() == ["log has 2", "log has 4", "log has 6"]


def test_a_node_that_fails_for_good_is_told_and_is_the_exit_code(argus: Argus, main: Path) -> None:
    text = main.read_text().replace("sys.node(Double)", 'sys.node(Double, restart="never")')
    main.write_text(
        text.replace("class Double(ConsumerNode):", "class Double(ConsumerNode):\n    def setup(self): 1 / 0")
    )
    done = argus("flow", "run", main, "--params", "cam.frames=2")
    assert done.code == 1
    assert done.err.count("double failed") == 1
    assert "process.ended" not in done.err
    assert "ZeroDivisionError" in done.err


def test_a_node_that_cannot_be_set_up_says_why_once_and_is_the_exit_code(main: Path) -> None:
    main.write_text(
        main.read_text().replace(
            "class Double(ConsumerNode):", "class Double(ConsumerNode):\n    def setup(self): 1 / 0"
        )
    )
    code = "from argus.cli.flow import app; app()"
    command = [sys.executable, "-c", code, "run", str(main), "-p", "cam.frames=1000000"]
    told = []
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            told.append(line)
            if "started again (3)" in line:
                break
        running.send_signal(signal.SIGINT)
        running.communicate(timeout=60)
    assert running.returncode == 1
    said = "".join(told)
    place = f"{main}:{main.read_text().splitlines().index('    def setup(self): 1 / 0') + 1}"
    assert said.count("Traceback") == 1
    assert said.count(f"double backing-off: exit 1: setup: {place}: ZeroDivisionError: division by zero") == 1
    assert said.count("ZeroDivisionError") == 2
    assert said.count("double backing-off, as before") == 2


def test_a_system_that_is_run_by_python_shows_what_its_nodes_print(main: Path) -> None:
    main.write_text(main.read_text().replace("frames: int = 20", "frames: int = 3"))
    done = subprocess.run([sys.executable, str(main)], check=True, capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines() == [f"log    | log has {n}" for n in (2, 4, 6)]


def test_of_a_file_with_several_systems_one_is_chosen(argus: Argus, main: Path, tmp_path: Path) -> None:
    name = _name(main)
    head, sys_, tail = main.read_text().partition("sys = System")
    main.write_text(head + (sys_ + tail).replace(f'"{name}"', f'"{name}-one"'))
    one = main.read_text()
    main.write_text(one + (sys_ + tail).replace(f'"{name}"', f'"{name}-two"'))
    both = argus("flow", "run", main, "-o", "json", "-q")
    assert [status["name"] for status in json.loads(both.out)["items"]] == [f"{name}-one", f"{name}-two"]
    alone = argus("flow", "run", main, "-o", "json", "-q", "--system", f"{name}-t")
    assert [status["name"] for status in json.loads(alone.out)["items"]] == [f"{name}-two"]
    file = tmp_path / "two.mcap"
    unclear = argus("flow", "record", main, "-t", "cam", "-o", file)
    assert unclear.code == 2
    assert f"there are {name}-one, {name}-two: name one of them" in unclear.err
    assert argus("flow", "record", main, "-t", "cam", "-o", file, "-s", f"{name}-two").code == 0
    assert argus("flow", "replay", main, file, "--rate", "0", "-s", f"{name}-one").code == 0
    unknown = argus("flow", "replay", main, file, "-s", f"{name}-tow")
    assert f"did you mean '{name}-two'" in unknown.err


def test_a_part_is_told_of_beside_other_parts_on_the_same_machine(
    argus: Argus, main: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(placement.HOSTS, "cam=127.0.0.1")
    monkeypatch.setattr(placement, "FIRST_PORT", ports_in_a_row())
    main.write_text(main.read_text().replace("QoS.DURABLE", "QoS.REALTIME"))
    name = _name(main)

    def runs() -> bool:
        return f"{name}.cam" in running() and (
            Control(f"{name}.cam").status().nodes[0].replicas[0].state == "running"
        )

    def stop_it() -> None:
        if comes_true(runs, within_s=20):
            Control(f"{name}.cam").stop()

    with fake_system(f"{name}.other"), ThreadPoolExecutor() as pool:
        stopped = pool.submit(stop_it)
        done = argus("flow", "run", main, "--only", "cam", "-p", "cam.frames=100000")
        stopped.result(30)
    assert done.code == 0
    assert "cam stopped" in done.err


def test_what_cannot_be_starts_nothing(argus: Argus, main: Path) -> None:
    main.write_text(main.read_text().replace("sys.node(Log)", 'sys.node(Log, name="Log", replicas=0)'))
    done = argus("flow", "run", main)
    assert done.code == 2
    assert "2 things are wrong" in done.err
    for wrong, message in (("cam.frams=1", "did you mean 'frames'"), ("kam.frames=1", "did you mean 'cam'")):
        done = argus("flow", "run", main, "-p", wrong)
        assert done.code == 2
        assert message in done.err


def test_ctrl_c_drains_what_is_under_way(main: Path) -> None:
    code = "from argus.cli.flow import app; app()"
    command = [sys.executable, "-c", code, "run", str(main), "-p", "cam.frames=1000000", "-o", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as running:
        assert running.stderr is not None
        for line in running.stderr:
            if "log has 40" in line:
                break
        running.send_signal(signal.SIGINT)
        out, _ = running.communicate(timeout=60)
    assert running.returncode == 0
    [status] = json.loads(out)["items"]
    for link in status["links"]:
        counts = link["counts"]
        assert counts["sent"] == counts["delivered"] + counts["pending"] + sum(counts["dropped"].values())
        assert counts["delivered"] >= 20
    pids = [replica["pid"] for node in status["nodes"] for replica in node["replicas"] if replica["pid"]]
    assert comes_true(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids))


def test_what_was_recorded_is_played_to_the_same_nodes(argus: Argus, main: Path, tmp_path: Path) -> None:
    file = tmp_path / "morning.mcap"
    recorded = argus("flow", "record", main, "--topic", "cam", "-o", file, "-p", "cam.name=recorded")
    assert recorded.code == 0, recorded.err
    assert file.stat().st_size > 0
    assert "cam->recorder" in recorded.out
    played = argus("flow", "replay", main, file, "--rate", "0")
    assert played.code == 0, played.err
    rows = {line.split()[0]: line.split() for line in played.out.splitlines() if "->" in line}
    assert rows["cam->double"][-3:] == ["20", "20", "0"]
    assert "log has 40" in played.err
    wrong = argus("flow", "replay", main, file, "--topic", "double")
    assert wrong.code == 2
    assert "double was not recorded; there is cam" in wrong.err


def test_a_recording_ends_when_its_time_is_over(argus: Argus, main: Path, tmp_path: Path) -> None:
    handler = signal.getsignal(signal.SIGINT)
    done = argus(
        "flow",
        "record",
        main,
        "-t",
        "cam",
        "-o",
        tmp_path / "a.mcap",
        "--for",
        "0.5s",
        "-p",
        "cam.frames=1000000",
    )
    assert done.code == 0, done.err
    assert signal.getsignal(signal.SIGINT) == handler
    assert argus("flow", "record", main, "-t", "cam", "-o", tmp_path / "b.mcap", "--for", "soon").code == 2


def _name(main: Path) -> str:
    text = main.read_text()
    return text.partition('System("')[2].partition('"')[0]
