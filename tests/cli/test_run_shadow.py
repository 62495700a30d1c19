"""`argus run` with a candidate in the shadow of the model: what is compared, said and written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.conftest import Argus

SCENE = "synthetic:plaza?width=320&height=180&fps=10&people=5&vehicles=1&seed=6&frames=20"


@pytest.fixture
def pipeline(tmp_path: Path) -> Path:
    """A file whose candidate is surer of itself than the model that it is compared with."""
    file = tmp_path / "argus.yaml"
    file.write_text(
        "detect: {model: 'builtin:plaza', shadow: "
        "{model: {path: 'builtin:plaza', confidence: 0.9}, share: 1}}\n"
    )
    return file


def test_a_recording_is_compared_frame_by_frame_and_the_report_written(
    argus: Argus, pipeline: Path, tmp_path: Path
) -> None:
    done = argus("run", SCENE, "-p", pipeline, "--json", "--agreement", tmp_path / "agreed")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    written = json.loads((tmp_path / "agreed" / "report.json").read_text())
    assert said["agreement"]["frames"] == written["frames"] == said["frames"]["processed"] == 20
    assert said["agreement"]["only_candidate"] == 0 < said["agreement"]["only_live"]
    assert str(tmp_path / "agreed") in said["outputs"]
    assert "<html" in (tmp_path / "agreed" / "report.html").read_text()


def test_the_same_recording_gives_the_same_agreement(argus: Argus, pipeline: Path) -> None:
    def agreed() -> dict[str, object]:
        said = json.loads(argus("run", SCENE, "-p", pipeline, "--json").out)["agreement"]
        del said["latency"]
        return dict(said)

    assert agreed() == agreed()


def test_events_come_from_the_model_alone(argus: Argus, pipeline: Path, tmp_path: Path) -> None:
    argus("run", SCENE, "-q", "-p", pipeline, "--detections", tmp_path / "with.jsonl")
    argus("run", SCENE, "-q", "-m", "builtin:plaza", "--detections", tmp_path / "without.jsonl")
    assert (tmp_path / "with.jsonl").read_text() == (tmp_path / "without.jsonl").read_text()


def test_people_are_told_in_a_line(argus: Argus, pipeline: Path) -> None:
    done = argus("run", SCENE, "-p", pipeline)
    assert "agreement in 20 frames" in " ".join(done.out.split())


def test_what_was_asked_for_is_compared_and_nothing_else(argus: Argus, pipeline: Path) -> None:
    done = argus("run", SCENE, "-p", pipeline, "--json", "--classes", "vehicle", "--confidence", 0.9)
    said = json.loads(done.out)["agreement"]
    assert {row["class"] for row in said["classes"]} <= {"vehicle"}
    assert said["agreement"] == 1.0


def test_several_cameras_have_a_folder_each(argus: Argus, pipeline: Path, tmp_path: Path) -> None:
    done = argus("run", f"gate={SCENE}", f"yard={SCENE}", "-p", pipeline, "--agreement", tmp_path / "agreed")
    assert done.code == 0, done.err
    for name in ("gate", "yard"):
        report = json.loads((tmp_path / "agreed" / name / "report.json").read_text())
        assert report["frames"] == 20
        assert f"{name}: builtin:plaza" in done.out


def test_a_camera_is_compared_too(argus: Argus, pipeline: Path) -> None:
    done = argus("run", SCENE, "--latest", "-p", pipeline, "--json")
    [camera] = json.loads(done.out)["cameras"]
    assert 0 < camera["agreement"]["frames"] <= camera["frames"]["processed"]


def test_a_report_needs_a_candidate(argus: Argus, tmp_path: Path) -> None:
    done = argus("run", SCENE, "-m", "builtin:plaza", "--agreement", tmp_path / "agreed")
    assert done.code == 2
    assert "name one as `shadow` of `detect`" in " ".join(done.err.split())


def test_a_candidate_that_cannot_be_opened_ends_the_run(argus: Argus, tmp_path: Path) -> None:
    file = tmp_path / "argus.yaml"
    file.write_text("detect: {model: 'builtin:plaza', shadow: {model: gone.onnx}}\n")
    done = argus("run", SCENE, "-p", file)
    assert (done.code, "Traceback" in done.err) == (1, False)
    assert "gone.onnx" in done.err
