"""Ctrl-C: a real SIGINT to a real command ends it at once with one line, whatever it waits for."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.control.runtime.protocol import Workload
from tests.control.api.harness import Live, World, listening

INTERRUPTED = (130, "error: interrupted\n")


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """A control plane with a camera that is held, two workloads that print, and nobody who runs jobs."""
    world = World(tmp_path_factory.mktemp("home"))
    uid = world.camera("gate").json()["metadata"]["uid"]
    asyncio.run(world.store.set_finalizers("Camera", "gate", uid, ["argus.dev/worker"]))
    for name in ("worker-a", "worker-b"):
        asyncio.run(world.runtime.ensure(Workload(name=name, command=("x",))))
        world.runtime.print(name, "hello\n")
    with listening(world) as live:
        yield live


@pytest.fixture
def video(tmp_path: Path) -> Path:
    path = tmp_path / "night.mp4"
    path.write_bytes(b"frames")
    return path


def started(server: str, *words: str) -> subprocess.Popen[str]:
    others = {name: value for name, value in os.environ.items() if not name.startswith("ARGUS_S")}
    return subprocess.Popen(
        [sys.executable, "-m", "argus", *words],
        env={**others, "ARGUS_SERVER": server},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def interrupted(process: subprocess.Popen[str]) -> tuple[int, str]:
    """Return how a command ended that was interrupted, and what it said."""
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=20)
    return process.returncode, said


@pytest.mark.parametrize(
    "words",
    [
        ("get", "cameras", "--watch"),
        ("logs", "worker-a", "-f"),
        ("logs", "-f"),
    ],
    ids=" ".join,
)
def test_what_goes_on_for_ever_ends_with_ctrl_c(live: Live, words: tuple[str, ...]) -> None:
    process = started(live.url, *words)
    assert process.stdout is not None
    assert process.stdout.readline()  # it is in the middle of it
    assert interrupted(process) == INTERRUPTED


def test_what_waits_ends_with_ctrl_c(live: Live, video: Path) -> None:
    for words, said in (
        (("upload", str(video), "--pipeline", "gate-safety", "--wait"), "created"),
        (("delete", "camera", "gate"), "is being deleted"),
    ):
        process = started(live.url, *words)
        assert process.stderr is not None
        assert said in process.stderr.readline()
        assert interrupted(process) == INTERRUPTED


LOADING = """
import sys

class Impatient:
    def find_spec(self, name, path=None, target=None):
        if name == "numpy.linalg":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Impatient())
sys.argv = ["argus", "run", "street.mp4"]
from argus.cli.main import main
main()
"""


def test_a_command_that_is_still_being_loaded_ends_with_ctrl_c() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", LOADING], capture_output=True, text=True, timeout=20, check=False
    )
    assert (ended.returncode, ended.stderr) == INTERRUPTED


def test_what_asks_a_server_that_never_answers_ends_with_ctrl_c() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        process = started(f"http://127.0.0.1:{silent.getsockname()[1]}", "status")
        connection, _ = silent.accept()
        with connection:
            assert interrupted(process) == INTERRUPTED


def test_what_a_library_makes_of_it_while_it_is_loaded_is_not_told() -> None:
    program = """
import signal
from argus.cli import main

def loads():
    try:
        signal.raise_signal(signal.SIGINT)
    except KeyboardInterrupt:
        raise ImportError("initialization failed") from None

main.asked_for = lambda app, words: loads
main.main()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == INTERRUPTED
