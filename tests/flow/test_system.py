"""What a user writes a system with."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from argus import QoS, SinkNode, System
from argus.core.errors import SpecError
from argus.flow.qos import Durable, Realtime
from argus.flow.system import load_graph, load_systems


def produce() -> int:
    return 1


class PersonFinder(SinkNode):
    """Only its name matters."""


def test_the_ten_lines_of_the_readme_make_a_graph(tmp_path: Path) -> None:
    main = tmp_path / "main.py"
    main.write_text(
        "from argus import System, QoS\n"
        "sys = System('my-robot')\n"
        "cam = sys.node('nodes/camera', fps=30)\n"
        "gpu = sys.node('nodes/yolo', replicas=2)\n"
        "gw = sys.node('nodes/gateway')\n"
        "log = sys.node('nodes/logger')\n"
        "sys.link(cam).to(gpu, qos=QoS.REALTIME).to(gw)\n"
        "sys.link(cam).to(log, qos=QoS.DURABLE)\n"
        "sys.run()\n"
    )
    graph = load_graph(main)
    assert graph.name == "my-robot"
    assert [n.name for n in graph.nodes] == ["camera", "yolo", "gateway", "logger"]
    assert graph.node("camera").fps == 30
    assert graph.node("yolo").replicas == 2
    assert graph.node("yolo").target.where == str(tmp_path / "nodes" / "yolo")
    assert [link.id for link in graph.links] == ["camera->yolo", "yolo->gateway", "camera->logger"]
    assert [type(link.qos) for link in graph.links] == [Realtime, Realtime, Durable]
    assert graph.order.index("camera") == 0
    assert graph.folder == str(tmp_path)


def test_defining_a_system_imports_no_node(tmp_path: Path) -> None:
    folder = tmp_path / "nodes" / "bomb"
    folder.mkdir(parents=True)
    (folder / "node.py").write_text("raise SystemExit('imported')")
    (tmp_path / "main.py").write_text(
        "from argus import System\n"
        "sys = System('quiet')\n"
        "sys.link(sys.node('nodes/bomb')).to(sys.node('argus.flow.nodes.detector', name='d'))\n"
    )
    graph = load_graph(tmp_path / "main.py")
    assert [n.target.kind for n in graph.nodes] == ["path", "module"]


def test_importing_argus_for_a_system_loads_nothing_heavy() -> None:
    code = (
        "import sys; from argus import System, QoS, ProducerNode; s = System('x'); s.graph();"
        "heavy = 'cv2 av openvino pydantic fastapi zmq redis'.split();"
        "print([m for m in heavy if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_names_come_from_folders_modules_classes_and_functions() -> None:
    system = System("names")
    system.node("nodes/Front_Door")
    system.node("argus.flow.nodes.camera")
    system.node("package.module:TheNode")
    system.node(PersonFinder)
    system.node(produce)
    system.node(produce, name="again")
    assert [n.name for n in system.graph().nodes] == [
        "front-door",
        "camera",
        "the-node",
        "person-finder",
        "produce",
        "again",
    ]


def test_settings_of_a_promise_are_changed_by_calling_it() -> None:
    assert QoS.REALTIME(max_age=0.5, jpeg=80) == Realtime(max_age=0.5, jpeg=80)
    assert QoS.DURABLE(tries=5).tries == 5
    assert Realtime() == QoS.REALTIME
    with pytest.raises(ValueError, match="jpeg: 0"):
        QoS.REALTIME(jpeg=0)
    with pytest.raises(ValueError, match="max_age"):
        QoS.REALTIME(max_age=0)
    with pytest.raises(TypeError):
        QoS.REALTIME(tries=2)
    assert [QoS.DURABLE(backoff=1.0).delay_s(n) for n in (1, 2, 3, 4, 50)] == [1, 2, 4, 5, 5]


def test_outputs_and_inputs_have_names() -> None:
    system = System("named")
    a, b = system.node(produce), system.node(PersonFinder)
    system.link(a["mask"]).to(b, input="left")
    [link] = system.graph().links
    assert (link.output, link.input, link.id) == ("mask", "left", "produce.mask->person-finder.left")


@pytest.mark.parametrize("name", ["", "My Robot", "-x", "a" * 64, "a/b"])
def test_a_name_that_cannot_be_is_refused(name: str) -> None:
    with pytest.raises(SpecError, match="small letters"):
        System(name)


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("x = (", r"main\.py.*1"),
        ("import nothing_like_it", "nothing_like_it"),
        ("a = 1", "defines no system"),
        ("1 / 0", r"main\.py:1: ZeroDivisionError"),
    ],
)
def test_a_file_that_defines_no_system_is_told_why(tmp_path: Path, text: str, match: str) -> None:
    (tmp_path / "main.py").write_text(text)
    with pytest.raises(SpecError, match=match):
        load_systems(tmp_path / "main.py")


def test_a_missing_file_is_named() -> None:
    with pytest.raises(SpecError, match=r"nowhere\.py: there is no such file"):
        load_systems("nowhere.py")


def test_a_file_may_define_several_systems(tmp_path: Path) -> None:
    (tmp_path / "main.py").write_text("from argus import System\nSystem('a')\nSystem('b')\n")
    assert [s.name for s in load_systems(tmp_path / "main.py")] == ["a", "b"]
    with pytest.raises(SpecError, match=r"main\.py: which system\? there are a, b"):
        load_graph(tmp_path / "main.py")
    assert load_graph(tmp_path / "main.py", "b").name == "b"
