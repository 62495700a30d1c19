"""Real worker processes, and what they have stored."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec

from argus.storage.opening import open_results
from argus.storage.protocol import Query, ResultStore
from argus.storage.records import AlertRecord, EventRecord, TrackRecord
from argus.stream.config import WorkerConfig, written
from argus.stream.report import CameraReport, PipelineReport, WorkerReport
from tests.stream.parts import until

T = TypeVar("T")


class Worker:
    """One process with its config; kill it, or let it end, when the test is over."""

    def __init__(self, folder: Path, config: WorkerConfig) -> None:
        self.folder = folder
        self.config = config
        self.log = folder / "log"
        self._file = folder / "config.json"
        self.write(written(config))
        self._process: subprocess.Popen[str] | None = None
        self.port = 0

    def start(self) -> Worker:
        """Run it; returns when it serves."""
        environment = os.environ | {"ARGUS_WORKER_CONFIG": str(self._file)}
        with self.log.open("a") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-W", "error", "-m", "argus.stream.worker"],
                env=environment,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        assert self._process.stdout is not None
        said = self._process.stdout.readline()
        assert "serves at port" in said, self.log.read_text()
        self.port = int(said.rsplit(" ", 1)[1])
        return self

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def write(self, text: str) -> None:
        """Replace the config's file."""
        beside = self._file.with_suffix(".new")
        beside.write_text(text)
        beside.replace(self._file)

    def change(self, config: WorkerConfig) -> None:
        """Let it be told something else."""
        self.config = config
        self.write(written(config))

    def get(self, path: str, **headers: str) -> httpx.Response:
        return httpx.get(f"http://127.0.0.1:{self.port}{path}", headers=headers, trust_env=False, timeout=10)

    def report(self) -> WorkerReport:
        return msgspec.json.decode(self.get("/stats").content, type=WorkerReport)

    def pipeline(self, name: str = "p") -> PipelineReport:
        return next(pipeline for pipeline in self.report().pipelines if pipeline.name == name)

    def camera(self, name: str = "gate") -> CameraReport:
        return next(camera for camera in self.report().cameras if camera.name == name)

    def looks(self, name: str = "p", frames: int = 1) -> None:
        """Wait until a pipeline has looked at so many frames."""
        until(
            lambda: any(
                pipeline.name == name and pipeline.frames.get("processed", 0) >= frames
                for pipeline in self.report().pipelines
            ),
            what=f"{name} looks: {self.log.read_text()}",
        )

    def kill(self) -> None:
        assert self._process is not None
        self._process.kill()
        self._reap()

    def end(self, timeout_s: float = 15.0) -> int:
        """Ask it to end, as a supervisor does; return its exit code."""
        assert self._process is not None
        self._process.send_signal(signal.SIGTERM)
        return self.wait(timeout_s)

    def wait(self, timeout_s: float = 15.0) -> int:
        """Return its exit code when it has ended by itself."""
        assert self._process is not None
        code = self._process.wait(timeout_s)
        self._reap()
        return code

    def close(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self.kill()

    def _reap(self) -> None:
        assert self._process is not None
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()

    def stored(self, ask: Callable[[ResultStore], Awaitable[T]]) -> T:
        """Return what the store of results answers."""

        async def asked() -> T:
            store = await open_results(self.config.storage.results)
            try:
                return await ask(store)
            finally:
                await store.close()

        return asyncio.run(asked())

    def events(self, **query: Any) -> tuple[EventRecord, ...]:
        return self.stored(lambda store: store.events(Query(**query), limit=10_000)).items

    def alerts(self) -> tuple[AlertRecord, ...]:
        return self.stored(lambda store: store.alerts(Query(), limit=10_000)).items

    def tracks(self) -> tuple[TrackRecord, ...]:
        return self.stored(lambda store: store.tracks(Query(), limit=10_000)).items
