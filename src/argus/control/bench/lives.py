"""How soon things are there, and back: the control plane, and a worker that was killed."""

from __future__ import annotations

import os
import signal
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import httpx

from argus.control.bench.home import MeasuredHome
from argus.control.client import Client
from argus.core.errors import ArgusError
from argus.vision.bench.tables import Row

_PATIENCE_S: Final = 60.0
_DOCUMENT: Final[dict[str, Any]] = {
    "cameras": {"plaza": "synthetic:plaza?width=640&height=360&fps=10&people=9&vehicles=2&seed=7"},
    "pipelines": {
        "watch": {
            "camera": "plaza",
            "detect": "builtin:plaza",
            "zones": {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "severity": "high"}},
        }
    },
}


def life_rows(home: MeasuredHome, rounds: int, say: Callable[[str], None]) -> list[Row]:
    """Return how soon things are there, and back."""
    say("starting")
    starts = [home.up()]
    with home.client() as client:
        client.apply([_DOCUMENT])
        _until(lambda: _frames(client) is not None, "a worker that looks at frames")
    adopted = []
    for _ in range(rounds):
        home.kill()
        before = time.monotonic()
        starts.append(home.up())
        with home.client() as client:
            _until(lambda client=client: bool(client.workloads()), "the worker, found again")  # type: ignore[misc]
        adopted.append(time.monotonic() - before)
    say("killing the worker")
    back, looking = [], []
    with home.client() as client:
        for _ in range(rounds):
            _forgive(client)
            running_s, frame_s = _killed(client)
            back.append(running_s)
            looking.append(frame_s)
    runs_s, looks_s = statistics.median(back), statistics.median(looking)
    return [
        Row("control plane, from its start to its first answer", max(starts), "s", goal=3, better="lower"),
        Row("the same after kill -9, until its workers are found again", statistics.median(adopted), "s"),
        Row("a killed worker: until it runs again", runs_s, "s", goal=2, better="lower"),
        Row("the same, until it has looked at a frame", looks_s, "s", goal=2, better="lower"),
    ]


def _forgive(client: Client) -> None:
    """Start the worker by request: who dies again and again waits, and that is not measured here."""
    [worker] = client.workloads()
    client.restart(worker["metadata"]["name"])
    before = worker["status"]["pid"]
    _until(lambda: _frames(client) not in {None, before}, "a worker that was started by request")


def _killed(client: Client) -> tuple[float, float]:
    [worker] = client.workloads()
    pid = worker["status"]["pid"]
    began = time.monotonic()
    os.kill(pid, signal.SIGKILL)
    name = worker["metadata"]["name"]

    def other() -> bool:
        return client.workload(name)["status"]["pid"] not in {None, pid}

    _until(other, "a new process")
    running_s = time.monotonic() - began
    _until(lambda: _frames(client) not in {None, pid}, "frames that were looked at")
    return running_s, time.monotonic() - began


def _frames(client: Client) -> int | None:
    """Return the pid of a worker that has looked at frames."""
    for worker in client.workloads():
        port = worker["status"]["port"]
        if port is None:
            continue
        try:
            report = httpx.get(f"http://127.0.0.1:{port}/stats", timeout=2, trust_env=False).json()
        except (httpx.HTTPError, ValueError):
            continue
        if any(pipeline["frames"].get("processed") for pipeline in report["pipelines"]):
            return int(report["pid"])
    return None


def _until(holds: Callable[[], bool], what: str) -> None:
    until = time.monotonic() + _PATIENCE_S
    while not holds():
        if time.monotonic() > until:
            raise ArgusError(f"waited {_PATIENCE_S:g} s in vain for {what}")
        time.sleep(0.01)
