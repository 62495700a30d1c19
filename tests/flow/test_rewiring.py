"""Another system made of one: recorded, fed from a recording, with other params."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.core.errors import SpecError, UnknownName
from argus.flow.checks import faults
from argus.flow.graph import Graph, LinkSpec, NodeSpec, Target
from argus.flow.qos import Durable, QoS
from argus.flow.rewiring import played, recorded, with_params


def robot(tmp_path: Path, *names: str, **links: str) -> Graph:
    """Return a system of nodes without code; links are `source_target="output"`, empty for the first."""
    (tmp_path / "node.py").write_text("def loop(data): ...\n")
    target = Target(kind="path", where=str(tmp_path / "node.py"))
    return Graph(
        name="robot",
        nodes=tuple(NodeSpec(name=name, target=target) for name in names),
        links=tuple(
            LinkSpec(
                source=ends.split("_")[0],
                target=ends.split("_")[1],
                output=output or None,
                input=ends.split("_")[0],
                qos=QoS.REALTIME,
            )
            for ends, output in links.items()
        ),
    )


def ids(graph: Graph) -> list[str]:
    return [link.id for link in graph.links]


def names(graph: Graph) -> list[str]:
    return [node.name for node in graph.nodes]


def test_a_recorder_takes_everything_of_its_topics(tmp_path: Path) -> None:
    before = robot(tmp_path, "camera", "yolo", camera_yolo="")
    after = recorded(before, ["camera", "camera.mask", "camera"], tmp_path / "out.mcap")
    assert ids(after) == ["camera->yolo", "camera->recorder", "camera.mask->recorder.camera.mask"]
    assert all(isinstance(link.qos, Durable) for link in after.into("recorder"))
    assert after.node("recorder").params == {"path": str(tmp_path / "out.mcap")}
    assert faults(after) == []
    assert names(before) == ["camera", "yolo"]


def test_a_recorder_beside_one_that_is_there_gets_another_name(tmp_path: Path) -> None:
    after = recorded(robot(tmp_path, "camera", "recorder", camera_recorder=""), ["camera"], "x.mcap")
    assert names(after) == ["camera", "recorder", "recorder-2"]


def test_a_topic_that_is_none_names_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="did you mean 'camera'"):
        recorded(robot(tmp_path, "camera", "yolo", camera_yolo=""), ["camra"], "x.mcap")


def test_a_player_stands_for_the_camera(tmp_path: Path) -> None:
    before = robot(tmp_path, "camera", "yolo", "log", camera_yolo="", yolo_log="", camera_log="")
    after = played(before, ["camera"], tmp_path / "in.mcap", rate=2.0)
    assert names(after) == ["camera", "yolo", "log"]
    assert ids(after) == ids(before)
    player = after.node("camera")
    assert player.target.where == "argus.flow.nodes.player"
    assert (player.params["topic"], player.params["rate"]) == ("camera", 2.0)
    assert faults(after) == []


def test_what_only_fed_the_played_node_does_not_run(tmp_path: Path) -> None:
    before = robot(tmp_path, "camera", "resize", "yolo", "log", camera_resize="", resize_yolo="", yolo_log="")
    after = played(before, ["yolo"], "in.mcap")
    assert names(after) == ["yolo", "log"]
    assert ids(after) == ["yolo->log"]


def test_what_also_feeds_others_goes_on(tmp_path: Path) -> None:
    before = robot(tmp_path, "camera", "yolo", "log", camera_yolo="", yolo_log="", camera_log="")
    assert ids(played(before, ["yolo"], "in.mcap")) == ["yolo->log", "camera->log"]


def test_outputs_are_played_apart_and_keep_step(tmp_path: Path) -> None:
    before = robot(
        tmp_path, "camera", "yolo", "depth", "log", camera_yolo="", camera_depth="mask", camera_log="raw"
    )
    after = played(before, ["camera", "camera.mask"], "in.mcap")
    assert names(after) == ["camera", "camera-mask", "yolo", "depth"]
    assert [(link.source, link.target, link.input) for link in after.links] == [
        ("camera", "yolo", "camera"),
        ("camera-mask", "depth", "camera"),
    ]
    assert {node.params["start"] for node in after.nodes if node.params} == {"file"}


def test_a_topic_that_nobody_takes_is_not_played(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"topic camera\.mask: nobody takes it"):
        played(robot(tmp_path, "camera", "yolo", camera_yolo=""), ["camera.mask"], "in.mcap")


def test_params_are_changed_one_by_one(tmp_path: Path) -> None:
    before = with_params(robot(tmp_path, "camera", "yolo", camera_yolo=""), {"yolo": {"a": 1, "b": 2}})
    after = with_params(before, {"yolo": {"b": 3}})
    assert after.node("yolo").params == {"a": 1, "b": 3}
    assert before.node("yolo").params == {"a": 1, "b": 2}
    with pytest.raises(UnknownName, match="did you mean 'yolo'"):
        with_params(before, {"yollo": {"a": 1}})
