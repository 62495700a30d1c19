"""`argus run`: what it writes, what it says, how it ends."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

from tests.cli.conftest import Argus

SCENE = "synthetic:plaza?width=320&height=180&fps=10&people=5&vehicles=1&seed=6&frames=40"
RULES = """
zones:
  left: {polygon: [[0, 0], [0.5, 0], [0.5, 1], [0, 1]], severity: high}
lines:
  middle: {from: [0.5, 0], to: [0.5, 1]}
"""


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_a_run_writes_all_that_was_asked_for_and_a_summary_last(argus: Argus, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text(RULES)
    done = argus(
        "run", SCENE, "--pipeline", tmp_path / "rules.yaml", "--out", tmp_path / "a.mp4", "--events",
        tmp_path / "e.jsonl", "--detections", tmp_path / "d.jsonl", "--report", tmp_path / "r.html",
        "--snapshots", tmp_path / "shots",
    )  # fmt: skip
    assert done.code == 0, done.err
    rows = lines(tmp_path / "d.jsonl")
    assert [row["frame"] for row in rows] == list(range(40))
    assert {"class", "confidence", "xyxy", "track_id"} == rows[20]["detections"][0].keys()
    events = lines(tmp_path / "e.jsonl")
    assert {event["type"] for event in events} >= {"object.appeared", "zone.entered"}
    assert {"id", "type", "camera", "object", "zone", "start", "end", "severity"} <= next(
        event for event in events if event["type"] == "zone.entered"
    ).keys()
    assert len({event["id"] for event in events}) == len(events)
    with av.open(str(tmp_path / "a.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == 40
    assert "<html" in (tmp_path / "r.html").read_text()
    assert any((tmp_path / "shots").iterdir())
    assert "40 in" in done.out
    assert "zone.entered" in done.out


def test_the_summary_as_json_is_all_that_stdout_holds(argus: Argus) -> None:
    done = argus("run", SCENE, "--json")
    summary = json.loads(done.out)
    assert summary["frames"] == {
        "decoded": 40,
        "processed": 40,
        "gated": 0,
        "dropped_stale": 0,
        "dropped_full": 0,
        "corrupt": 0,
        "skipped": 0,
        "left_out": 0,
    }
    assert summary["detections"]["person"] > 40
    assert summary["model"].startswith("builtin:plaza")


def test_the_same_run_gives_the_same_files(argus: Argus, tmp_path: Path) -> None:
    for name in ("one", "two"):
        done = argus(
            "run", SCENE, "-q", "--events", tmp_path / f"{name}.e", "--detections", tmp_path / f"{name}.d"
        )
        assert done.code == 0
    for kind in ("e", "d"):
        strip = [
            {k: v for k, v in row.items() if k != "started_at"} for row in lines(tmp_path / f"one.{kind}")
        ]
        assert strip == [
            {k: v for k, v in row.items() if k != "started_at"} for row in lines(tmp_path / f"two.{kind}")
        ]


def test_a_folder_is_its_pictures_in_order_of_name_each_by_itself(argus: Argus, tmp_path: Path) -> None:
    photos = tmp_path / "photos"
    photos.mkdir()
    for name in ("b.png", "a.jpg", "c.png"):
        cv2.imwrite(str(photos / name), np.full((90, 160, 3), 120, np.uint8))
    done = argus(
        "run",
        photos,
        "-m",
        "builtin:plaza",
        "-q",
        "--detections",
        tmp_path / "d.jsonl",
        "--out",
        tmp_path / "out",
    )
    assert done.code == 0, done.err
    assert [row["file"] for row in lines(tmp_path / "d.jsonl")] == ["a.jpg", "b.png", "c.png"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.jpg", "b.jpg", "c.jpg"]


def test_zones_over_single_pictures_are_refused_with_the_remedy(argus: Argus, tmp_path: Path) -> None:
    cv2.imwrite(str(tmp_path / "a.png"), np.zeros((90, 160, 3), np.uint8))
    (tmp_path / "rules.yaml").write_text(RULES)
    done = argus("run", tmp_path / "a.png", "-m", "builtin:plaza", "-p", tmp_path / "rules.yaml")
    assert done.code == 2
    assert "add --track if these are one sequence" in done.err


def test_classes_and_confidence_leave_out_the_rest(argus: Argus) -> None:
    done = argus("run", SCENE, "--json", "--classes", "vehicle", "--confidence", "0.5")
    assert set(json.loads(done.out)["detections"]) <= {"vehicle"}


def test_a_lower_rate_skips_frames(argus: Argus) -> None:
    done = argus("run", SCENE, "--json", "--fps", "5")
    frames = json.loads(done.out)["frames"]
    assert frames["processed"] == 20


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["nowhere.mp4"], 1, "nowhere.mp4"),
        ([SCENE, "--model", "nothing.onnx"], 1, "nothing.onnx: there is no such file"),
        ([SCENE, "--classes", "persn"], 2, "did you mean 'person'?"),
        ([SCENE, "--engine", "openvin"], 2, "'openvino'"),
        ([SCENE, "--confidence", "7"], 2, "less than or equal to 1"),
        ([SCENE, "--out", "same.mp4", "--events", "same.mp4"], 2, "two outputs name the same file"),
        ([SCENE, "--pipeline", "missing.yaml"], 2, "missing.yaml"),
        (["gopher://x/y"], 2, "gopher"),
        ([SCENE, "--out", "a.xyz"], 2, "is no video format"),
    ],
)
def test_a_mistake_is_one_clear_line(argus: Argus, arguments: list[str], code: int, message: str) -> None:
    done = argus("run", *arguments)
    assert (done.code, "Traceback" in done.err) == (code, False)
    assert message in " ".join(done.err.split())


def test_writing_over_the_source_is_refused(argus: Argus, tmp_path: Path) -> None:
    source = tmp_path / "a.png"
    cv2.imwrite(str(source), np.zeros((90, 160, 3), np.uint8))
    done = argus("run", source, "-m", "builtin:plaza", "--out", source)
    assert done.code == 2
    assert "is the source" in done.err


def test_a_source_may_be_given_with_its_name(argus: Argus) -> None:
    assert json.loads(argus("run", f"gate={SCENE}", "--json").out)["source"]["name"] == "gate"


def start_endless(folder: Path) -> subprocess.Popen[str]:
    endless = SCENE.replace("&frames=40", "")
    command = [sys.executable, "-c", "from argus.cli.main import main; main()", "run", endless, "--json"]
    for option, name in (("--out", "a.mp4"), ("--detections", "d.jsonl"), ("--events", "e.jsonl")):
        command += [option, str(folder / name)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for(process: subprocess.Popen[str], what: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not what():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "it did not happen within a minute"
        time.sleep(0.05)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_finishes_its_files(tmp_path: Path, number: signal.Signals) -> None:
    process = start_endless(tmp_path)
    wait_for(process, lambda: (tmp_path / "d.jsonl").exists() and (tmp_path / "d.jsonl").stat().st_size > 0)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    summary = json.loads(out)
    assert summary["interrupted"], err
    rows = lines(tmp_path / "d.jsonl")
    assert len(rows) == summary["frames"]["processed"] > 0
    with av.open(str(tmp_path / "a.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) == len(rows)
    assert all(event["id"] for event in lines(tmp_path / "e.jsonl"))


def test_a_killed_run_leaves_what_it_had_written(tmp_path: Path) -> None:
    process = start_endless(tmp_path)
    wait_for(process, lambda: (tmp_path / "a.mp4").exists() and (tmp_path / "a.mp4").stat().st_size > 100_000)
    process.kill()
    process.communicate()
    *whole, _ = (tmp_path / "d.jsonl").read_text().split("\n")
    assert [json.loads(line)["frame"] for line in whole] == list(range(len(whole)))
    with av.open(str(tmp_path / "a.mp4")) as video:
        assert sum(1 for _ in video.decode(video=0)) > 20


def test_a_real_video_gives_people_and_tracks(argus: Argus, shared_data: Path, tmp_path: Path) -> None:
    done = argus(
        "run", shared_data / "video" / "vtest.avi", "-m", shared_data / "models" / "yolov8n_int8_320.onnx",
        "--limit", 60, "--json", "--events", tmp_path / "e.jsonl", "--classes", "person",
    )  # fmt: skip
    assert done.code == 0, done.err
    summary = json.loads(done.out)
    assert summary["detections"]["person"] > 100
    assert 3 <= summary["tracks"]["person"] <= 20
    assert all(event["class"] == "person" for event in lines(tmp_path / "e.jsonl"))


def test_a_classifier_cannot_do_a_detectors_work(argus: Argus, shared_data: Path) -> None:
    done = argus("run", SCENE, "-m", shared_data / "models" / "mobilenet_v2_int8_224.onnx")
    assert done.code == 1
    assert "is a classifier, and a detector is needed here" in done.err
