"""Workloads as processes on this machine, in the charge of a keeper that outlives us.

`LocalRuntime` finds the keeper of a home, or starts one, and asks it; what runs is not touched by the end of
the program that asks. What a keeper does is `keep`; how it is started, `starting`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from pathlib import Path
from typing import Final, Self, TypeVar

import structlog

from argus.control.runtime.connection import Connection, SpeaksOtherwise
from argus.control.runtime.down import shut_down
from argus.control.runtime.files import Files
from argus.control.runtime.homes import keeper_remark, read_note
from argus.control.runtime.logs import LogReader
from argus.control.runtime.protocol import (
    RuntimeUnavailable,
    Workload,
    WorkloadNotFound,
    WorkloadStatus,
    is_label,
)
from argus.control.runtime.starting import reaped, start_keeper
from argus.control.runtime.words import (
    Done,
    Ensure,
    FromKeeper,
    Listing,
    Remove,
    Restart,
    Statuses,
    ToKeeper,
)
from argus.core.errors import OutputError
from argus.core.settings import Settings

__all__ = ["LocalRuntime", "shut_down"]
T = TypeVar("T", bound=FromKeeper)
_CONNECT_S: Final = 10.0
_FIRST_PAUSE_S: Final = 0.01
_LONGEST_PAUSE_S: Final = 2.0
_LOOK_S: Final = 0.2


class LocalRuntime:
    """See `Runtime`. Used from one event loop; nothing happens before the first call."""

    def __init__(self, settings: Settings) -> None:
        """Know the home whose keeper is asked."""
        self.remark = ""
        """What people should know of what runs workloads, though it answers."""
        self._settings = settings
        self._connection: Connection | None = None
        self._connecting = asyncio.Lock()
        self._tending: asyncio.Task[None] | None = None
        self._changes = asyncio.Event()
        self._started: list[int] = []
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def ensure(self, workload: Workload) -> None:
        """See `Runtime.ensure`."""
        await self._ask(lambda number: Ensure(id=number, workload=workload), Done)

    async def remove(self, name: str) -> None:
        """See `Runtime.remove`."""
        await self._ask(lambda number: Remove(id=number, name=name), Done)

    async def restart(self, name: str) -> None:
        """See `Runtime.restart`."""
        await self._ask(lambda number: Restart(id=number, name=name), Done)

    async def statuses(self) -> Mapping[str, WorkloadStatus]:
        """See `Runtime.statuses`."""
        listing = await self._ask(lambda number: Statuses(id=number), Listing)
        return {status.name: status for status in listing.statuses}

    async def logs(self, name: str, *, tail: int | None = None, follow: bool = False) -> AsyncIterator[bytes]:
        """See `Runtime.logs`; with `follow` it ends when the workload is removed."""
        path = self._settings.logs / f"{name}.log"
        there = is_label(name) and (path.exists() or name in await self.statuses())
        if not there:
            raise WorkloadNotFound(f"there is no workload {name[:80]!r}: see `argus get workloads`")
        reader = await asyncio.to_thread(LogReader, path, tail)
        with reader:
            while True:
                if lines := await asyncio.to_thread(reader.more):
                    yield lines
                elif follow and not self._closed and Files(self._settings.run).knows(name):
                    await asyncio.sleep(_LOOK_S)
                else:
                    break
            while lines := await asyncio.to_thread(reader.more):
                yield lines
            if rest := reader.rest():
                yield rest

    async def changed(self) -> None:
        """See `Runtime.changed`; a keeper that goes or comes is a change."""
        if self._connection is None:
            await self._connected()
        await self._changes.wait()
        self._changes.clear()

    async def close(self) -> None:
        """See `Runtime.close`."""
        self._closed = True
        if self._tending is not None:
            self._tending.cancel()
            await asyncio.gather(self._tending, return_exceptions=True)
        if self._connection is not None:
            await self._connection.close()

    async def stop_all(self) -> None:
        """End all workloads side by side in good order, and the keeper; this runtime is closed by that."""
        await self.close()
        await shut_down(self._settings)
        self._reap()

    async def _ask(self, question: Callable[[int], ToKeeper], answer: type[T]) -> T:
        connection = await self._connected()
        return await connection.ask(question, answer)

    async def _connected(self) -> Connection:
        """Return a connection to the keeper, which is started where there is none.

        Raises:
            RuntimeUnavailable: it cannot be reached; why is said.
        """
        async with self._connecting:
            if self._closed:
                raise RuntimeUnavailable("this runtime is closed")
            if self._connection is None or self._connection.closed.is_set():
                if self._connection is not None:
                    await self._connection.close()
                self._connection = await self._found_or_started()
                if self._tending is None:
                    self._tending = asyncio.create_task(self._tend())
            return self._connection

    async def _found_or_started(self) -> Connection:
        until = asyncio.get_running_loop().time() + _CONNECT_S
        pause_s = _FIRST_PAUSE_S
        started: int | None = None
        while True:
            try:
                return await self._found()
            except SpeaksOtherwise:
                raise
            except RuntimeUnavailable as error:
                reason = str(error)
            self._reap()
            if started not in self._started and read_note(self._settings.run) is None:
                if started is not None:
                    # It has ended again: somebody else was quicker, or it cannot live here.
                    reason = _last_words(self._settings.run) or reason
                    await asyncio.sleep(pause_s * 10)
                try:
                    started = start_keeper(self._settings)
                except OutputError as error:
                    raise RuntimeUnavailable(str(error)) from error
                self._started.append(started)
                structlog.get_logger().info("runtime.keeper_started", pid=started)
            if asyncio.get_running_loop().time() > until:
                raise RuntimeUnavailable(f"workloads cannot be reached: {reason}")
            await asyncio.sleep(pause_s)
            pause_s = min(pause_s * 1.5, 0.2)

    async def _found(self) -> Connection:
        note = read_note(self._settings.run)
        if note is None:
            raise RuntimeUnavailable(f"no keeper runs for {self._settings.home}")
        connection = await Connection.opened(Path(note.socket), self._changes.set)
        greeting = connection.greeting
        self._changes.set()
        structlog.get_logger().info("runtime.keeper_found", pid=greeting.pid, version=greeting.version)
        remark, self.remark = self.remark, keeper_remark(self._settings.run)
        if self.remark and self.remark != remark:
            structlog.get_logger().warning("runtime.keeper_of_another_version", reason=self.remark)
        return connection

    async def _tend(self) -> None:
        """See to it that there is a keeper, also while nobody asks for anything."""
        pause_s, said = 0.0, ""
        while True:
            connection = self._connection
            if connection is not None:
                await connection.closed.wait()
            await asyncio.sleep(pause_s)
            try:
                await self._connected()
                pause_s, said = 0.0, ""
            except RuntimeUnavailable as error:
                if str(error) != said:
                    said = str(error)
                    structlog.get_logger().error("runtime.unavailable", reason=said)
                pause_s = min(max(0.1, pause_s * 2), _LONGEST_PAUSE_S)

    def _reap(self) -> None:
        self._started = [pid for pid in self._started if not reaped(pid)]


def _last_words(run: Path) -> str:
    with contextlib.suppress(OSError), LogReader(run / "keeper.log", 1) as reader:
        return (reader.more() or reader.rest()).decode(errors="replace").strip()
    return ""
