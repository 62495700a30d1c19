"""All workloads of a keeper, and what it is asked about them. Used in its event loop alone.

What happens to a single one is `kept`; who asks, and how, is `keeper`.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

import structlog

from argus.control.runtime import lives
from argus.control.runtime.files import Files
from argus.control.runtime.homes import born
from argus.control.runtime.house import House
from argus.control.runtime.kept import Kept
from argus.control.runtime.leftovers import end_leftovers
from argus.control.runtime.limits import LOOK_S, Seats, too_large
from argus.control.runtime.protocol import (
    ENDS,
    RuntimeUnavailable,
    Workload,
    WorkloadNotFound,
    WorkloadStatus,
)
from argus.core.errors import OutputError
from argus.processes.spec import ProcessStatus
from argus.processes.supervisor import Supervisor
from argus.processes.usage import Usage, usage_of_sessions

_USAGE_S: Final = 1.0
"""What workloads take is looked up as often as this at most: it costs milliseconds for each."""


class Keep:
    """See the module. Made in a running event loop."""

    def __init__(self, run: Path, logs: Path, mark: str) -> None:
        """Begin without workloads.

        Args:
            run: Where what it must remember lies.
            logs: Where what workloads print goes.
            mark: `mark_of` the home: all that carries it and is not this process is killed by `begin`.
        """
        self._loop = asyncio.get_running_loop()
        self._mark = mark
        self._kept: dict[str, Kept] = {}
        self._listeners: set[Callable[[], None]] = set()
        self._telling = False
        self._begun = asyncio.Event()
        self._closing = False
        self._usage: dict[int, Usage] = {}
        self._usage_s = float("-inf")
        self._supervisor = Supervisor(
            on_message=lambda name, message: self._post(self._told, name, message),
            on_change=lambda status: self._post(self._hear, status),
        )
        self._files = Files(run)
        self._house = House(
            supervisor=self._supervisor,
            files=self._files,
            logs=logs,
            seats=Seats(os.sched_getaffinity(0)),
            changed=self._changed,
        )

    async def begin(self) -> None:
        """End what a killed keeper has left, and go on with what it did."""
        known = tuple(self._files.read())
        left = {
            life.pid for _, life in known if life is not None and life.pid and born(life.pid) == life.born
        }
        await asyncio.to_thread(end_leftovers, self._mark, left)
        now = datetime.now(UTC)
        for workload, left_life in known:
            life, wait_s = lives.found(left_life or lives.begun(workload, now), workload, now)
            kept = self._kept[workload.name] = Kept(workload, life, self._house)
            try:
                self._files.write(workload)  # a config that was about to be replaced
            except OutputError as error:
                structlog.get_logger().error("keeper.not_written", workload=workload.name, reason=str(error))
            kept.begin(wait_s)
        self._begun.set()

    async def watch_memory(self) -> None:
        """End for ever what takes more memory than it may."""
        while True:
            await asyncio.sleep(LOOK_S)
            limited = {
                kept.life.pid: kept
                for kept in self._kept.values()
                if kept.life.pid is not None and kept.workload.limits.memory_bytes is not None
            }
            limits = {pid: kept.workload.limits.memory_bytes or 0 for pid, kept in limited.items()}
            for pid, reason in too_large(limits).items():
                limited[pid].condemn(reason)

    async def ensure(self, workload: Workload) -> None:
        """See `Runtime.ensure`.

        Raises:
            SpecError: its schedule cannot be understood.
            RuntimeUnavailable: the disk is full, or the keeper ends.
        """
        await self._begun.wait()
        while (kept := self._kept.get(workload.name)) is not None and kept.leaving:
            await kept.gone.wait()
        if self._closing:
            raise RuntimeUnavailable("the keeper ends: ask again when there is a new one")
        try:
            if kept is not None:
                kept.ensure(workload)
                return
            life = lives.begun(workload, datetime.now(UTC))
            self._files.write(workload)
        except OutputError as error:
            raise RuntimeUnavailable(f"workload {workload.name} cannot be told: {error}") from error
        kept = self._kept[workload.name] = Kept(workload, life, self._house)
        kept.begin(None if workload.schedule is not None else 0.0)

    async def remove(self, name: str) -> None:
        """See `Runtime.remove`."""
        await self._begun.wait()
        kept = self._kept.get(name)
        if kept is None:
            return
        kept.remove()
        await kept.gone.wait()
        if self._kept.get(name) is kept:
            del self._kept[name]
            self._changed()

    async def restart(self, name: str) -> None:
        """See `Runtime.restart`.

        Raises:
            WorkloadNotFound: there is none.
        """
        await self._begun.wait()
        kept = self._kept.get(name)
        if kept is None or kept.leaving:
            raise WorkloadNotFound(f"there is no workload {name!r}: see `argus get workloads`")
        kept.restart()

    async def statuses(self) -> list[WorkloadStatus]:
        """Return how all are doing; not before all are known."""
        await self._begun.wait()
        pids = [kept.life.pid for kept in self._kept.values() if kept.life.pid is not None]
        fresh = time.monotonic() - self._usage_s < _USAGE_S
        if not fresh or any(pid not in self._usage for pid in pids):
            self._usage = usage_of_sessions(pids)
            self._usage_s = time.monotonic()
        return [kept.status(self._usage.get(kept.life.pid or 0)) for kept in self._kept.values()]

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Call `listener` after something has changed; call what is returned to end that."""
        self._listeners.add(listener)
        return lambda: self._listeners.discard(listener)

    async def close(self, *, forget: bool) -> None:
        """End all side by side, and return when they have ended.

        Args:
            forget: What has not ended by itself is not gone on with by the next keeper.
        """
        self._closing = True
        await asyncio.gather(*(kept.stop() for kept in tuple(self._kept.values())))
        for name, kept in self._kept.items():
            if forget and kept.life.state not in ENDS:
                self._files.forget(name)
        await asyncio.to_thread(self._supervisor.close)

    def _post(self, do: Callable[..., None], *arguments: Any) -> None:
        """Do something in the event loop; called in the supervisor's thread."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(do, *arguments)

    def _hear(self, status: ProcessStatus) -> None:
        kept = self._who(status.name)
        if kept is not None:
            kept.hear(status)

    def _told(self, process: str, message: dict[str, Any]) -> None:
        kept = self._who(process)
        if kept is not None:
            kept.told(message)

    def _who(self, process: str) -> Kept | None:
        """Return whose present process is called so; of one that was before there is nothing to hear."""
        kept = self._kept.get(process.rpartition(".")[0])
        return kept if kept is not None and kept.process == process else None

    def _changed(self) -> None:
        if not self._telling:  # many changes of one round are told once
            self._telling = True
            self._loop.call_soon(self._tell)

    def _tell(self) -> None:
        self._telling = False
        for listener in tuple(self._listeners):
            listener()
