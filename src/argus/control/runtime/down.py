"""How a keeper and all that it runs is ended, as `argus down` does; also one that was killed or is stuck."""

from __future__ import annotations

import asyncio
import contextlib
import os
import select
import signal
import time
from pathlib import Path
from typing import Final

import structlog

from argus.control.runtime.connection import Connection
from argus.control.runtime.files import Files
from argus.control.runtime.homes import (
    AlreadyKept,
    KeeperLock,
    KeeperNote,
    mark_of,
    read_note,
    socket_path,
)
from argus.control.runtime.leftovers import end_leftovers
from argus.control.runtime.protocol import RuntimeUnavailable
from argus.control.runtime.words import Done, Shutdown
from argus.core.settings import Settings

_SHUTDOWN_S: Final = 30.0


async def shut_down(settings: Settings) -> bool:
    """End all workloads of a home side by side in good order, and its keeper, as `argus down` does.

    A keeper that does not answer is killed, and all that it runs. What a killed keeper has left is ended
    likewise. Afterwards nothing is gone on with by the next keeper, but jobs that have ended stay ended.

    Returns:
        False where no keeper ran.

    Raises:
        OutputError: the home cannot be written.
    """
    note = read_note(settings.run)
    if note is not None:
        await _end_keeper(note)
    if settings.run.is_dir():
        await asyncio.to_thread(_clear, settings)
    return note is not None


async def _end_keeper(note: KeeperNote) -> None:
    try:
        pidfd = os.pidfd_open(note.pid)
    except ProcessLookupError:
        return
    try:
        with contextlib.suppress(RuntimeUnavailable, TimeoutError):
            connection = await Connection.opened(Path(note.socket), lambda: None)
            try:
                async with asyncio.timeout(_SHUTDOWN_S):
                    await connection.ask(lambda number: Shutdown(id=number), Done)
            finally:
                await connection.close()
        if not await asyncio.to_thread(_ended, pidfd, 5.0):
            structlog.get_logger().error("runtime.keeper_killed", pid=note.pid, reason="it did not end")
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(pidfd, signal.SIGKILL)
            await asyncio.to_thread(_ended, pidfd, 5.0)
    finally:
        os.close(pidfd)


def _ended(pidfd: int, within_s: float) -> bool:
    poll = select.poll()
    poll.register(pidfd, select.POLLIN)
    return bool(poll.poll(within_s * 1000))


def _clear(settings: Settings) -> None:
    """Remove what a keeper that was killed has left."""
    mark = mark_of(settings.home)
    lock = _locked(settings)
    if lock is None:
        return
    try:
        if (settings.run / "keeper.json").exists():
            end_leftovers(mark)
        Files(settings.run).forget_unended()
        socket_path(settings.run, mark).unlink(missing_ok=True)
    finally:
        lock.close()


def _locked(settings: Settings) -> KeeperLock | None:
    """Return the lock of a home; None where a new keeper has come meanwhile."""
    until = time.monotonic() + 5.0
    while True:
        try:
            return KeeperLock(settings.run)
        except AlreadyKept:
            # The last threads of one that was killed hold it for a moment.
            if read_note(settings.run) is not None or time.monotonic() > until:
                return None
            time.sleep(0.01)
