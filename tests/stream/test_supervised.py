"""A worker under a supervisor: it tells its port, ends when asked, and is back when it was killed."""

from __future__ import annotations

import os
import queue
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from argus.processes.spec import ProcessSpec
from argus.processes.supervisor import Supervisor
from argus.stream.config import written
from tests.stream.parts import config, plan, until


class Told:
    """What a supervisor hears of one worker."""

    def __init__(self, folder: Path) -> None:
        (folder / "config.json").write_text(written(config(folder, p=plan())))
        self.messages: queue.Queue[dict[str, Any]] = queue.Queue()
        self.supervisor = Supervisor(on_message=lambda _, message: self.messages.put(message))
        self.supervisor.add(
            ProcessSpec(
                name="worker-0",
                command=(sys.executable, "-m", "argus.stream.worker"),
                env={"ARGUS_WORKER_CONFIG": str(folder / "config.json")},
                log=str(folder / "log"),
                start_deadline_s=30.0,
                hang_after_s=20.0,
            )
        )

    def port(self) -> int:
        return int(self.messages.get(timeout=20)["port"])


@pytest.fixture
def told(tmp_path: Path) -> Iterator[Told]:
    told = Told(tmp_path)
    yield told
    told.supervisor.close()


def test_a_worker_tells_its_port_is_back_when_killed_and_ends_when_asked(told: Told, tmp_path: Path) -> None:
    port = told.port()
    assert httpx.get(f"http://127.0.0.1:{port}/healthz", trust_env=False).status_code == 200
    until(lambda: told.supervisor.status("worker-0").state == "running")
    assert told.supervisor.tell("worker-0", {"ask": "port"})
    assert told.port() == port
    killed = told.supervisor.status("worker-0").pid
    assert killed is not None
    os.kill(killed, signal.SIGKILL)
    again = told.port()
    until(lambda: told.supervisor.status("worker-0").state == "running")
    assert httpx.get(f"http://127.0.0.1:{again}/stats", trust_env=False).json()["pid"] != killed
    told.supervisor.close()
    assert "worker.draining" in (tmp_path / "log").read_text()
    assert told.supervisor.status("worker-0").state == "stopped"


def test_a_worker_that_cannot_begin_says_why(tmp_path: Path) -> None:
    told = Told(tmp_path)
    (tmp_path / "config.json").write_text("{")
    reason = until(lambda: told.supervisor.status("worker-0").reason)
    told.supervisor.close()
    assert "config.json" in reason
