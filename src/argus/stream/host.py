"""One worker's parts put together: engine, recorder, pages, and what keeps them at what the config says.

The process around them (supervisor, signals, exit codes) is `worker`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import structlog

from argus.core.errors import ArgusError, SpecError
from argus.storage.writer import ResultWriter
from argus.stream.bulletin import Bulletin
from argus.stream.channels import Channels
from argus.stream.clipping import Clips
from argus.stream.config import PipelinePlan, WorkerConfig, parsed
from argus.stream.converger import Converger
from argus.stream.journal import Journal
from argus.stream.late_blobs import LateBlobs
from argus.stream.promises import Promises
from argus.stream.recorder import Desks, Recorder
from argus.stream.report import WorkerReport
from argus.stream.reporting import Reporting
from argus.stream.samples import samples_of
from argus.stream.scribe import Scribe
from argus.stream.serving import Pages
from argus.stream.snapshots import Pictures
from argus.stream.views import CameraScene, PipelineScene, Scene
from argus.stream.watching import WatchedFile
from argus.vision.engine.engine import Engine

_LOOK_S: Final = 0.2
"""How often the config's file is looked at."""
_SAMPLE_S: Final = 1.0
_DRAIN_S: Final = 8.0
"""Seconds for all that is done at the end, so that nobody need kill us."""
_BACKLOG: Final = 256
"""Connections that wait to be taken, and requests that are answered at once."""
_UNSENT_BYTES: Final = 256 * 1024
"""Of one connection: who is slow is to see the newest picture, not those that piled up."""


class Elsewhere(ArgusError):
    """The config names another store, address or worker: what only a new process can take up."""

    exit_code = 3


