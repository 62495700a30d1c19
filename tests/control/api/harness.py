"""A whole control plane in one process: the real API over stores in memory, with a folder of blobs."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import httpx
from fastapi import FastAPI

from argus.control.api.access import Access
from argus.control.api.app import USUAL, create_app
from argus.control.api.patience import Patience
from argus.control.api.server import Server
from argus.control.plane import Plane
from argus.core.resources.resource import utc_now
from argus.core.secrets import Secrets
from argus.core.settings import Settings
from argus.storage.blob_folder import FolderBlobs
from argus.storage.records import AlertRecord, EventRecord
from argus.testing.resource_store import InMemoryResourceStore
from argus.testing.result_store import MemoryResults
from argus.testing.runtime import FakeRuntime

T = TypeVar("T")
NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
BASE = "http://127.0.0.1:7070"


@dataclass(slots=True)
class World:
    """A control plane, its parts, and its API."""

    home: Path
    key: str | None = None
    host: str = "127.0.0.1"
    patience: Patience = USUAL
    store: InMemoryResourceStore = field(init=False)
    results: MemoryResults = field(init=False)
    runtime: FakeRuntime = field(init=False)
    blobs: FolderBlobs = field(init=False)
    plane: Plane = field(init=False)
    app: FastAPI = field(init=False)

    def __post_init__(self) -> None:
        self.store = InMemoryResourceStore()
        self.results = MemoryResults()
        self.runtime = FakeRuntime()
        self.blobs = FolderBlobs(self.home / "blobs")
        self.plane = Plane(
            settings=Settings(self.home),
            store=self.store,
            results=self.results,
            blobs=self.blobs,
            runtime=self.runtime,
            secrets=Secrets({"GATE_PASSWORD": "s3cret"}),
            started_at=utc_now(),
        )
        self.rebuild()

    def rebuild(self) -> None:
        """Make the API anew, as another process would."""
        self.app = create_app(self.plane, Access(self.host, 7070, self.key), patience=self.patience)

    def ask(self, what: Callable[[httpx.AsyncClient], Awaitable[T]], **headers: str) -> T:
        """Return what somebody who asks the API in this process gets."""

        async def asking() -> T:
            transport = httpx.ASGITransport(self.app)
            async with httpx.AsyncClient(transport=transport, base_url=BASE, headers=headers) as client:
                return await what(client)

        return asyncio.run(asking())

    def request(self, method: str, path: str, **more: Any) -> httpx.Response:
        """Return the answer to one request."""

        async def once(client: httpx.AsyncClient) -> httpx.Response:
            return await client.request(method, path, **more)

        return self.ask(once)

    def get(self, path: str, **more: Any) -> httpx.Response:
        """Return the answer to a GET."""
        return self.request("GET", path, **more)

    def post(self, path: str, **more: Any) -> httpx.Response:
        """Return the answer to a POST."""
        return self.request("POST", path, **more)

    def camera(self, name: str = "gate", **spec: Any) -> httpx.Response:
        """Create a camera."""
        body = {"metadata": {"name": name}, "spec": {"url": f"rtsp://10.0.0.5/{name}", **spec}}
        return self.post("/api/v1/cameras", json=body)


@dataclass(slots=True)
class Live:
    """A world that listens."""

    world: World
    url: str
    port: int
    server: Server
    loop: asyncio.AbstractEventLoop

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do something in the server's own event loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(10)

    def call(self, work: Callable[[], T]) -> T:
        """Call something there."""

        async def calling() -> T:
            return work()

        return self.do(calling())


@contextmanager
def listening(
    world: World, *, port: int = 0, before: Callable[[], Awaitable[None]] | None = None
) -> Iterator[Live]:
    """Let a world listen, in a thread of its own.

    Args:
        world: Which one.
        port: 0: any that is free.
        before: Done first, in the server's own event loop.
    """
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen(64)
        port = sock.getsockname()[1]
        servers: list[Server] = []
        loops: list[asyncio.AbstractEventLoop] = []

        async def serve() -> None:
            loops.append(asyncio.get_running_loop())
            if before is not None:
                await before()
            server = Server(world.app)
            servers.append(server)
            await server.serve(sockets=[sock])

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="api")
        thread.start()
        try:
            until(lambda: servers and servers[0].started)
            server = servers[0]
            yield Live(world, f"http://127.0.0.1:{port}", port, server, loops[0])
        finally:
            for one in servers:
                one.should_exit = True
            thread.join(20)
            assert not thread.is_alive(), "the server did not stop"


def until(fact: Callable[[], object], *, within_s: float = 10.0) -> None:
    """Wait until something is so."""
    deadline = time.monotonic() + within_s
    while not fact():
        assert time.monotonic() < deadline, "it did not come to be so"
        time.sleep(0.005)


def problem(answer: httpx.Response, status: int) -> Mapping[str, Any]:
    """Return the problem document that an answer is."""
    assert answer.status_code == status, (answer.status_code, answer.text[:500])
    assert answer.headers["content-type"] == "application/problem+json"
    body: dict[str, Any] = answer.json()
    assert body["status"] == status
    assert body["title"]
    assert body["detail"]
    return body


def event(id_: str, after_s: float = 0.0, **more: Any) -> EventRecord:
    """Return an event of camera `gate`."""
    fields: dict[str, Any] = {
        "type": "zone.entered",
        "camera": "gate",
        "pipeline": "gate-safety",
        "started_at": NOW + timedelta(seconds=after_s),
        "class_name": "person",
        "region": "restricted",
    }
    return EventRecord(id=id_, **(fields | more))


def alert(id_: str, after_s: float = 0.0, **more: Any) -> AlertRecord:
    """Return an alert of camera `gate`."""
    fields: dict[str, Any] = {
        "event": f"event-of-{id_}",
        "type": "zone.entered",
        "camera": "gate",
        "pipeline": "gate-safety",
        "rule": "restricted",
        "severity": "high",
        "at": NOW + timedelta(seconds=after_s),
    }
    return AlertRecord(id=id_, **(fields | more))
