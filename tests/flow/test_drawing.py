"""A system as a picture: all of it is there, nothing lies on anything else, and faults can be seen."""

from __future__ import annotations

import random
import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

import pytest

from argus.flow.drawing import Format, draw
from argus.flow.graph import Graph, LinkSpec, NodeSpec, Target
from argus.flow.layers import lay_out, spread
from argus.flow.qos import Promise, QoS

SVG = "{http://www.w3.org/2000/svg}"


def node(name: str, **settings: object) -> NodeSpec:
    target = Target(kind="path", where=f"/robot/nodes/{name}")
    return NodeSpec(name=name, target=target, **settings)  # type: ignore[arg-type]


def link(source: str, target: str, qos: Promise = QoS.REALTIME, **ends: str) -> LinkSpec:
    return LinkSpec(source=source, target=target, qos=qos, **ends)


def robot() -> Graph:
    return Graph(
        name="my-robot",
        folder="/robot",
        nodes=(
            node("gateway"),
            node("camera", fps=30, params={"url": "rtsp://user:secret@10.0.0.5"}),
            node("yolo", replicas=2, device="gpu"),
            node("logger", host="core"),
        ),
        links=(
            link("camera", "yolo", QoS.REALTIME(max_age=0.5, jpeg=80), input="camera"),
            link("yolo", "gateway", output="frame"),
            link("camera", "logger", QoS.DURABLE(on_disk=True)),
        ),
    )


def test_as_text_each_node_is_followed_by_the_links_that_leave_it() -> None:
    assert draw(robot()) == (
        "my-robot: 4 nodes, 3 links\n"
        "camera         nodes/camera, 30 fps\n"
        "  ──▶ yolo     realtime, at most 0.5 s old, jpeg 80\n"
        "  ━━▶ logger   durable, on disk\n"
        "yolo ×2        nodes/yolo, gpu\n"
        "  ──▶ gateway  realtime, output frame\n"
        "logger         nodes/logger, on core\n"
        "gateway        nodes/gateway\n"
    )


def test_as_mermaid_links_are_dotted_or_thick() -> None:
    drawn = draw(robot(), "mermaid")
    assert drawn.startswith("flowchart LR\n")
    assert 'n1 -.->|"realtime, at most 0.5 s old, jpeg 80"| n2' in drawn
    assert 'n1 ==>|"durable, on disk"| n3' in drawn


@pytest.mark.parametrize("format_", ["text", "mermaid", "svg"])
def test_params_are_never_drawn_as_they_may_hold_a_password(format_: Format) -> None:
    assert "secret" not in draw(robot(), format_)


def test_the_svg_is_whole_in_itself() -> None:
    drawn = draw(robot(), "svg")
    root = ElementTree.fromstring(drawn)
    texts = {element.text for element in root.iter(f"{SVG}text")}
    assert {"camera", "yolo ×2", "gateway", "logger"} <= texts
    assert (
        len([path for path in root.iter(f"{SVG}path") if "marker-end" in path.attrib]) == 3 + 2
    )  # and the legend
    assert "prefers-color-scheme:dark" in drawn
    assert not re.search(
        r"(href|src|url)\s*[=(]\s*[\"']?(?!#)", drawn.replace("http://www.w3.org/2000/svg", "")
    )


@pytest.mark.parametrize("format_", ["text", "mermaid", "svg"])
def test_what_is_wrong_with_a_graph_can_be_seen(format_: Format) -> None:
    bad = Graph(
        name="bad",
        nodes=(node("a"), node("b"), node('<b>"&')),
        links=(link("a", "b"), link("b", "a"), link("b", "b"), link("a", "nowhere"), link("no-one", "b")),
    )
    drawn = draw(bad, format_)
    assert "nowhere" in drawn
    assert "no such node" in drawn
    if format_ == "svg":
        root = ElementTree.fromstring(drawn)
        kinds = [path.get("class", "") for path in root.iter(f"{SVG}path")]
        assert kinds.count("wire fault") == 2


@pytest.mark.parametrize("format_", ["text", "mermaid", "svg"])
def test_a_system_without_nodes_is_drawn_too(format_: Format) -> None:
    assert draw(Graph(name="empty", nodes=(), links=()), format_)


@pytest.mark.parametrize("seed", range(20))
def test_no_two_boxes_meet_and_wires_go_to_the_right(seed: int) -> None:
    chance = random.Random(seed)
    names = [f"n{i}" for i in range(20)]
    edges = [(a, b) for a, b in combinations(names, 2) if chance.random() < 0.12]
    layout = lay_out({name: (chance.uniform(60, 200), 50.0) for name in names}, edges)
    for a, b in combinations(layout.boxes.values(), 2):
        apart_x = a.x + a.width <= b.x or b.x + b.width <= a.x
        apart_y = a.y + a.height <= b.y or b.y + b.height <= a.y
        assert apart_x or apart_y
    for wire, (source, target) in zip(layout.wires, edges, strict=True):
        assert wire[0][0] == layout.boxes[source].x + layout.boxes[source].width
        assert wire[-1][0] == layout.boxes[target].x
        assert all(a[0] <= b[0] for a, b in pairwise(wire))
        for (x, y), (_, to_y) in list(pairwise(wire))[1::2]:  # level, where it passes a column
            assert y == to_y
            assert not any(
                b.x <= x <= b.x + b.width and b.y < y < b.y + b.height for b in layout.boxes.values()
            )
    assert all(0 <= box.x <= layout.width and 0 <= box.y <= layout.height for box in layout.boxes.values())


def test_a_picture_that_can_be_drawn_without_crossings_is() -> None:
    sizes = dict.fromkeys(("a", "b", "c", "x", "y", "z"), (80.0, 50.0))
    layout = lay_out(sizes, [("a", "z"), ("b", "y"), ("c", "x")])
    heights = [layout.boxes[name].y for name in "abc"], [layout.boxes[name].y for name in "zyx"]
    assert heights[0] == heights[1]


def test_a_graph_of_circles_is_laid_out_all_the_same() -> None:
    names = [f"n{i}" for i in range(12)]
    everything = [(a, b) for a in names for b in names]
    layout = lay_out(dict.fromkeys(names, (80.0, 50.0)), everything)
    assert len(layout.wires) == 144
    assert [wire for wire, edge in zip(layout.wires, everything, strict=True) if not wire] == [[]] * 12


def test_places_are_the_nearest_that_keep_their_distance() -> None:
    assert spread([0.0, 100.0], [50.0]) == [0.0, 100.0]
    assert spread([0.0, 0.0], [50.0]) == [-25.0, 25.0]
    assert spread([10.0, 0.0, 200.0], [20.0, 20.0]) == [-5.0, 15.0, 200.0]
    assert spread([], []) == []
