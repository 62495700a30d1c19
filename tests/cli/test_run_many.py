"""`argus run` with several cameras: names, files, the grid, what is said, how it ends."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import av
import cv2
import pytest

from argus.vision.lab import SyntheticCamera
from tests.cli.conftest import Argus

SCENE = "synthetic:plaza?width=160&height=120&fps=10&people=4&vehicles=0"
ONE, TWO = f"{SCENE}&seed=1", f"{SCENE}&seed=2"
MOTION = ("-m", "builtin:motion")


@pytest.fixture
def gone() -> Iterator[SyntheticCamera]:
    """A camera that answers nobody."""
    with SyntheticCamera("gone", width=160, height=120) as camera:
        camera.begin("drop")
        yield camera


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def pictures(path: Path) -> int:
    with av.open(str(path)) as video:
        return sum(1 for _ in video.decode(video=0))


def test_cameras_are_watched_to_the_limit_and_shown_in_a_grid(argus: Argus, tmp_path: Path) -> None:
    grid, events = tmp_path / "grid.jpg", tmp_path / "e.jsonl"
    done = argus(
        "run", f"gate={ONE}", f"yard={TWO}", "--latest", "--grid", grid, "--limit", 10, "--json", *MOTION,
        "--out", tmp_path / "out", "--detections", tmp_path / "found", "--events", events,
    )  # fmt: skip
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert [camera["source"]["name"] for camera in said["cameras"]] == ["gate", "yard"]
    for camera in said["cameras"]:
        name = camera["source"]["name"]
        assert camera["frames"]["processed"] == len(lines(tmp_path / "found" / f"{name}.jsonl")) == 10
        assert pictures(tmp_path / "out" / f"{name}.mp4") == 10
        assert camera["events"]["camera.online"] == 1
    assert said["outputs"] == [str(events), str(grid)]
    assert said["given_up"] == {}
    assert {camera["state"] for camera in said["engine"]["cameras"]} == {"online"}
    assert {event["camera"] for event in lines(events)} == {"gate", "yard"}
    assert cv2.imread(str(grid)) is not None


def test_people_read_a_table_and_what_happens_line_by_line(argus: Argus, tmp_path: Path) -> None:
    done = argus(
        "run", f"gate={ONE}&frames=10", f"{TWO}&frames=10", "--latest", *MOTION, "--events", tmp_path / "e"
    )
    table = done.out.splitlines()
    assert table[0].split()[:4] == ["camera", "state", "frames", "fps"]
    assert [row.split()[:2] for row in table[1:3]] == [["gate", "done"], ["cam2", "done"]]
    assert re.search(rf"^wrote +{tmp_path / 'e'}$", done.out, re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d gate camera\.online: first picture$", done.err, re.MULTILINE)


def test_quiet_says_nothing(argus: Argus) -> None:
    done = argus("run", f"{ONE}&frames=5", f"{TWO}&frames=5", "-q")
    assert (done.code, done.out, done.err) == (0, "", "")


def test_recordings_are_looked_at_frame_by_frame(argus: Argus) -> None:
    done = argus("run", f"{ONE}&frames=30", f"{TWO}&frames=20", "--json", *MOTION)
    assert [camera["frames"]["processed"] for camera in json.loads(done.out)["cameras"]] == [30, 20]


def test_one_recording_can_be_treated_as_a_camera(argus: Argus) -> None:
    began = time.monotonic()
    done = argus("run", f"{ONE}&frames=20", "--name", "The Gate", "--latest", "--json", *MOTION)
    assert time.monotonic() - began > 1.8
    assert json.loads(done.out)["cameras"][0]["source"]["name"] == "The Gate"


def test_a_camera_that_is_given_up_is_named_and_the_others_go_on(argus: Argus, gone: SyntheticCamera) -> None:
    done = argus("run", f"gate={gone.url}", f"yard={ONE}&frames=10", "--retries", 0, *MOTION)
    assert done.code == 1
    rows = {row.split()[0]: row for row in done.out.splitlines()}
    assert rows["gate"].split()[1:4] == ["given", "up", "0"]
    assert rows["yard"].split()[1] == "done"
    assert "error: camera gate was given up: lab:gone does not answer" in done.err


def test_when_all_are_given_up_that_is_the_error(argus: Argus, gone: SyntheticCamera) -> None:
    done = argus("run", f"a={gone.url}", f"b={gone.url}", "--retries", 0, "-q", *MOTION)
    assert (done.code, done.out) == (1, "")
    assert done.err.startswith("error: lab:gone does not answer")


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        ([f"a={ONE}", f"a={TWO}"], 2, "two cameras are called a: give each its own name"),
        ([f"cam2={ONE}", TWO], 2, "two cameras are called cam2"),
        ([f"Gate={ONE}", TWO], 2, "camera name 'Gate': use small letters, digits and hyphens"),
        ([ONE, TWO, "--name", "gate"], 2, "--name is for one source: name several as NAME=ADDRESS"),
        ([ONE, TWO, "--out", "all.mp4"], 2, "--out all.mp4: with several cameras this is a folder"),
        ([ONE, TWO, "--events", "d/a.jsonl", "--detections", "a.jsonl"], 2, "--detections a.jsonl"),
        ([ONE, "gopher://x/y"], 2, "unknown kind of source 'gopher'"),
        ([ONE, "nowhere.mp4"], 1, "nowhere.mp4 does not exist"),
        ([ONE, f"{TWO}&peple=3"], 2, "did you mean 'people'?"),
        # Longer than any file's name may be, as a GStreamer pipeline easily is.
        ([f"gst-of-nobody:{'x' * 300}"], 2, "unknown kind of source"),
        ([ONE, f"yard=gst-of-nobody:{'x' * 300}"], 2, "unknown kind of source"),
        ([ONE, TWO, "--grid", "grid.txt"], 2, "its name must end in one of"),
        ([ONE, TWO, "-m", "missing.onnx"], 1, "missing.onnx: there is no such file"),
    ],
)
def test_a_mistake_is_one_clear_line_and_nothing_is_written(
    argus: Argus,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    code: int,
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    done = argus("run", *arguments, *(() if "-m" in arguments else MOTION))
    assert (done.code, "Traceback" in done.err) == (code, False)
    assert message in " ".join(done.err.split())
    assert list(tmp_path.iterdir()) == []


def interrupted(folder: Path, *arguments: str) -> tuple[int, dict[str, Any], str]:
    """Run it in a process of its own, press Ctrl-C when it has written; return code, JSON, stderr."""
    command = [sys.executable, "-c", "from argus.cli.main import main; main()", "run", *arguments]
    command += [*MOTION, "--json", "--out", str(folder / "out"), "--detections", str(folder / "found")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    video = folder / "out" / "yard.mp4"
    until = time.monotonic() + 60
    while not (video.exists() and video.stat().st_size > 0):
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < until, "nothing was written within a minute"
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    return process.returncode, json.loads(out), err


def test_ctrl_c_is_how_cameras_end(tmp_path: Path) -> None:
    code, said, err = interrupted(tmp_path, f"gate={ONE}", f"yard={TWO}", "--latest")
    assert (code, "Traceback" in err) == (0, False)
    for camera in said["cameras"]:
        name = camera["source"]["name"]
        assert camera["interrupted"]
        frames = camera["frames"]["processed"]
        assert frames == len(lines(tmp_path / "found" / f"{name}.jsonl"))
        assert frames == pictures(tmp_path / "out" / f"{name}.mp4") > 0


def test_ctrl_c_cuts_recordings_short_and_the_exit_code_says_so(tmp_path: Path) -> None:
    code, said, _ = interrupted(tmp_path, f"gate={ONE}&frames=10", f"yard={TWO}")
    assert code == 130
    assert [camera["interrupted"] for camera in said["cameras"]] == [False, True]
    frames = said["cameras"][1]["frames"]["processed"]
    assert frames == pictures(tmp_path / "out" / "yard.mp4") > 0


def test_cameras_may_be_named_as_the_file_of_the_pipeline_declares_them(argus: Argus, tmp_path: Path) -> None:
    file = tmp_path / "argus.yaml"
    file.write_text(
        f"""
cameras:
  gate: {{url: "{ONE}", fps: 5, health: {{frozen_after: 3s}}}}
  yard: "{TWO}"
pipelines:
  all: {{detect: "builtin:motion"}}
"""
    )
    done = argus("run", "gate", "yard", "-p", file, "--limit", 4, "--json")
    assert done.code == 0, done.err
    said = json.loads(done.out)
    assert [camera["source"]["name"] for camera in said["cameras"]] == ["gate", "yard"]
    assert [camera["frames"]["processed"] for camera in said["cameras"]] == [4, 4]
