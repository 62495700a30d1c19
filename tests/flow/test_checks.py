"""What is wrong with a system is said before it starts, all at once, and without importing a node."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from argus.core.errors import SpecError
from argus.flow.checks import check, cycles, faults
from argus.flow.graph import Broker, Graph, LinkSpec, NodeSpec, Target
from argus.flow.outlines import Outline, TargetUnreadable, outline_of
from argus.flow.qos import Promise, QoS

CAMERA = """
from argus import ProducerNode
from pydantic import BaseModel

class Camera(ProducerNode):
    outputs = ("out", "mask")
    class Params(BaseModel):
        url: str = ""
        speed: float = 1.0
    def loop(self):
        return 1
"""
WORKER = """
from argus.flow.node import ConsumerNode
class Worker(ConsumerNode):
    def loop(self, data):
        return data
"""
SINK = """
import argus
class Log(argus.SinkNode):
    def loop(self, data): ...
"""
FUSION = """
from argus import FusionNode
class Both(FusionNode):
    def loop(self, data): ...
"""
EXPLODES = "raise SystemExit('a node was imported')\n"


@pytest.fixture
def nodes(tmp_path: Path) -> Path:
    for name, text in {"camera": CAMERA, "worker": WORKER, "log": SINK, "both": FUSION}.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "node.py").write_text(EXPLODES + text)
    return tmp_path


def node(folder: Path, kind: str, name: str | None = None, **settings: object) -> NodeSpec:
    target = Target(kind="path", where=str(folder / kind))
    return NodeSpec(name=name or kind, target=target, **settings)  # type: ignore[arg-type]


def link(source: str, target: str, qos: Promise = QoS.REALTIME, **ends: str) -> LinkSpec:
    return LinkSpec(source=source, target=target, qos=qos, **ends)


def graph(nodes: list[NodeSpec], links: list[LinkSpec], **more: object) -> Graph:
    return Graph(name="robot", nodes=tuple(nodes), links=tuple(links), **more)  # type: ignore[arg-type]


def only_fault(graph: Graph) -> str:
    found = faults(graph)
    assert len(found) == 1, found
    return found[0]


def test_a_good_system_has_no_faults_and_none_of_its_nodes_is_imported(nodes: Path) -> None:
    before = set(sys.modules)
    good = graph(
        [node(nodes, "camera", params={"url": "x"}), node(nodes, "worker", replicas=3), node(nodes, "log")],
        [link("camera", "worker"), link("worker", "log", QoS.DURABLE), link("camera", "log", output="mask")],
    )
    assert faults(good) == []
    check(good)
    assert not any(
        "node" in name and str(nodes) in str(sys.modules[name]) for name in set(sys.modules) - before
    )


def test_all_faults_are_told_in_one_error(nodes: Path) -> None:
    bad = graph(
        [
            node(nodes, "camera"),
            node(nodes, "worker", replicas=0),
            node(nodes, "nothing"),
            node(nodes, "log", "Log"),
        ],
        [link("camera", "wroker"), link("worker", "Log"), link("worker", "Log")],
    )
    with pytest.raises(SpecError) as raised:
        check(bad)
    text = str(raised.value)
    assert text.startswith("system robot: 5 things are wrong:\n- ")
    for fact in (
        "node 'Log': a name is of small letters",
        "replicas is 0",
        f"there is nothing at {nodes / 'nothing'}",
        "leads to 'wroker', which is no node; did you mean 'worker'?",
        "link worker->Log: it is there two times",
    ):
        assert fact in text


@pytest.mark.parametrize("env", [{"A=B": "x"}, {"": "x"}, {"A": "x\0"}, {"A\0": "x"}], ids=repr)
def test_a_variable_that_no_process_can_have_is_refused(nodes: Path, env: dict[str, str]) -> None:
    assert "node 'camera': env " in only_fault(
        graph([node(nodes, "camera", params={"url": "x"}, env=env)], [])
    )


def test_an_order_that_replicas_would_undo_is_refused(nodes: Path) -> None:
    workers = [node(nodes, "worker", "a", replicas=2), node(nodes, "worker", "b", replicas=3)]
    bad = graph(
        [node(nodes, "camera", params={"url": "x"}), *workers],
        [link("camera", "a"), link("a", "b", QoS.DURABLE(ordered=True))],
    )
    assert "link a->b: DURABLE with ordered leads to 3 replicas" in only_fault(bad)


def test_a_cycle_is_shown_as_the_way_around_it(nodes: Path) -> None:
    workers = [node(nodes, "worker", name) for name in "abc"]
    links = [link("a", "b"), link("b", "c"), link("c", "a")]
    assert "a -> b -> c -> a" in only_fault(graph(workers, links))
    assert cycles(graph(workers, [*links, link("b", "b")])) == [("a", "b", "c", "a")]
    assert cycles(graph(workers, [link("a", "b"), link("b", "b")])) == [("b", "b")]


def test_two_circles_apart_are_two_faults(nodes: Path) -> None:
    workers = [node(nodes, "worker", name) for name in "abcd"]
    links = [link("a", "b"), link("b", "a"), link("c", "d"), link("d", "c"), link("b", "c")]
    assert cycles(graph(workers, links)) == [("a", "b", "a"), ("c", "d", "c")]


def test_a_thousand_nodes_in_a_row_are_looked_through_at_once(nodes: Path) -> None:
    workers = [node(nodes, "worker", f"n{i}") for i in range(1000)]
    assert cycles(graph(workers, [link(f"n{i}", f"n{i + 1}") for i in range(999)])) == []
    ring = [*[link(f"n{i}", f"n{i + 1}") for i in range(999)], link("n999", "n0")]
    assert len(cycles(graph(workers, ring))[0]) == 1001


def test_two_nodes_of_one_name_are_one_fault(nodes: Path) -> None:
    fault = only_fault(graph([node(nodes, "camera", "a"), node(nodes, "worker", "a")], []))
    assert "two nodes are called 'a'" in fault
    assert "name=" in fault


@pytest.mark.parametrize("name", ["Camera", "a_b", "-a", "a-", "a" * 64, "a.b", "", "ä"])
def test_a_name_is_a_dns_label(nodes: Path, name: str) -> None:
    named = Graph(name=name, nodes=(node(nodes, "camera"),), links=())
    assert "a name is of small letters" in only_fault(named)


def test_what_the_class_does_not_have_is_told_with_the_nearest_name(nodes: Path) -> None:
    wrong = graph(
        [node(nodes, "camera", params={"sped": 2.0}), node(nodes, "worker")],
        [link("camera", "worker", output="masks")],
    )
    param, output = faults(wrong)
    assert "Camera (node.py) has no param 'sped'; did you mean 'speed'?; known: speed, url" in param
    assert "camera has no output 'masks'; did you mean 'mask'?; known: out, mask" in output


def test_what_no_process_can_be_told_is_refused(nodes: Path) -> None:
    strange = node(nodes, "camera", params={"url": Path("x"), "speed": 1.0})
    assert faults(graph([strange], [])) == [
        f"node 'camera': param url ({type(Path()).__name__}) cannot be told to its process: "
        "give text, 64-bit numbers or lists"
    ]
    assert faults(graph([strange], []), at_hand=["camera"]) == []
    for wrong in ({"env": {"DEBUG": 1}}, {"fps": "5"}, {"replicas": 1.5}):
        [fault] = faults(graph([node(nodes, "camera", **wrong)], []))
        assert f"$.{next(iter(wrong))}" in fault


def test_a_promise_of_half_a_message_is_refused(nodes: Path) -> None:
    both = [node(nodes, "camera"), node(nodes, "worker")]
    half = link("camera", "worker", QoS.DURABLE(capacity=1.5))
    assert faults(graph(both, [half])) == [
        "link camera->worker: Expected `int`, got `float` - at `$.qos.capacity`"
    ]


def test_params_of_a_node_that_has_none(nodes: Path) -> None:
    fault = only_fault(graph([node(nodes, "worker", params={"confidence": 0.5})], []))
    assert "Worker (node.py) has no param 'confidence'; it has none" in fault


def test_a_producer_takes_nothing_and_a_sink_gives_nothing(nodes: Path) -> None:
    found = faults(
        graph([node(nodes, "camera"), node(nodes, "log")], [link("log", "camera")]),
    )
    assert "Camera (node.py) is a producer and takes nothing, but there are links from log" in found[0]
    assert "Log (node.py) sends nothing, but there are links to camera" in found[1]


def test_a_fusion_needs_two_inputs_and_one_process(nodes: Path) -> None:
    cameras = [node(nodes, "camera", "left"), node(nodes, "camera", "right")]
    one = graph([*cameras, node(nodes, "both")], [link("left", "both", input="left")])
    assert "only 'left' is linked" in only_fault(one)
    links = [link("left", "both", input="left"), link("right", "both", input="right")]
    assert faults(graph([*cameras, node(nodes, "both")], links)) == []
    assert "cannot have replicas" in only_fault(graph([*cameras, node(nodes, "both", replicas=2)], links))


def test_what_no_transport_can_promise_is_refused(nodes: Path) -> None:
    hosts = {"edge": "10.0.0.1", "core": "10.0.0.2"}
    apart = [node(nodes, "camera", host="edge"), node(nodes, "worker", host="core")]
    durable = [link("camera", "worker", QoS.DURABLE)]
    broker = Broker(control="redis://:secret@10.0.0.3")
    assert "DURABLE between hosts (edge and core) needs a broker" in only_fault(
        graph(apart, durable, hosts=hosts)
    )
    assert faults(graph(apart, durable, hosts=hosts, broker=broker)) == []
    assert faults(graph(apart, [link("camera", "worker", QoS.REALTIME(ordered=True))], hosts=hosts)) == []
    kept = [link("camera", "worker", QoS.DURABLE(on_disk=True))]
    here = [node(nodes, "camera"), node(nodes, "worker")]
    assert faults(graph(here, kept)) == []
    both = only_fault(graph(here, kept, broker=broker))
    assert "on_disk" in both
    assert "secret" not in both


def test_an_unknown_host_names_the_nearest(nodes: Path) -> None:
    hosts = {"edge": "10.0.0.1"}
    wrong = only_fault(graph([node(nodes, "camera", host="egde")], [], hosts=hosts))
    assert "unknown host 'egde'; did you mean 'edge'?; known: edge" in wrong
    assert "System(hosts=…)" in only_fault(graph([node(nodes, "camera", host="edge")], []))


@pytest.mark.parametrize(
    ("files", "message"),
    [
        ({}, "there is no Python file: call it node.py"),
        ({"node.py": "x = 1\n"}, "has no node: write a class"),
        (
            {"node.py": WORKER + "class Other(Worker): ...\nclass Third(Worker): ...\n"},
            "has several nodes: Other",
        ),
        ({"a.py": WORKER, "b.py": SINK}, "there is a.py, b.py: call it node.py"),
        ({"node.py": "class Broken(\n"}, "node.py, line 1 is no Python"),
        ({"node.py": "x\0 = 1"}, "is no Python"),
    ],
)
def test_a_folder_without_one_node_is_told(tmp_path: Path, files: dict[str, str], message: str) -> None:
    folder = tmp_path / "thing"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    assert message in only_fault(graph([node(tmp_path, "thing")], []))


@pytest.mark.parametrize(
    "text",
    [
        "def loop(data): return data\n",
        "from somewhere import *\n",
        "from nowhere_at_all import Base\nclass Mine(Base): ...\n",
        "import nowhere\nclass Mine(nowhere.made()): ...\n",
    ],
)
def test_what_cannot_be_told_without_running_it_is_no_fault(tmp_path: Path, text: str) -> None:
    (tmp_path / "node.py").write_text(text)
    target = Target(kind="path", where=str(tmp_path / "node.py"))
    assert outline_of(target) is None
    assert faults(graph([NodeSpec(name="a", target=target, params={"any": 1})], [])) == []


def outline(tmp_path: Path, text: str, attribute: str | None = None) -> Outline:
    (tmp_path / "node.py").write_text(text)
    found = outline_of(Target(kind="path", where=str(tmp_path), attribute=attribute), str(tmp_path))
    assert found is not None
    return found


def test_bases_in_other_files_are_followed(tmp_path: Path) -> None:
    (tmp_path / "base.py").write_text(CAMERA)
    found = outline(
        tmp_path, "from base import Camera as Base\nclass Fast(Base):\n    def loop(self): ...\n", "Fast"
    )
    assert found.kind == "producer"
    assert found.outputs == ("out", "mask")
    assert found.params == frozenset({"url", "speed"})


def test_a_gateway_is_a_sink_without_outputs(tmp_path: Path) -> None:
    found = outline(tmp_path, "from argus.flow import GatewayNode\nclass Web(GatewayNode): ...\n")
    assert (found.kind, found.outputs, found.params) == ("gateway", (), frozenset())


@pytest.mark.parametrize(
    "body",
    [
        "outputs = tuple(NAMES)",
        "def setup(self): self.outputs = ('a',)",
        "outputs = (*A, 'b')",
        "outputs = 'out'",
    ],
)
def test_outputs_that_are_computed_are_unknown(tmp_path: Path, body: str) -> None:
    text = (
        f"from argus import ConsumerNode\nclass Odd(ConsumerNode):\n    {body}\n    def loop(self, d): ...\n"
    )
    assert outline(tmp_path, text).outputs is None


@pytest.mark.parametrize(
    "params",
    [
        "class Params(Elsewhere):\n        a: int = 1",
        "Params = make()",
    ],
)
def test_params_that_may_have_other_names_are_unknown(tmp_path: Path, params: str) -> None:
    head = (
        "from argus import SinkNode\nfrom pydantic import BaseModel\nfrom elsewhere import Elsewhere, make\n"
    )
    text = f"{head}class Odd(SinkNode):\n    {params}\n    def loop(self, d): ...\n"
    assert outline(tmp_path, text).params is None


def test_params_may_be_a_model_that_stands_beside_the_class(tmp_path: Path) -> None:
    text = (
        "from argus import SinkNode\nfrom pydantic import BaseModel\nfrom typing import ClassVar\n"
        "class Basic(BaseModel):\n    a: int = 1\n    n: ClassVar[int] = 2\n"
        "class More(Basic):\n    b: int = 1\n"
        "class Log(SinkNode):\n    Params = More\n    def loop(self, d): ...\n"
    )
    assert outline(tmp_path, text).params == frozenset({"a", "b"})


def test_a_class_of_the_systems_own_file_is_read_by_its_name(tmp_path: Path) -> None:
    file = tmp_path / "main.py"
    file.write_text(EXPLODES + CAMERA + WORKER + "def blur(data): return data\n")
    named = outline_of(Target(kind="script", where=str(file), attribute="Worker"))
    assert named is not None
    assert named.kind == "consumer"
    assert outline_of(Target(kind="script", where=str(file), attribute="blur")) is None
    with pytest.raises(TargetUnreadable, match="has no Wroker"):
        outline_of(Target(kind="script", where=str(file), attribute="Wroker"))


def test_a_module_is_found_without_importing_its_package(tmp_path: Path) -> None:
    (tmp_path / "parts").mkdir()
    (tmp_path / "parts" / "__init__.py").write_text(EXPLODES)
    (tmp_path / "parts" / "cam.py").write_text(CAMERA)
    found = outline_of(Target(kind="module", where="parts.cam"), str(tmp_path))
    assert found is not None
    assert found.name == "Camera"
    with pytest.raises(TargetUnreadable, match="there is no module no_such_package"):
        outline_of(Target(kind="module", where="no_such_package.cam"), str(tmp_path))


def test_classes_that_are_built_on_each_other_do_not_hang(tmp_path: Path) -> None:
    (tmp_path / "node.py").write_text("class A(B, C): ...\nclass B(A, C): ...\nclass C(A, B): ...\n")
    with pytest.raises(TargetUnreadable, match="has no node"):
        outline_of(Target(kind="path", where=str(tmp_path)))
