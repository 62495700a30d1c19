"""The control plane as a program: opens its parts, listens, reconciles, and ends in good order.

`argus up` calls `serve`; what it does once it runs is `loop`, what it answers is `api`.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import structlog
import uvicorn

from argus.control.api.access import Access
from argus.control.api.app import create_app
from argus.control.api.server import Server
from argus.control.keeping import Keeping, drain_spools, keep_house, usual_keeping
from argus.control.lock import ControlLock, ControlNote
from argus.control.loop import Loop
from argus.control.plan import Place
from argus.control.plane import Plane
from argus.control.runtime.local import LocalRuntime
from argus.control.secrets_file import secrets_of
from argus.control.store.opening import open_store
from argus.core.errors import SpecError
from argus.core.resources.resource import utc_now
from argus.core.settings import Settings
from argus.core.version import __version__
from argus.storage.late_results import LateResults
from argus.storage.opening import open_blobs

HOST: Final = "127.0.0.1"
PORT: Final = 7070
_GRACE_S: Final = 2


@dataclass(frozen=True, slots=True)
class Wish:
    """How a control plane is to run."""

    settings: Settings
    host: str = HOST
    port: int = PORT
    """0: any that is free."""
    store: str | None = None
    """URL of the resources; None: a file below home."""
    results: str | None = None
    """URL of the results; None: likewise."""
    blobs: str | None = None
    """URL of pictures, clips and uploads; None: a folder below home."""
    key: str | None = None
    """What opens the API; needed beyond loopback."""
    retention: Keeping = field(default_factory=usual_keeping)
    """How long results and logs are kept."""
    allow_private: bool = False
    """True lets users have the server fetch from private addresses."""

    @property
    def place(self) -> Place:
        """Where workers keep what they have to keep."""
        home = self.settings
        return Place(
            results=self.results or f"sqlite:///{home.results}",
            blobs=self.blobs or str(home.blobs),
            spool=home.spool,
        )


async def serve(
    wish: Wish, *, on_ready: Callable[[str, Plane], None] = lambda *_: None, stop: asyncio.Event | None = None
) -> None:
    """Run a control plane until `stop`; what it has started goes on, unless somebody ends it first.

    Args:
        wish: How.
        on_ready: Called with its URL when it answers.
        stop: Ends it when set.

    Raises:
        AlreadyRuns: one works on this home already.
        SpecError: it cannot listen there, or others would reach it without a key.
        ArgusError: a store cannot be opened.
    """
    stop = stop or asyncio.Event()
    # Said before anything is opened: it may be the wrong address altogether.
    Access(wish.host, wish.port, wish.key)
    with ControlLock(wish.settings) as lock, _listening(wish.host, wish.port) as listening:
        port = listening.getsockname()[1]
        access = Access(wish.host, port, wish.key)
        url = f"http://{_shown(wish.host)}:{port}"
        async with _open(wish) as plane:
            app = create_app(plane, access)
            server = Server(app)
            loop = Loop(plane, wish.place)
            plane.wake = loop.wake
            tasks = [
                asyncio.create_task(server.serve(sockets=[listening]), name="api"),
                asyncio.create_task(loop.run(), name="loop"),
                asyncio.create_task(keep_house(plane, wish.retention), name="house"),
                asyncio.create_task(drain_spools(plane, wish.place.results), name="spools"),
            ]
            ending = asyncio.create_task(stop.wait(), name="stop")
            try:
                await _started(server, tasks)
                lock.tell(ControlNote(url, os.getpid(), __version__))
                structlog.get_logger().info("control.ready", url=url)
                on_ready(url, plane)
                done, _ = await asyncio.wait([*tasks, ending], return_when=asyncio.FIRST_COMPLETED)
                for task in done - {ending}:
                    task.result()  # raises what ended it
            finally:
                server.should_exit = True
                ending.cancel()
                await _end(tasks)


async def _started(server: uvicorn.Server, tasks: list[asyncio.Task[None]]) -> None:
    while not server.started:
        for task in tasks:
            if task.done():
                task.result()
        await asyncio.sleep(0.005)


async def _end(tasks: list[asyncio.Task[None]]) -> None:
    api, *others = tasks
    for task in others:
        task.cancel()
    await asyncio.wait([api], timeout=_GRACE_S + 3)
    api.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextlib.asynccontextmanager
async def _open(wish: Wish) -> AsyncIterator[Plane]:
    settings = wish.settings
    async with contextlib.AsyncExitStack() as stack:
        store = await open_store(wish.store or f"sqlite:///{settings.resources}")
        stack.push_async_callback(store.close)
        results = await LateResults.opened(wish.place.results)
        stack.push_async_callback(results.close)
        blobs = open_blobs(wish.place.blobs)
        stack.callback(blobs.close)
        runtime = LocalRuntime(settings)
        stack.push_async_callback(runtime.close)
        yield Plane(
            settings=settings,
            store=store,
            results=results,
            blobs=blobs,
            runtime=runtime,
            secrets=secrets_of(settings),
            started_at=utc_now(),
            allow_private=wish.allow_private,
        )


@contextlib.contextmanager
def _listening(host: str, port: int) -> Iterator[socket.socket]:
    bare = host.strip("[]")
    listening = socket.socket(socket.AF_INET6 if ":" in bare else socket.AF_INET, socket.SOCK_STREAM)
    with listening:
        try:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.bind((bare, port))
            listening.listen(256)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise SpecError(
                f"cannot listen at {host}:{port}: {reason}: free the port, or take another with --port"
            ) from error
        yield listening


def _shown(host: str) -> str:
    bare = host.strip("[]")
    if bare in {"0.0.0.0", "::"}:  # noqa: S104 - compared, not listened at
        return "127.0.0.1"
    return f"[{bare}]" if ":" in bare else bare


def home_text(path: Path) -> str:
    """Return a path as its user writes it, `~` for their home."""
    try:
        return f"~/{path.relative_to(Path.home())}"
    except ValueError:
        return str(path)
