"""`argus flow` as far as no system is run by it: drawing, asking, changing, stopping."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from argus.cli.flow_set import read_node_values, read_values
from argus.core.errors import SpecError
from argus.flow.home import last_status, write_last_status
from tests.cli.conftest import Argus
from tests.cli.flow_fakes import fake_system, status
from tests.sources.settling import comes_true

MAIN = """
from argus import QoS, System
sys = System("drawn")
cam = sys.node("nodes/camera", fps=30, url="rtsp://u:secret@h/1")
log = sys.node("nodes/logger")
sys.link(cam).to(log, qos=QoS.DURABLE)
sys.run()
"""
NODE = (
    "raise SystemExit('a node was imported')\nfrom argus import {0}\nfrom pydantic import BaseModel\n"
    "class It({0}):\n    {1}\n"
)


@pytest.fixture
def main(tmp_path: Path) -> Path:
    params = "class Params(BaseModel):\n        url: str = ''"
    for name, base, body in (("camera", "ProducerNode", params), ("logger", "SinkNode", "pass")):
        (tmp_path / "nodes" / name).mkdir(parents=True)
        (tmp_path / "nodes" / name / "node.py").write_text(NODE.format(base, body))
    (tmp_path / "main.py").write_text(MAIN)
    return tmp_path / "main.py"


def test_a_graph_is_drawn_without_importing_a_node(argus: Argus, main: Path) -> None:
    done = argus("flow", "graph", main)
    assert done.code == 0
    assert "camera        nodes/camera, 30 fps" in done.out
    assert "━━▶ logger  durable" in done.out
    assert "secret" not in done.out


def test_the_end_of_a_files_name_says_how_it_is_drawn(argus: Argus, main: Path, tmp_path: Path) -> None:
    picture = tmp_path / "graph.svg"
    done = argus("flow", "graph", main, "-o", picture)
    assert (done.code, done.out.strip()) == (0, str(picture))
    assert picture.read_text().startswith("<svg")
    assert argus("flow", "graph", main, "--format", "mermaid").out.startswith("flowchart LR")
    failed = argus("flow", "graph", main, "-o", tmp_path / "no" / "where.svg")
    assert failed.code == 1
    assert "cannot write" in failed.err


def test_what_is_wrong_with_a_graph_is_listed_beside_its_picture(argus: Argus, main: Path) -> None:
    main.write_text(MAIN.replace('"nodes/logger"', '"nodes/loger", name="Log"').replace("url=", "ulr="))
    done = argus("flow", "graph", main)
    assert done.code == 2
    assert "camera" in done.out
    for fact in ("3 things are wrong", "no param 'ulr'; did you mean 'url'?", "nothing at", "small letters"):
        assert fact in done.err


def test_of_several_systems_one_is_chosen(argus: Argus, main: Path) -> None:
    main.write_text(MAIN + MAIN.replace('"drawn"', '"other"'))
    assert argus("flow", "graph", main).out.count("2 nodes, 1 link") == 2
    assert argus("flow", "graph", main, "-f", "svg").code == 2
    assert argus("flow", "graph", main, "-f", "svg", "-s", "other").code == 0
    assert "did you mean 'other'" in argus("flow", "graph", main, "-s", "othr").err


@pytest.mark.parametrize(
    ("text", "message"),
    [("x = 1\n", "defines no system"), ("1 / 0\n", "ZeroDivisionError"), ("class (\n", "SyntaxError")],
)
def test_a_file_that_defines_nothing_is_told(argus: Argus, tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "main.py").write_text(text)
    done = argus("flow", "graph", tmp_path / "main.py")
    assert done.code == 2
    assert message in done.err
    assert "Traceback" not in done.err


def test_values_are_read_as_yaml(argus: Argus) -> None:
    assert read_values(["a=0.5", "b=[car, bus]", "c=true", "d=x=y", "e=", "f=rtsp://u:p@h/1"]) == {
        "a": 0.5,
        "b": ["car", "bus"],
        "c": True,
        "d": "x=y",
        "e": "",
        "f": "rtsp://u:p@h/1",
    }
    assert read_node_values(["yolo.a=1", "yolo.b=2", "cam.a=3"]) == {
        "yolo": {"a": 1, "b": 2},
        "cam": {"a": 3},
    }
    for wrong in ("a", "=1", "a=[1"):
        with pytest.raises(SpecError):
            read_values([wrong])
    with pytest.raises(SpecError, match=r"NODE\.KEY=VALUE"):
        read_node_values(["confidence=1"])


def test_params_are_set_and_shown_as_they_are_then(argus: Argus) -> None:
    with fake_system() as system:
        done = argus("flow", "set", "yolo", "confidence=0.6", "classes=[car]", "-o", "json")
        refused = argus("flow", "set", "yollo", "confidence=0.6")
    params = {"confidence": 0.6, "classes": ["car"]}
    assert json.loads(done.out) == {"node": "yolo", "params": params, "waiting": []}
    assert system.told[0]["params"] == {"confidence": 0.6, "classes": ["car"]}
    assert refused.code == 2
    assert "there is no node 'yollo'" in refused.err


def test_top_shows_each_replica_and_each_link(argus: Argus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with fake_system():
        done = argus("flow", "top", "--once")
    assert done.code == 0
    rows = {line.split()[0]: " ".join(line.split()) for line in done.out.splitlines() if line.strip()}
    assert rows["my-robot"].endswith("http://127.0.0.1:8080")
    assert rows["camera"] == "camera running 30.0 1.5/3.0 0% 123 0 0"
    assert rows["yolo.0"] == "yolo.0 running 14.2 41/88 83% 123 0 3"
    assert rows["yolo.1"] == "yolo.1 backing-off 0.0 0% 123 4 0"
    assert rows["yolo.1:"] == "yolo.1: killed by SIGSEGV"
    assert rows["logger:"] == "logger: Redis does not answer"
    assert rows["camera->yolo"] == "camera->yolo realtime, shared memory 0.0 300 140 1 159 newer"


def test_on_a_narrow_screen_names_and_numbers_stay_whole(
    argus: Argus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    with fake_system():
        words = argus("flow", "top").out.split()
    assert {"camera", "yolo.1", "backing-off", "camera->logger", "30.0", "newer", "≠"} <= set(words)


def test_a_sum_that_does_not_close_is_marked(argus: Argus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    with fake_system():
        lines = argus("flow", "top").out.splitlines()
    assert "≠" not in next(line for line in lines if line.startswith("camera->yolo"))
    assert "2 tried again, ≠ +5 unaccounted for" in next(
        line for line in lines if line.startswith("camera->logger")
    )


def test_top_as_json_is_the_whole_status(argus: Argus) -> None:
    with fake_system():
        found = json.loads(argus("flow", "top", "my-robot", "-o", "json").out)
    assert found["links"][0]["counts"]["dropped"] == {"newer": 159}
    assert found["nodes"][1]["replicas"][1]["reason"] == "killed by SIGSEGV"


def test_how_a_system_was_when_it_ended_can_be_seen_later(argus: Argus) -> None:
    write_last_status(status("ended-robot"))
    assert last_status("ended-robot") == status("ended-robot")
    assert "ended-robot" in argus("flow", "top", "ended-robot", "--last").out
    unknown = argus("flow", "top", "ended-robt", "--last")
    assert (unknown.code, "did you mean 'ended-robot'" in unknown.err) == (2, True)


def test_the_systems_that_run_are_listed_with_their_worst_state(argus: Argus) -> None:
    with fake_system("a-robot"), fake_system("b-robot", nodes=status().nodes[:1]):
        found = {item["name"]: item for item in json.loads(argus("flow", "list", "-o", "json").out)["items"]}
        several = argus("flow", "top")
    assert found["a-robot"]["state"] == "backing-off"
    assert found["b-robot"]["state"] == "running"
    assert several.code == 2
    assert "which system? there are a-robot, b-robot: name one of them" in several.err


def test_without_a_system_the_way_to_one_is_told(argus: Argus) -> None:
    assert "argus flow run main.py" in argus("flow", "list").err
    for command in ("top", "stop"):
        done = argus("flow", command)
        assert done.code == 1
        assert "no system runs here" in done.err


def test_stop_waits_for_the_end(argus: Argus) -> None:
    with fake_system() as system:
        done = argus("flow", "stop")
        assert system.told == [{"op": "stop"}]
    assert done.code == 0
    assert "my-robot has ended" in done.err


def test_a_system_that_does_not_end_is_told_of(argus: Argus, monkeypatch: pytest.MonkeyPatch) -> None:
    with fake_system() as system:
        monkeypatch.setattr(system.server, "_answer", lambda _: None)
        done = argus("flow", "stop", "--wait", "0.3")
    assert done.code == 1
    assert "my-robot still runs after 0.3 s" in done.err


@pytest.mark.parametrize("ending", ["Ctrl-C", "the system ends"])
def test_live_top_ends_with_the_system_or_with_its_watcher(ending: str, tmp_path: Path) -> None:
    master, slave = os.openpty()
    shown: list[bytes] = []

    def read() -> None:
        try:
            while data := os.read(master, 65536):
                shown.append(data)
        except OSError:
            return

    with fake_system() as system:
        code = "from argus.cli.flow import app; app(standalone_mode=False)"
        command = [sys.executable, "-c", code, "top", "--every", "0.1"]
        watcher = subprocess.Popen(command, stdout=slave, stderr=slave, stdin=slave)
        os.close(slave)
        reader = threading.Thread(target=read)
        reader.start()
        assert comes_true(lambda: b"".join(shown).count(b"yolo.1") >= 3, 30.0)
        if ending == "Ctrl-C":
            watcher.send_signal(signal.SIGINT)
        else:
            system.server.close()
        assert watcher.wait(15.0) == 0
    reader.join(5.0)
    os.close(master)
    assert (b"my-robot has ended" in b"".join(shown)) == (ending != "Ctrl-C")
