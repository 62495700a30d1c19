"""Which steps lead from what runs to what shall run."""

from __future__ import annotations

from pathlib import Path

from argus.core.resources.camera import CameraSpec
from argus.stream.config import PipelinePlan, WorkerConfig
from argus.stream.converge import Running, engine_spec, is_recording, steps
from tests.stream.parts import ZONE, config, plan

HERE = Path("/nowhere")
LIVE = {"gate": "rtsp://10.0.0.5/1"}


def _applied(wanted: WorkerConfig) -> Running:
    return Running(wanted.cameras, wanted.pipelines)


def _steps(before: WorkerConfig | None, after: WorkerConfig) -> list[tuple[str, str]]:
    running = Running() if before is None else _applied(before)
    return [(step.do, step.name) for step in steps(running, after)]


def _with(**pipelines: PipelinePlan) -> WorkerConfig:
    return config(HERE, {"gate": "rtsp://10.0.0.5/1", "yard": "rtsp://10.0.0.6/1"}, **pipelines)


def test_nothing_is_to_be_done_where_all_is_as_it_shall_be() -> None:
    wanted = _with(p=plan(), q=plan("yard", zones={"z": ZONE}))
    assert _steps(wanted, wanted) == []


def test_cameras_come_before_their_pipelines() -> None:
    assert _steps(None, _with(p=plan(), q=plan("yard"))) == [
        ("add camera", "gate"),
        ("add camera", "yard"),
        ("add pipeline", "p"),
        ("add pipeline", "q"),
    ]


def test_cameras_go_after_their_pipelines() -> None:
    before = _with(p=plan(), q=plan("yard"))
    assert _steps(before, config(HERE, LIVE, p=plan())) == [
        ("remove pipeline", "q"),
        ("remove camera", "yard"),
    ]


def test_a_pipeline_that_is_renamed_is_there_under_its_new_name_before_the_old_one_goes() -> None:
    before = config(HERE, LIVE, old=plan())
    after = config(HERE, LIVE, new=plan())
    assert _steps(before, after) == [("add pipeline", "new"), ("remove pipeline", "old")]


def test_another_zone_changes_the_pipeline() -> None:
    after = config(HERE, LIVE, p=plan(zones={"z": ZONE}))
    assert _steps(config(HERE, LIVE, p=plan()), after) == [("change pipeline", "p")]


def test_another_model_alone_is_a_swap() -> None:
    after = config(HERE, LIVE, p=plan(detect={"model": {"path": "builtin:people"}}))
    assert _steps(config(HERE, LIVE, p=plan()), after) == [("swap model", "p")]


def test_another_model_of_a_branch_alone_is_a_swap() -> None:
    def looking(model: str, **fields: object) -> PipelinePlan:
        below = {"model": {"path": model}, "name": "text", **fields}
        return plan(branches=[{"model": {"path": "plates.onnx"}, "name": "plates", "branches": [below]}])

    before = config(HERE, LIVE, p=looking("letters.onnx"))
    assert _steps(before, config(HERE, LIVE, p=looking("letters-2.onnx"))) == [("swap model", "p")]
    assert _steps(before, config(HERE, LIVE, p=looking("letters-2.onnx", every=5))) == [
        ("change pipeline", "p")
    ]


def test_what_is_kept_is_no_matter_of_the_engine() -> None:
    before = plan()
    after = plan(
        generation=2,
        store={"detections": "all", "clips": {}},
        actions=[{"on": "zone.entered", "snapshot": True}],
        placement={"pack": 1},
    )
    assert _steps(config(HERE, LIVE, p=before), config(HERE, LIVE, p=after)) == [("keep otherwise", "p")]
    assert engine_spec(before) == engine_spec(after)


def test_pipelines_of_a_camera_that_changed_begin_anew() -> None:
    after = config(HERE, {"gate": CameraSpec(url="rtsp://10.0.0.5/2")}, p=plan())
    assert _steps(config(HERE, LIVE, p=plan()), after) == [("change camera", "gate"), ("begin anew", "p")]


def test_a_pipeline_that_moves_to_another_camera_begins_anew() -> None:
    assert _steps(_with(p=plan()), _with(p=plan("yard"))) == [("begin anew", "p")]


def test_a_beginning_makes_another_spec_of_the_same_plan() -> None:
    assert engine_spec(plan(), 1) != engine_spec(plan(), 2)


def test_a_recording_runs_when_its_pipelines_are_there_to_see_its_beginning() -> None:
    wanted = config(HERE, {"gate": "rtsp://10.0.0.5/1", "film": "a.mp4"}, p=plan(), q=plan("film"))
    assert _steps(None, wanted) == [
        ("add camera", "gate"),
        ("add camera", "film"),
        ("add pipeline", "q"),
        ("release camera", "film"),
        ("add pipeline", "p"),
    ]


def test_a_file_and_a_drawn_scene_have_a_beginning_and_a_camera_has_none() -> None:
    recordings = ["a.mp4", "/data/a.mp4", "file:///data/a.mp4", "synthetic:plaza"]
    cameras = ["rtsp://h/1", "http://h/x.mjpg", "/dev/video0"]
    assert [is_recording(url) for url in recordings + cameras] == [True] * 4 + [False] * 3
