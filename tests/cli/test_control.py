"""`argus up` as a person runs it: a real control plane, a real worker, and the commands beside it."""

from __future__ import annotations

import json
import os
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from argus.control.lock import read_note
from argus.core.settings import Settings
from tests.cli.conftest import Argus

FILE = """
cameras:
  plaza: synthetic:plaza?width=320&height=180&fps=10&people=9
models:
  plaza: builtin:plaza
pipelines:
  plaza-safety:
    camera: plaza
    detect: plaza
    zones:
      restricted:
        polygon: [[0.05, 0.4], [0.7, 0.4], [0.7, 1.0], [0.05, 1.0]]
        classes: [person]
        severity: high
    actions: [{on: [zone.entered], snapshot: true}]
"""
CHANGED = FILE.replace("severity: high", "severity: high\n        enter_after: 30s")


@dataclass(frozen=True)
class Up:
    """A control plane that runs in the background."""

    home: Path
    file: Path
    said: str

    @property
    def url(self) -> str:
        note = read_note(Settings(self.home))
        assert note is not None
        return note.url


def environment(home: Path) -> dict[str, str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("ARGUS_")}
    return {**others, "ARGUS_HOME": str(home)}


def command(home: Path, *words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "argus", *map(str, words)],
        env=environment(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process: subprocess.Popen[str], within_s: float = 60.0) -> tuple[int, str, str]:
    out, err = process.communicate(timeout=within_s)
    return process.returncode, out, err


