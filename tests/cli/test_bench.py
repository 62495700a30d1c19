"""`argus bench`, as far as it is quick: what it refuses, and that it does so before it measures."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.conftest import Argus


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (("tracker", "-o", "yaml"), 2, "unknown output 'yaml': take table, json or markdown"),
        (("-o", "yaml"), 2, "unknown output 'yaml': take table, json or markdown"),
        (("run", "--peers", "/no/python"), 2, "--peers /no/python is no program"),
        (("capacity", "-s", "synthetic:plaza", "--seconds", "inf"), 2, "Invalid value for '--seconds'"),
        (("flow", "--peers", "/no/python"), 2, "--peers /no/python is no program"),
        (("run", "--video", "/no/video.mp4"), 1, "/no/video.mp4 does not exist"),
        (("engine", "--video", "/no/video.mp4"), 1, "/no/video.mp4 does not exist"),
        (("stages", "-m", "builtin:motion"), 2, "--model builtin:motion has no network to measure"),
    ],
)
def test_what_cannot_be_measured_is_said_before_anything_is(
    argus: Argus, arguments: tuple[str, ...], code: int, message: str
) -> None:
    done = argus("bench", *arguments)
    assert done.code == code
    assert message in done.err
    assert done.out == ""
    assert not [line for line in done.err.splitlines() if line.startswith(("each part", "stages", "1/"))]


def test_a_picture_is_no_video_to_measure_with(argus: Argus, tmp_path: Path) -> None:
    import cv2
    import numpy as np

    picture = tmp_path / "still.png"
    assert cv2.imwrite(str(picture), np.zeros((48, 64, 3), np.uint8))
    done = argus("bench", "stages", "--video", picture)
    assert done.code == 2
    assert "is no video but a source of kind 'image': give a video file" in done.err


def test_ended_by_sigterm_it_leaves_nothing_behind(tmp_path: Path) -> None:
    scene = "synthetic:plaza?width=64&height=64&fps=5&people=1&vehicles=0"
    process = subprocess.Popen(
        [sys.executable, "-m", "argus", "bench", "capacity", "--source", scene],
        env={**os.environ, "TMPDIR": str(tmp_path)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    while process.stderr.readline() != "each part alone\n":  # the scene's film is there
        assert process.poll() is None
    assert list(tmp_path.rglob("scene.mp4"))
    process.send_signal(signal.SIGTERM)
    _, said = process.communicate(timeout=30)
    # Interrupted while a library is loaded, CPython may end by the signal itself; to a shell both are 130.
    assert process.returncode in {130, -signal.SIGINT}
    assert said.splitlines()[-1] == "error: interrupted"
    assert not list(tmp_path.rglob("*.mp4"))
