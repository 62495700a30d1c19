"""Branches in a whole run: real networks, files and drawings."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import yaml
from numpy.typing import NDArray

from argus.core.frame import Frame
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import BranchSpec, PipelineSpec
from argus.vision.branches.finding import Finding
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.runner import Branches
from argus.vision.draw import Annotator, Style
from argus.vision.pictures import ArrayPicture
from argus.vision.pipeline import Pipeline
from argus.vision.results import FrameResult
from argus.vision.runner.job import Job, run_job
from argus.vision.sinks.jsonl import DetectionLines
from tests.branches.scene import BEGIN, NEAR, RED, Colours, branch, frame, opening, seen
from tests.models.networks import names, write_network, yolov8_rows

SCENE = "synthetic:plaza?width=320&height=180&fps=10&people=4&vehicles=1&seed=6"


def write_channels(path: Path) -> Path:
    """Write a real classifier of a few bytes: the mean of each channel of a picture of any batch."""
    import onnx
    from onnx import TensorProto, helper

    floats: Any = TensorProto.FLOAT
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean"], axes=[2, 3], keepdims=0),
        helper.make_node("Constant", [], ["ten"], value=helper.make_tensor("t", floats, [1], [10.0])),
        helper.make_node("Mul", ["mean", "ten"], ["output"]),
    ]
    graph = helper.make_graph(
        nodes,
        "channels",
        [helper.make_tensor_value_info("images", floats, ["batch", 3, 32, 32])],
        [helper.make_tensor_value_info("output", floats, ["batch", 3])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, names("red", "green", "blue"))
    onnx.save(model, str(path))
    return path


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pipeline_file(folder: Path, branches: list[dict[str, Any]]) -> Path:
    write_channels(folder / "channels.onnx")
    parts = yolov8_rows([(32, 32, 40, 20, 1, 0.9)])
    write_network(
        folder / "parts.onnx", {"output0": parts}, metadata=names("head", "hand") | {"task": "detect"}
    )
    file = folder / "p.yaml"
    models = {"colour": {"path": "channels.onnx", "batch": 4}, "parts": {"path": "parts.onnx"}}
    file.write_text(yaml.safe_dump({"detect": "builtin:plaza", "models": models, "branches": branches}))
    return file


TREE: list[dict[str, Any]] = [
    {"model": "colour"},
    {"model": "parts", "every": 4, "branches": [{"model": "colour", "classes": "hand"}]},
]


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Detections and events of one run with real networks."""
    folder = tmp_path_factory.mktemp("run")
    job = Job(
        SCENE,
        pipeline=pipeline_file(folder, TREE),
        limit=40,
        detections=folder / "d.jsonl",
        events=folder / "e.jsonl",
        out=folder / "o.mp4",
    )
    run_job(job)
    assert (folder / "o.mp4").stat().st_size > 1000
    return lines(folder / "d.jsonl"), lines(folder / "e.jsonl")


def findings_of(rows: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any], dict[str, Any]]]:
    return [
        (row["frame"], detection, finding)
        for row in rows
        for detection in row["detections"]
        for finding in detection.get("findings", ())
    ]