@pytest.fixture
def short_home() -> Iterator[Path]:
    """A home whose path is short enough for a socket in it."""
    home = Path(tempfile.mkdtemp(prefix="ax", dir="/tmp"))
    yield home
    if (home / "run" / "keeper.json").exists():
        ended(command(home, "down"))
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture
def free(short_home: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home on which nothing runs, as that of whoever calls commands in this process."""
    monkeypatch.setenv("ARGUS_HOME", str(short_home))
    monkeypatch.delenv("ARGUS_API_KEY", raising=False)
    return short_home


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """One that all tests here share."""
    home = Path(tempfile.mkdtemp(prefix="ax", dir="/tmp"))
    file = tmp_path_factory.mktemp("files") / "argus.yaml"
    file.write_text(FILE, encoding="utf-8")
    try:
        code, _, said = ended(command(home, "up", "-d", "-f", file, "--port", "0"))
        assert code == 0, said
        yield Up(home, file, said)
    finally:
        code, _, said = ended(command(home, "down"))
        shutil.rmtree(home, ignore_errors=True)
    assert (code, "Argus is down" in said) == (0, True)


@pytest.fixture
def here(up: Up, monkeypatch: pytest.MonkeyPatch) -> Up:
    """The same, as that of whoever calls commands in this process."""
    monkeypatch.setenv("ARGUS_HOME", str(up.home))
    return up


def until_there(argus: Argus, *words: str, fits: str, within_s: float = 60.0) -> dict[str, Any]:
    """Return the first item of a list in which a field is set, when there is one."""
    deadline = time.monotonic() + within_s
    while True:
        for item in json.loads(argus(*words, "-o", "json").out)["items"]:
            if item.get(fits):
                found: dict[str, Any] = item
                return found
        assert time.monotonic() < deadline, f"no {words} came with {fits}"
        time.sleep(0.1)


def test_it_says_where_it_is_and_what_it_has_made(up: Up) -> None:
    assert f"Argus is up at {up.url}" in up.said
    assert "pipeline/plaza-safety created" in up.said


def test_started_twice_it_says_that_it_is_up(argus: Argus, here: Up) -> None:
    done = argus("up", "-d", "-f", here.file)
    assert done.code == 0
    assert f"Argus is up already at {here.url}" in done.err
    assert "camera/plaza unchanged" in done.err


def test_a_second_one_on_the_same_home_is_refused(argus: Argus, here: Up) -> None:
    done = argus("up", "--port", "0")
    assert done.code == 1
    assert "already" in done.err
    assert "argus down" in done.err


def test_a_port_that_is_taken_is_named(up: Up, short_home: Path) -> None:
    port = up.url.rpartition(":")[2]
    code, _, said = ended(command(short_home, "up", "-d", "--port", port))
    assert code == 1
    assert f"the control plane does not come up: cannot listen at 127.0.0.1:{port}" in said
    assert "--port" in said


def test_an_alert_comes_with_a_picture(argus: Argus, here: Up, tmp_path: Path) -> None:
    alert = until_there(argus, "get", "alerts", fits="snapshot")
    assert alert["rule"] == "zone restricted"
    assert argus("fetch", alert["id"], "--out", tmp_path / "seen.jpg").code == 0
    assert (tmp_path / "seen.jpg").read_bytes().startswith(b"\xff\xd8")


def test_status_shows_the_camera_the_pipeline_and_the_worker(argus: Argus, here: Up) -> None:
    until_there(argus, "get", "alerts", fits="snapshot")
    out = argus("status").out
    for word in ("online", "Running", "worker-plaza-0", str(here.home)):
        assert word in out


def test_logs_of_a_worker_are_printed(argus: Argus, here: Up) -> None:
    until_there(argus, "get", "alerts", fits="snapshot")
    assert "serves at port" in argus("logs", "worker-plaza-0").out
    assert "worker-plaza-0 | " in argus("logs").out


@pytest.mark.parametrize("words", [("logs",), ("logs", "worker-plaza-0")])
def test_a_reader_that_goes_ends_a_log_without_a_word(argus: Argus, here: Up, words: tuple[str, ...]) -> None:
    until_there(argus, "get", "alerts", fits="snapshot")
    process = command(here.home, *words)
    assert process.stdout is not None
    process.stdout.close()  # long before it says anything
    assert process.stderr is not None
    assert process.stderr.read() == ""
    process.stderr.close()
    assert process.wait(20) in {0, 1}


def test_watching_goes_on_until_ctrl_c(up: Up) -> None:
    process = command(up.home, "get", "pipelines", "--watch")
    assert process.stdout is not None
    assert "plaza-safety" in process.stdout.readline()
    process.send_signal(signal.SIGINT)
    code, _, said = ended(process)
    assert (code, said) == (130, "error: interrupted\n")


def test_a_replay_shows_which_alerts_would_come_no_more(argus: Argus, here: Up, tmp_path: Path) -> None:
    changed = tmp_path / "changed.yaml"
    changed.write_text(CHANGED, encoding="utf-8")
    video = "synthetic:plaza?width=320&height=180&fps=10&people=9&frames=60"
    done = argus("replay", "plaza-safety", video, "-f", changed)
    assert done.code == 0, done.err
    assert "only live" in done.out
    assert "only changed" not in done.out
    assert "would come no more, 0 would be new" in done.err
    told = json.loads(argus("replay", "plaza-safety", video, "-f", changed, "-o", "json").out)
    assert told["versions"]["live"]["alerts"]
    assert told["versions"]["changed"]["alerts"] == []
    assert told["comparison"]["same"] is False


def test_a_replay_of_an_unknown_pipeline_names_the_nearest(argus: Argus, here: Up) -> None:
    assert "did you mean 'plaza-safety'?" in argus("replay", "plaza-saftey", "a.mp4").err


def test_in_the_foreground_ctrl_c_ends_all_that_it_has_started(short_home: Path) -> None:
    process = command(short_home, "up", "--port", "0")
    assert process.stderr is not None
    said = ""
    while "Ctrl-C ends it" not in said:
        line = process.stderr.readline()
        assert line, said
        said += line
    process.send_signal(signal.SIGINT)
    code, out, rest = ended(process)
    assert (code, out) == (0, "")
    assert "ending what runs" in rest
    assert read_note(Settings(short_home)) is None


def test_a_faulty_file_is_refused_before_anything_starts(argus: Argus, free: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("cameras: {gate: {url: rtsp://h/1, fsp: 3}}", encoding="utf-8")
    done = argus("up", "-d", "-f", tmp_path / "bad.yaml")
    assert (done.code, "fsp" in done.err) == (2, True)
    assert list(free.iterdir()) == []


def test_beyond_loopback_it_does_not_start_without_a_key(argus: Argus, free: Path) -> None:
    done = argus("up", "--host", "0.0.0.0", "--port", "0")
    assert (done.code, "ARGUS_API_KEY" in done.err) == (2, True)
    assert list(free.iterdir()) == []


def test_down_returns_when_nothing_of_the_control_plane_is_left(short_home: Path) -> None:
    code, _, said = ended(command(short_home, "up", "-d", "--port", "0"))
    assert code == 0, said
    found = re.search(r"\(pid (\d+)\)", said)
    assert found
    gone = os.pidfd_open(int(found[1]))
    try:
        assert ended(command(short_home, "down"))[0] == 0
        assert select.select([gone], [], [], 0)[0]
    finally:
        os.close(gone)


def test_down_where_nothing_runs_says_so(argus: Argus, free: Path) -> None:
    done = argus("down")
    assert (done.code, done.err) == (0, "nothing runs\n")


def test_the_demo_ends_by_itself_where_it_is_told_how_long(short_home: Path) -> None:
    code, _, said = ended(command(short_home, "demo", "--seconds", "1", "--port", "0"))
    assert code == 0, said
    assert "stream.mjpeg" in said
