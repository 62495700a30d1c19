"""Resources in SQLite: one file, no server. What was acknowledged is on the disk (WAL, `synchronous=FULL`).

Its calls wait, so they run in threads of their own: one that writes, some that read. Beside the file stand
its journal and its last good copy; a file that is found damaged, replaced or gone is restored from them, at
opening and while running.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import structlog
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.pool import QueuePool

from argus.control.store import journal
from argus.control.store.backup import make_copy
from argus.control.store.database import R, Reading, Writing
from argus.control.store.failures import StoreDamaged, in_our_words
from argus.control.store.migrating import migrate
from argus.control.store.protocol import StoreUnavailable
from argus.control.store.recovery import make_sound
from argus.control.store.rows import versions
from argus.storage.write_ahead import write_ahead

log = structlog.get_logger()

COPY_EVERY_S: Final = 300.0
"""Seconds between good copies while there are changes. Lower keeps the journal short; higher writes less."""
PATIENCE_S: Final = 5.0
"""Seconds that another process may hold the database before a call fails. Higher rides out long backups."""
LONGEST_JOURNAL: Final = 64 * 2**20
"""Bytes of the journal after which a copy is made at once."""
_READERS: Final = 3
_WRITES: Final = "argus_writes"


class SqliteDatabase:
    """A file of SQLite, and its companions. Opening one waits: see `open_sqlite`."""

    def __init__(self, path: Path, *, copy_every_s: float, patience_s: float) -> None:
        self.where = str(path)
        self._path = path
        self._copy_every_s = copy_every_s
        self._patience_s = patience_s
        self._healing = threading.Lock()
        self.restored: str | None
        self._engine, self._inode, self.restored = self._open(must_exist=False)
        self._writer = ThreadPoolExecutor(1, "argus-store-writer")
        self._readers = ThreadPoolExecutor(_READERS, "argus-store-reader")
        self._closing = threading.Event()
        self._changed = threading.Event()
        # What was restored, or could not be put into the journal, has no second place yet.
        self._hurry = self.restored is not None or not self._has_second_place()
        self._copier = threading.Thread(
            target=self._copy_now_and_then, name="argus-store-copier", daemon=True
        )
        if self._hurry:
            self._changed.set()
        self._copier.start()

    async def read(self, work: Reading[R]) -> R:
        """Return what `work` does."""
        return await self._in(self._readers, lambda: self._whole(lambda: self._read(work)))

    async def write(self, work: Writing[R], *, weighty: bool = True) -> R:
        """Return what `work` does, when it is on the disk."""
        return await self._in(self._writer, lambda: self._whole(lambda: self._write(work, weighty=weighty)))

    async def close(self) -> None:
        """Let it go, with a good copy of what has changed since the last one."""
        if self._closing.is_set():
            return
        self._closing.set()
        self._changed.set()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._writer.shutdown()
        self._readers.shutdown()
        self._copier.join()
        self._engine.dispose()

    async def _in(self, threads: ThreadPoolExecutor, job: Callable[[], R]) -> R:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, job)
        except RuntimeError:
            if self._closing.is_set():
                raise StoreUnavailable(f"the database of resources {self.where} is closed") from None
            raise

    def _read(self, work: Reading[R]) -> R:
        with in_our_words(self.where), self._engine.connect() as connection, connection.begin():
            return work(connection)

    def _write(self, work: Writing[R], *, weighty: bool) -> R:
        with in_our_words(self.where), _writing(self._engine) as connection:
            done, changes = work(connection)
        if changes:
            try:
                if journal.append(self._path, changes, sync=weighty) > LONGEST_JOURNAL:
                    self._hurry = True
            except (OSError, StoreUnavailable) as error:
                # The database has it, which is what was promised; only its second place is missing.
                log.warning("store.journal_failed", path=self.where, reason=str(error))
                self._hurry = True
            self._changed.set()
        return done

    def _whole(self, job: Callable[[], R]) -> R:
        """Do a job; where the file turns out to be damaged, restore it and do the job again."""
        engine = self._engine
        try:
            self._expect_in_place()
            return job()
        except StoreDamaged as error:
            self._heal(engine, str(error))
        return job()

    def _expect_in_place(self) -> None:
        # A file that was deleted goes on to be written, and nobody will ever see it again.
        try:
            there = self._path.stat().st_ino
        except OSError:
            there = None
        if there != self._inode:
            what = "was deleted" if there is None else "was replaced"
            raise StoreDamaged(f"the database of resources {self.where} {what} while it was in use")

    def _heal(self, broken: Engine, reason: str) -> None:
        with self._healing:
            if self._engine is not broken:
                return  # another call has done it
            log.error("store.damaged", path=self.where, reason=reason)
            self._engine, self._inode, said = self._open(must_exist=True)
            self.restored = said or self.restored
            broken.dispose()
            self._hurry = True
            self._changed.set()

    def _open(self, *, must_exist: bool) -> tuple[Engine, int, str | None]:
        """Return a way in, the number of the file, and what was restored."""
        said = make_sound(self._path, must_exist=must_exist)
        with in_our_words(self.where):
            # Made here, for its owner alone; later nobody makes a new one by opening one that is gone.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            inode = self._path.stat().st_ino
            engine = create_engine(
                "sqlite://",
                creator=self._connect,
                poolclass=QueuePool,
                pool_size=_READERS + 2,
                max_overflow=0,
            )
            event.listen(engine, "begin", _begin)
            try:
                with _writing(engine) as connection:
                    migrate(connection)
            except BaseException:
                engine.dispose()
                raise
        return engine, inode, said

    def _connect(self) -> sqlite3.Connection:
        uri = f"{self._path.absolute().as_uri()}?mode=rw"
        connection = sqlite3.connect(uri, uri=True, timeout=self._patience_s, check_same_thread=False)
        try:
            connection.isolation_level = None  # we say BEGIN
            write_ahead(connection, self._patience_s)
            connection.execute("PRAGMA synchronous=FULL")
            connection.execute("PRAGMA journal_size_limit=67108864")
        except BaseException:
            connection.close()
            raise
        return connection

    def _has_second_place(self) -> bool:
        """Return whether journal and copy together have all that the database has."""
        version, _ = self._read(versions)
        entries = journal.read(self._path)
        whole = entries.base is not None and not entries.damaged
        return version == 0 or (whole and entries.version >= version)

    def _copy_now_and_then(self) -> None:
        last = time.monotonic()
        while not self._closing.is_set():
            self._changed.wait()
            while not self._closing.is_set() and not self._hurry:
                left = last + self._copy_every_s - time.monotonic()
                if left <= 0:
                    break
                self._closing.wait(min(left, 1.0))
            if not self._closing.is_set():
                self._copy()
                last = time.monotonic()
        if self._dirty():
            self._copy()

    def _dirty(self) -> bool:
        entries = journal.read(self._path)
        return self._hurry or entries.base is None or bool(entries.changes)

    def _copy(self) -> None:
        self._changed.clear()
        self._hurry = False
        try:
            make_copy(self._path)
        except StoreUnavailable as error:
            log.warning("store.copy_failed", path=self.where, reason=str(error))
            self._changed.set()


@contextlib.contextmanager
def _writing(engine: Engine) -> Iterator[Connection]:
    """Hold a transaction in which nobody else writes."""
    with engine.connect() as connection, connection.execution_options(**{_WRITES: True}).begin():
        yield connection


def _begin(connection: Connection) -> None:
    writes: Any = connection.get_execution_options().get(_WRITES)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


async def open_sqlite(
    path: Path, *, copy_every_s: float = COPY_EVERY_S, patience_s: float = PATIENCE_S
) -> SqliteDatabase:
    """Return a database, made, restored or brought up to date where that is needed.

    Raises:
        StoreUnavailable: it is locked, cannot be written, or is damaged and cannot be restored.
        StoreTooNew: a newer Argus has made it.
    """
    with contextlib.suppress(OSError):
        path = path.resolve()
    return await asyncio.to_thread(SqliteDatabase, path, copy_every_s=copy_every_s, patience_s=patience_s)
