"""The program that keeps workloads running: one per home, detached from whoever started it.

`python -m argus.control.runtime.keeper HOME`, started by `argus.control.runtime.starting`. It outlives the
control plane, which finds it again by its socket. Here are the process, its socket and its end; what it looks
after is `keep`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import os
import signal
import socket
import struct
import sys
from collections.abc import Collection
from pathlib import Path
from typing import Final

import structlog

from argus.control.runtime.homes import (
    MARK,
    AlreadyKept,
    KeeperLock,
    KeeperNote,
    born,
    mark_of,
    socket_path,
)
from argus.control.runtime.keep import Keep
from argus.control.runtime.keeper_log import KeeperLog
from argus.control.runtime.protocol import RuntimeUnavailable, WorkloadNotFound
from argus.control.runtime.words import (
    LONGEST_READ,
    Changed,
    Done,
    Ensure,
    FromKeeper,
    Greeting,
    Listing,
    Refused,
    Remove,
    Restart,
    Shutdown,
    Statuses,
    Subscribe,
    ToKeeper,
    encoded,
)
from argus.core.errors import ArgusError
from argus.core.logging import configure_logging
from argus.core.settings import Settings
from argus.core.version import __version__
from argus.processes.words import Ear

_LOG_BYTES: Final = 5 * 1024 * 1024
_LOOK_S: Final = 2.0
_MOST_UNREAD: Final = 64 * 1024
_CREDENTIALS: Final = struct.Struct("3i")


class Keeper:
    """One keeper's socket: answers who is of this user, and ends when it is told to."""

    def __init__(self, settings: Settings, lock: KeeperLock) -> None:
        """Begin without listening. Made in a running event loop."""
        self._settings = settings
        self._lock = lock
        self._mark = mark_of(settings.home)
        self._keep = Keep(settings.run, settings.logs, self._mark)
        self._end = asyncio.Event()
        self._callers: dict[asyncio.Task[None], asyncio.StreamWriter] = {}
        self._answers: set[asyncio.Task[None]] = set()
        self._ended = asyncio.Event()
        self._forget = False

    async def run(self) -> None:
        """Work until told to end."""
        path = socket_path(self._settings.run, self._mark)
        server = await asyncio.start_unix_server(self._serve, sock=_listening(path))
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._end.set)
        self._lock.tell(KeeperNote(os.getpid(), born(os.getpid()) or 0, str(path), __version__))
        structlog.get_logger().info("keeper.started", pid=os.getpid(), version=__version__)
        watches = [asyncio.create_task(one) for one in (self._keep.watch_memory(), self._watch_home())]
        try:
            await self._keep.begin()
            await self._end.wait()
        finally:
            await self._keep.close(forget=self._forget)
            path.unlink(missing_ok=True)
            self._ended.set()
            server.close()
            for watch in watches:
                watch.cancel()
            await _settled(self._answers)
            for writer in self._callers.values():
                writer.close()
            await _settled(self._callers)
            structlog.get_logger().info("keeper.ended", pid=os.getpid())

    async def _watch_home(self) -> None:
        """End where the home was removed: nobody could find this keeper any more."""
        while not self._lock.lost:
            await asyncio.sleep(_LOOK_S)
        structlog.get_logger().error("keeper.home_lost", home=str(self._settings.home))
        self._end.set()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        ear = Ear(ToKeeper)
        task = asyncio.current_task()
        assert task is not None
        self._callers[task] = writer
        unsubscribe = None
        try:
            if not _is_ours(writer.get_extra_info("socket")):
                return
            writer.write(
                encoded(Greeting(version=__version__, pid=os.getpid(), home=str(self._settings.home)))
            )
            while data := await reader.read(LONGEST_READ):
                for word in ear.hear(data):
                    if isinstance(word, Subscribe):
                        unsubscribe = unsubscribe or self._keep.subscribe(lambda: _tell_changed(writer))
                    answer = asyncio.create_task(self._answer(word, writer))
                    self._answers.add(answer)
                    answer.add_done_callback(self._answers.discard)
        except OSError:
            return  # it is gone; what it asked for is done all the same
        finally:
            if unsubscribe is not None:
                unsubscribe()
            writer.close()
            del self._callers[task]

    async def _answer(self, word: ToKeeper, writer: asyncio.StreamWriter) -> None:
        try:
            answer = await self._do(word)
        except WorkloadNotFound as error:
            answer = Refused(id=word.id, why="not-found", message=str(error))
        except RuntimeUnavailable as error:
            answer = Refused(id=word.id, why="unavailable", message=str(error))
        except ArgusError as error:
            answer = Refused(id=word.id, why="wrong", message=str(error))
        except Exception as error:  # noqa: BLE001 - a defect of ours: told, and nobody else is harmed
            structlog.get_logger().exception("keeper.defect", word=type(word).__name__)
            answer = Refused(id=word.id, why="unavailable", message=f"the keeper failed: {error!r}")
        with contextlib.suppress(OSError):
            writer.write(encoded(answer))
            await writer.drain()

    async def _do(self, word: ToKeeper) -> FromKeeper:
        match word:
            case Ensure():
                await self._keep.ensure(word.workload)
            case Remove():
                await self._keep.remove(word.name)
            case Restart():
                await self._keep.restart(word.name)
            case Statuses():
                return Listing(id=word.id, statuses=await self._keep.statuses())
            case Shutdown():
                self._forget = True
                self._end.set()
                await self._ended.wait()
            case Subscribe():
                pass
        return Done(id=word.id)


async def _settled(tasks: Collection[asyncio.Task[None]]) -> None:
    if tasks:
        await asyncio.wait(tuple(tasks), timeout=1.0)


def _tell_changed(writer: asyncio.StreamWriter) -> None:
    # Who has so much unread will look after what it reads first, and need not be told once more.
    if not writer.is_closing() and writer.transport.get_write_buffer_size() < _MOST_UNREAD:
        writer.write(encoded(Changed()))


def _listening(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)  # of one that was killed: we hold the lock
    listening = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    before = os.umask(0o177)
    try:
        listening.bind(str(path))
    finally:
        os.umask(before)
    listening.listen(64)
    return listening


def _is_ours(connection: socket.socket) -> bool:
    data = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
    _, uid, _ = _CREDENTIALS.unpack(data)
    return uid in {0, os.geteuid()}


def main(arguments: list[str] | None = None) -> int:
    """Keep the workloads of a home; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m argus.control.runtime.keeper", description=__doc__)
    parser.add_argument("home", type=Path)
    settings = Settings(parser.parse_args(arguments).home.resolve())
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    faulthandler.enable()
    try:
        lock = KeeperLock(settings.run)
    except AlreadyKept as error:
        sys.stderr.write(f"{error}\n")
        return 0
    except ArgusError as error:
        sys.stderr.write(f"{error}\n")
        return error.exit_code
    os.environ[MARK] = mark_of(settings.home)
    os.chdir(settings.home)  # not the folder of a shell, which may be unmounted
    sys.stderr = sys.stdout = KeeperLog(settings.run / "keeper.log", _LOG_BYTES)
    configure_logging("info")
    try:
        asyncio.run(_keep(settings, lock))
    except ArgusError as error:
        structlog.get_logger().error("keeper.failed", reason=str(error))
        return error.exit_code
    finally:
        lock.close()
    return 0


async def _keep(settings: Settings, lock: KeeperLock) -> None:
    await Keeper(settings, lock).run()


if __name__ == "__main__":
    sys.exit(main())