def test_findings_stand_beside_the_detections_of_their_tracks(
    written: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    found = findings_of(written[0])
    assert {finding["branch"] for _, _, finding in found} == {"colour", "parts", "parts/colour"}
    assert all(detection["track_id"] for _, detection, _ in found)
    assert all(finding["frame"] <= at for at, _, finding in found)
    assert {f["label"] for _, _, f in found if f["branch"] == "colour"} <= {"red", "green", "blue"}


def test_what_a_detector_found_in_a_crop_lies_in_the_box_that_it_looked_at(
    written: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    found = findings_of(written[0])
    parts = [finding for _, _, finding in found if finding["branch"] == "parts"]
    assert parts
    for finding in parts:
        (part,) = finding["detections"]
        x1, y1, x2, y2 = finding["xyxy"]
        left, top, right, bottom = part["xyxy"]
        assert part["class"] == "hand"
        assert x1 - 2 <= left < right <= x2 + 2
        assert y1 - 2 <= top < bottom <= y2 + 2
        below = [
            f["xyxy"] for _, _, f in found if f["branch"] == "parts/colour" and f["frame"] == finding["frame"]
        ]
        assert any(np.allclose(box, part["xyxy"], atol=0.1) for box in below)


def test_each_track_is_looked_at_once_unless_a_much_better_crop_comes(
    written: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    looks: dict[int, set[int]] = {}
    for _, detection, finding in findings_of(written[0]):
        if finding["branch"] == "colour":
            looks.setdefault(detection["track_id"], set()).add(finding["frame"])
    assert len(looks) >= 3
    assert all(len(frames) <= 3 for frames in looks.values())


def test_an_event_that_is_over_says_what_is_known_of_its_object(
    written: tuple[list[dict[str, Any]], list[dict[str, Any]]],
) -> None:
    known = {d["track_id"] for _, d, _ in findings_of(written[0])}
    told = {e["object"]: e["findings"] for e in written[1] if e.get("findings")}
    assert known <= set(told)
    assert {f["branch"] for findings in told.values() for f in findings} >= {"colour", "parts"}


def test_two_runs_of_a_recording_write_the_same(tmp_path: Path) -> None:
    file = pipeline_file(tmp_path, TREE)
    for name in ("a", "b"):
        run_job(Job(SCENE, pipeline=file, limit=12, detections=tmp_path / name))
    assert (tmp_path / "a").read_text() == (tmp_path / "b").read_text()


def test_pictures_that_stand_by_themselves_are_looked_at_too(tmp_path: Path) -> None:
    file = pipeline_file(tmp_path, [{"model": "colour"}])
    run_job(Job(SCENE, pipeline=file, limit=2, detections=tmp_path / "d.jsonl", track=False))
    rows = lines(tmp_path / "d.jsonl")
    assert all("findings" in detection for row in rows for detection in row["detections"])


def test_a_pipeline_tells_its_findings_with_frames_and_alerts() -> None:
    zone = {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "severity": "high", "enter_after": 0}
    spec = PipelineSpec.model_validate({"zones": {"all": zone}, "branches": [branch("colour")]})
    with BranchLanes(opening(colour=Colours())) as lanes:
        branches = Branches(spec.branches, lanes, "gate", wait=True)
        pipeline = Pipeline(spec, "gate", branches=branches)
        result = pipeline.process(frame([(NEAR, RED)]), seen([NEAR]))
        branches.close()
    assert [f.label for f in result.findings[0]] == ["red"]
    (alert,) = result.alerts
    assert [f.label for f in alert.event.findings] == ["red"]
    assert all(event.findings for event in result.events)


def test_without_branches_nothing_is_known() -> None:
    result = Pipeline(PipelineSpec()).process(frame(), seen([NEAR]))
    assert result.findings == {}
    assert all("findings" not in event.to_json() for event in result.events)


def result_with(findings: Mapping[int, tuple[Finding, ...]], index: int = 0) -> FrameResult:
    return FrameResult(frame(index=index), seen({7: NEAR}), findings=findings)


def test_a_vector_is_written_once_and_the_finding_in_every_line(tmp_path: Path) -> None:
    look = Finding("look", 0, 0.0, NEAR, embedding=np.array([1, 0], np.float32))
    writer = DetectionLines(tmp_path / "d.jsonl")
    for index in range(3):
        writer.write(result_with({0: (look,)}, index))
    writer.close()
    told = [row["detections"][0]["findings"][0] for row in lines(tmp_path / "d.jsonl")]
    assert [finding.get("embedding") for finding in told] == [[1.0, 0.0], None, None]
    assert [finding["branch"] for finding in told] == ["look"] * 3


def drawn(known: Mapping[int, tuple[Finding, ...]], **style: Any) -> NDArray[np.uint8]:
    return Annotator(style=Style(trail_s=0, clock=False, **style)).draw(result_with(known))


def test_a_drawing_shows_what_was_found_out() -> None:
    named = Finding("colour", 0, 0.0, NEAR, label="red", confidence=0.91)
    plain, told = drawn({}), drawn({0: (named,)})
    rows, columns = np.nonzero((plain != told).any(axis=2))
    assert len(rows) > 100
    assert rows.max() < NEAR[1]
    assert columns.min() > NEAR[0]
    assert (drawn({0: (named,)}, findings=False) == plain).all()


def test_boxes_of_a_branch_are_drawn_in_the_frame_it_looked_at_only() -> None:
    found = seen([(120, 80, 140, 100)])
    now, before = (Finding("parts", index, 0.0, NEAR, detections=found) for index in (0, -1))
    inside = (slice(78, 103), slice(118, 143))
    assert (drawn({0: (now,)})[inside] != drawn({0: (before,)})[inside]).any()


def test_a_vector_alone_changes_no_drawing() -> None:
    look = Finding("look", 0, 0.0, NEAR, embedding=np.array([1, 0], np.float32))
    assert (drawn({0: (look,)}) == drawn({})).all()


def test_the_same_person_looks_alike_in_two_cameras(shared_data: Path) -> None:
    """A real re-identification network, shared by two cameras; against the golden similarities."""
    golden = json.loads((shared_data / "golden" / "reid_osnet_x0_25.json").read_text())
    folder = shared_data / "mot" / "MOT17" / "MOT17-09-FRCNN" / "img1"
    spec = BranchSpec(
        model=ModelSpec(path=str(shared_data / golden["model"]), task="embed", precision="f32"), name="look"
    )
    looks: list[NDArray[np.float32]] = []
    with BranchLanes() as lanes:
        cameras = {index: Branches([spec], lanes, f"camera {index}", wait=True) for index in (1, 4)}
        for index, branches in cameras.items():
            crops = [crop for crop in golden["crops"] if crop["frame"] == index]
            picture = cv2.imread(str(folder / f"{index:06}.jpg"))
            assert picture is not None
            shown = Frame(ArrayPicture(picture.astype(np.uint8)), f"camera {index}", 0, 0.0, BEGIN)
            found = branches.step(shown, seen([crop["xyxy"] for crop in crops]))
            looks += [found[row][0].embedding for row in range(len(crops))]  # type: ignore[misc]
        assert [stats.looked for stats in lanes.stats.values()] == [len(looks)]
    expected = np.array([crop["embedding_first16"] for crop in golden["crops"]])
    assert np.abs(np.array(looks)[:, :16] - expected).max() < 0.01
    assert np.abs(np.array(looks) @ np.array(looks).T - np.array(golden["cosine"])).max() < 0.02
