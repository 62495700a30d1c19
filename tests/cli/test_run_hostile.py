"""`argus run` with several cameras on bad days: killed, out of space, nobody reads what it says."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from argus.vision.sources import open_source
from tests.sources.settling import comes_true

SCENE = "synthetic:plaza?width=160&height=120&fps=20&people=4&vehicles=0"
CAMERAS = [f"{name}={SCENE}&seed={seed}" for seed, name in enumerate(("a", "b", "c"), 1)]
MOTION = ("-m", "builtin:motion")
ARGUS = [sys.executable, "-c", "from argus.cli.main import main; main()", "run"]


def start(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True} | options
    return subprocess.Popen([*ARGUS, *map(str, arguments), *MOTION], **options)


def end(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=60)
    return process.returncode, out or "", err or ""


def pictures(path: Path) -> int:
    with open_source(path) as video:
        return sum(1 for _ in video)


def whole_lines(path: Path) -> list[dict[str, Any]]:
    *lines, _ = path.read_text().split("\n")
    return [json.loads(line) for line in lines]


def has_written(folder: Path, size: int) -> Callable[[], bool]:
    videos = [folder / "out" / f"{name}.mp4" for name in "abc"]
    return lambda: all(path.exists() and path.stat().st_size > size for path in videos)


def outputs(folder: Path) -> list[object]:
    return ["--out", folder / "out", "--detections", folder / "found", "--events", folder / "e.jsonl"]


def at_most(size: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def test_killed_cameras_leave_what_they_had_written_but_for_the_last_moments(tmp_path: Path) -> None:
    process = start(*CAMERAS, "--latest", *outputs(tmp_path))
    assert comes_true(has_written(tmp_path, 12_000), 60)
    process.kill()
    end(process)
    for name in "abc":
        shown = pictures(tmp_path / "out" / f"{name}.mp4")
        found = whole_lines(tmp_path / "found" / f"{name}.jsonl")
        assert shown >= 30
        assert len(found) >= shown - 30  # a second and what was in the encoder
        assert [row["frame"] for row in found] == sorted({row["frame"] for row in found})
    assert {event["camera"] for event in whole_lines(tmp_path / "e.jsonl")} == set("abc")


def test_a_full_disk_is_said_in_a_line_and_leaves_files_that_play(tmp_path: Path) -> None:
    process = start(*CAMERAS, *outputs(tmp_path), preexec_fn=at_most(60_000))
    code, out, err = end(process)
    assert (code, out) == (1, "")
    assert "File too large" in err
    assert err.count("error: cannot write") == len([line for line in err.splitlines() if line])
    assert [pictures(tmp_path / "out" / f"{name}.mp4") > 20 for name in "abc"] == [True, True, True]
    for name in "abc":
        assert len(whole_lines(tmp_path / "found" / f"{name}.jsonl")) > 20


def test_a_signal_to_end_finishes_the_files_of_all_cameras(tmp_path: Path) -> None:
    process = start(*CAMERAS, "--latest", "--json", *outputs(tmp_path))
    assert comes_true(has_written(tmp_path, 0), 60)
    process.send_signal(signal.SIGTERM)
    code, out, err = end(process)
    assert (code, "Traceback" in err) == (0, False)
    for camera in json.loads(out)["cameras"]:
        name = camera["source"]["name"]
        frames = camera["frames"]["processed"]
        assert frames == len(whole_lines(tmp_path / "found" / f"{name}.jsonl"))
        assert frames == pictures(tmp_path / "out" / f"{name}.mp4") > 0


def test_a_reader_of_events_that_goes_ends_the_run_with_one_line() -> None:
    process = start(*CAMERAS, "--latest", "-q", "--events", "/dev/stdout")
    assert process.stdout is not None
    assert process.stdout.readline().startswith('{"id"')
    process.stdout.close()
    process.stdout = None
    code, _, err = end(process)
    assert (code, err) == (1, "error: cannot write /dev/stdout: Broken pipe\n")


def test_a_slow_reader_of_events_keeps_no_camera_waiting(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    short = [f"{camera}&frames=40" for camera in CAMERAS]
    process = start(*short, "--latest", "-q", "--events", "/dev/stdout", stdout=writer)
    os.close(writer)
    assert end(process)[0] == 0  # nothing was read until it had ended
    with os.fdopen(reader) as events:
        assert {json.loads(line)["camera"] for line in events} == set("abc")


def test_nobody_need_read_what_is_said(tmp_path: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    short = [f"{camera}&frames=20" for camera in CAMERAS]
    process = start(*short, "--latest", "--json", "--detections", tmp_path, stderr=writer)
    os.close(writer)
    code, out, _ = end(process)
    assert code == 0
    assert [camera["frames"]["processed"] for camera in json.loads(out)["cameras"]] >= [10, 10, 10]


def test_a_run_may_have_no_stderr_at_all(tmp_path: Path) -> None:
    short = [f"{camera}&frames=20" for camera in CAMERAS]
    process = start(*short, *outputs(tmp_path), stderr=None, preexec_fn=lambda: os.close(2))
    assert end(process)[0] == 0
    assert [pictures(tmp_path / "out" / f"{name}.mp4") for name in "abc"] == [20, 20, 20]
