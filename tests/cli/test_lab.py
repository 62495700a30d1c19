"""`argus lab`, as far as it is quick: what it knows and what it refuses."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from argus.core.errors import SourceUnreachable
from argus.vision.lab import FAULTS, fault_named, trial
from argus.vision.lab.gstreamer import rtsp_problem
from argus.vision.lab.outcome import Outcome, Span, Try
from tests.cli.conftest import Argus


def test_the_faults_can_be_listed(argus: Argus) -> None:
    done = argus("lab", "--list")
    assert done.code == 0
    assert [line.split()[0] for line in done.out.splitlines()] == [fault.name for fault in FAULTS]


def test_the_faults_can_be_listed_as_json(argus: Argus) -> None:
    done = argus("lab", "--list", "--json")
    assert done.code == 0
    listed = json.loads(done.out)
    assert [fault["fault"] for fault in listed] == [fault.name for fault in FAULTS]
    assert listed[0] == {
        "fault": "freeze",
        "title": "one picture again and again",
        "cameras": ["rtsp", "synthetic"],
        "expected": "frozen",
        "within_s": 15,
    }


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("freezes",), "did you mean 'freeze'"),
        (("kill", "--camera", "synthetic"), "a camera of kind 'synthetic' cannot do 'kill'"),
        (("--camera", "usb"), "take synthetic, rtsp, both"),
    ],
)
def test_what_cannot_be_is_said(argus: Argus, arguments: tuple[str, ...], message: str) -> None:
    done = argus("lab", *arguments)
    assert done.code == 2
    assert message in " ".join(done.err.split())


def test_a_fault_of_rtsp_cameras_is_refused_where_they_cannot_be_run(
    argus: Argus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "gi.py").write_text("raise ImportError('no GStreamer here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))  # of the system's Python
    rtsp_problem.cache_clear()
    try:
        done = argus("lab", "kill", "--strict")
    finally:
        rtsp_problem.cache_clear()
    assert done.code == 2
    assert done.out == ""
    said = " ".join(done.err.split())
    assert "without RTSP cameras: no GStreamer RTSP server (ImportError: no GStreamer here)" in said
    assert "a camera of kind 'synthetic' cannot do 'kill'" in said


def test_the_address_of_the_grid_is_on_one_line_and_ctrl_c_ends_it_all(tmp_path: Path) -> None:
    words = ("drop", "--camera", "synthetic", "--neighbours", "0", "--model", "builtin:motion", "--grid", "0")
    process = subprocess.Popen(
        [sys.executable, "-m", "argus", "lab", *words, "--json"],
        env={**os.environ, "COLUMNS": "30", "TMPDIR": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    process.send_signal(signal.SIGINT)
    out, _ = process.communicate(timeout=30)
    assert re.fullmatch(r"the cameras are to be seen at http://127\.0\.0\.1:\d+/\S*\n", said)
    assert (process.returncode, json.loads(out)) == (130, [])


def test_a_lab_that_breaks_down_shows_what_it_had_found(
    argus: Argus, monkeypatch: pytest.MonkeyPatch
) -> None:
    calm = Span(10, [[0.1] * 50])
    found = Outcome.of(
        fault_named("drop", "synthetic"), "synthetic", [Try("lost", 5.2, 1.2, calm, calm, calm)]
    )

    def breaks_down(*_: object, on_outcome: Callable[[Outcome], None], **__: object) -> None:
        on_outcome(found)
        raise SourceUnreachable("the RTSP server has ended")

    monkeypatch.setattr(trial, "run_trial", breaks_down)
    done = argus("lab", "drop", "freeze", "--camera", "synthetic", "--json")
    assert done.code == 1
    assert [outcome["fault"] for outcome in json.loads(done.out)] == ["drop"]
    assert "the RTSP server has ended" in done.err