class Host:
    """All parts of a worker; made, run and drained in one event loop's thread."""

    def __init__(self, path: Path, *, key: str | None = None) -> None:
        """Read the config and begin with it; nothing is served yet.

        Raises:
            SpecError: the config makes no sense.
            ArgusError: where results go cannot be opened.
        """
        self._file = WatchedFile(path)
        if not self._file.changed():
            raise SpecError(f"{path}: there is no such config file")
        data = path.read_bytes()
        self._config = config = _worker_config(data, str(path))
        self._digest = _digest(data)
        self._log = structlog.get_logger().bind(worker=config.worker)
        self._blobs = LateBlobs(config.storage.blobs)
        spool = Path(config.storage.spool)
        writer = ResultWriter(config.storage.results, spool)
        self._scribe = Scribe(writer, Journal(spool / "open-events.jsonl"), Promises(spool / "clips"))
        self._pictures = Pictures(self._blobs, self._scribe)
        self._bulletin = Bulletin(config.worker, self._scribe, self._pictures)
        self._engine = Engine(tell=self._bulletin.hear)
        self._clips = Clips(self._engine.footage, self._blobs, self._scribe)
        self._desks = Desks(self._scribe, self._pictures, self._clips)
        self._converger = Converger(self._engine, self._recorder, self._clips)
        self._reporting = Reporting(config.worker, self._engine, self._converger, self._scribe, os.getpid())
        self._channels = Channels(self._scene)
        self._pages = Pages(config.host, self, self._channels, key=key)
        self._converger.want(config, self._digest)
        self._converger.start()

    @property
    def worker(self) -> str:
        """Its name."""
        return self._config.worker

    @property
    def looks(self) -> bool:
        """True when every pipeline that is there has looked at a frame."""
        members = list(self._engine.members.values())
        return bool(members) and all(member.counts.processed or member.counts.gated for member in members)

    def report(self) -> WorkerReport:
        """Return how the worker is."""
        return self._reporting.report()

    def metrics(self) -> bytes:
        """Return its figures in Prometheus' text format."""
        told, clips = self._scribe, self._clips
        return samples_of(self._engine, self._converger, self._bulletin, told, clips, self.report()).render()

    def listen(self) -> socket.socket:
        """Return the socket to serve at.

        Raises:
            SpecError: the address is not to be had.
        """
        host, port = self._config.host.strip("[]"), self._config.port
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        listening = socket.socket(family, socket.SOCK_STREAM)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _UNSENT_BYTES)
        try:
            listening.bind((host, port))
            listening.listen(_BACKLOG)
        except OSError as error:
            listening.close()
            raise SpecError(
                f"worker {self.worker} cannot listen at {host}:{port}: {error.strerror or error}"
            ) from None
        return listening

    async def run(
        self, listening: socket.socket, stop: asyncio.Event, on_serving: Callable[[], None]
    ) -> None:
        """Serve, and follow the config, until `stop`; the worker is drained then.

        Args:
            listening: Where to.
            stop: Ends it when set.
            on_serving: Called when requests are answered.

        Raises:
            Elsewhere: the config asks for what only a new process can take up; the worker is drained.
        """
        server, serving = await _serve(self._pages, listening)
        try:
            on_serving()
            following = asyncio.create_task(self._follow())
            stopping = asyncio.create_task(stop.wait())
            await asyncio.wait({following, stopping, serving}, return_when=asyncio.FIRST_COMPLETED)
            stopping.cancel()
            following.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await following
        finally:
            self._log.info("worker.draining")
            # Beside, so that whoever asks how it is gets an answer meanwhile.
            await asyncio.to_thread(self.drain)
            self._pages.close()
            server.should_exit = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(serving, 2.0)

    def drain(self) -> None:
        """End all in good order: what is open is told, what waits is stored as far as time allows."""
        until = time.monotonic() + _DRAIN_S
        self._converger.close(timeout_s=1.0)
        self._clips.close(timeout_s=1.5)
        # Beside: a source that does not come back must not keep what waits from being stored.
        closing = threading.Thread(target=self._engine.close, name="argus-closing", daemon=True)
        closing.start()
        closing.join(3.0)
        self._pictures.close(timeout_s=max(0.5, until - time.monotonic() - 2.0))
        self._scribe.close(timeout_s=max(1.0, until - time.monotonic()))
        self._blobs.close()
        self._channels.close()

    async def _follow(self) -> None:
        """Look at the config's file and take samples, for ever."""
        loop = asyncio.get_running_loop()
        sample_due_s = loop.time()
        while True:
            self._look_at_config()
            if loop.time() >= sample_due_s:
                self._reporting.sample()
                sample_due_s = loop.time() + _SAMPLE_S
            await asyncio.sleep(_LOOK_S)

    def _look_at_config(self) -> None:
        if not self._file.changed():
            return
        try:
            data = self._file.path.read_bytes()
            config = _worker_config(data, str(self._file.path))
        except (OSError, SpecError) as error:
            if isinstance(error, OSError):
                self._file.look_again()  # too many files are open, say: the same may be read in a moment
            if str(error) != self._reporting.config_problem:
                self._log.warning("config.refused", error=str(error), consequence="the last good one goes on")
            self._reporting.config_problem = str(error)
            return
        self._reporting.config_problem = ""
        kept: dict[str, Any] = {"cameras": {}, "pipelines": {}}
        if config.model_copy(update=kept) != self._config.model_copy(update=kept):
            raise Elsewhere("another store, address or name is wanted: the worker starts again with that")
        self._config = config
        self._converger.want(config, _digest(data))

    def _recorder(self, name: str, plan: PipelinePlan) -> Recorder:
        return Recorder(name, plan.camera, plan.spec, self._desks)

    def _scene(self, kind: str, name: str) -> Scene:
        if kind == "camera":
            return CameraScene(self._engine, name)
        return PipelineScene(self._engine, self._converger, name)


def _worker_config(data: bytes, where: str) -> WorkerConfig:
    config = parsed(data, where)
    if not isinstance(config, WorkerConfig):
        raise SpecError(f"{where}: is a job's config, not a worker's: `python -m argus.stream.batch` runs it")
    return config


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def _serve(pages: Pages, listening: socket.socket) -> tuple[Any, asyncio.Task[None]]:
    """Return a server that answers requests by now, and its task."""
    import uvicorn

    class Server(uvicorn.Server):
        """Signals are the worker's own."""

        @contextlib.contextmanager
        def capture_signals(self):  # type: ignore[no-untyped-def]
            yield

    config = uvicorn.Config(
        pages, log_config=None, access_log=False, lifespan="off", http="h11", ws="none", loop="asyncio",
        server_header=False, date_header=False, limit_concurrency=_BACKLOG, timeout_graceful_shutdown=1,
    )  # fmt: skip
    server = Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    while not server.started and not serving.done():
        await asyncio.sleep(0.005)
    return server, serving
