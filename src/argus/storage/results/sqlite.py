"""Results in one file, which any number of processes have open at once.

Write-ahead log, so that readers and a writer do not wait for each other. `synchronous=FULL`: what a call
returned must be there after a power cut too, and writers come in batches, a few per second, so that waiting
for the disk costs little.

What is written stands in a journal too, until a copy has it (`journaling`, `copies`). The file may be put
aside, and another made of the two put in its place (`mending`): a writer holds a shared lock beside the file
while it writes, whoever replaces the file holds it alone, and everybody looks whether the file is still the
one that was opened.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from argus.storage.protocol import ResultsUnavailable
from argus.storage.results import copies, mending
from argus.storage.results.database import Damaged, Transaction
from argus.storage.results.journaling import Journaling
from argus.storage.results.migrating import is_current, migrate
from argus.storage.results.sqlite_connections import (
    prepare,
    readers_of,
    transaction,
    translated,
    writer_of,
)
from argus.storage.results.sqlite_guard import Guard

PATIENCE_S: Final = 5.0
"""How long a lock of somebody else is waited for. Longer rides out long writes; shorter says sooner that
something is wrong."""
_MENDING_S: Final = 30.0
_SHRUNK_PAGES: Final = 2000
"""How many pages are given back at a time."""
_FEWEST_PAGES: Final = 256
"""Free pages that are not worth it."""


class SqliteDatabase:
    """See the module, and `argus.storage.results.database.Database`."""

    def __init__(self, path: Path, *, patience_s: float = PATIENCE_S, copying: bool = True) -> None:
        """Name it; `open` is what `SqliteDatabase.opened` is for."""
        self.path = path.absolute()
        self._patience_s = patience_s
        self._restored = ""
        self._identity: tuple[int, int] | None = None
        self._readers: AsyncEngine | None = None
        self._writer: AsyncEngine | None = None
        self._turn = asyncio.Lock()
        self._opening = asyncio.Lock()
        self._guard = Guard(self.path)
        self._over = threading.Event()
        self._copier = copies.Copier(self.path, self._over, self.suspect) if copying else None
        self._journaling = Journaling(self.path, self._doubt)
        self._closed = False
        self._suspicion = ""

    @classmethod
    async def opened(
        cls, path: Path, *, patience_s: float = PATIENCE_S, copying: bool = True
    ) -> SqliteDatabase:
        """Open a file, making it, its folder and its tables where they are missing.

        Args:
            path: The file.
            patience_s: How long a lock of somebody else is waited for.
            copying: Whether good copies are made, where no other process makes them.

        Raises:
            ResultsUnavailable: it cannot be opened, or it is damaged and cannot be put right.
            ResultsTooNew: a newer Argus has written it.
        """
        database = cls(path, patience_s=patience_s, copying=copying)
        try:
            await database._begin()
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def dialect(self) -> str:
        """Return the name of its language."""
        return "sqlite"

    @property
    def restored(self) -> str:
        """Return what was put right; empty: nothing."""
        return self._restored

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Return a connection to read with."""
        with translated(str(self.path)):
            await self._look()
            assert self._readers is not None
            async with self._readers.connect() as connection:
                yield connection

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Transaction]:
        """Return a transaction that writes alone."""
        async with self._turn, self._guard.shared(self._patience_s):
            try:
                with translated(str(self.path)):
                    await self._look()
                    assert self._writer is not None
                    async with transaction(self._writer) as connection:
                        done = Transaction(connection)
                        yield done
                        await self._journaling.note(connection, done.entry)
            finally:
                await self._journaling.synced()

    async def mend(self, damage: Damaged) -> None:
        """Put the file aside, and the last good copy in its place, unless somebody else just did."""
        async with self._turn:
            await self._mend(damage)

    def suspect(self, damage: str) -> None:
        """Hear that the file is damaged somewhere: it is put right before it is used again."""
        self._suspicion = damage

    async def copy(self) -> bool:
        """Make a good copy now; return whether one was made, which another process may be doing."""
        return await asyncio.to_thread(copies.make_copy, self.path, self._over)

    async def shrink(self) -> None:
        """Give free pages back, some at a time, where a quarter of the file is free."""
        while True:
            async with self.reading() as connection:
                free = (await connection.exec_driver_sql("PRAGMA freelist_count")).scalar_one()
                pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
            if free * 4 < pages or free < _FEWEST_PAGES:
                return
            async with self._turn, self._guard.shared(self._patience_s):
                with translated(str(self.path)):
                    await self._look()
                    assert self._writer is not None
                    async with self._writer.connect() as connection:
                        driver = (await connection.get_raw_connection()).driver_connection
                        assert driver is not None
                        # As a script, which is run to its end; a statement would give back a single page.
                        await driver.executescript(f"PRAGMA incremental_vacuum({_SHRUNK_PAGES})")
            async with self.reading() as connection:
                left = (await connection.exec_driver_sql("PRAGMA freelist_count")).scalar_one()
            if left >= free:  # a file that was made without it
                return
            await asyncio.sleep(0.02)

    async def close(self) -> None:
        """Let the file go; a copy that is being made is left off."""
        self._closed = True
        self._over.set()
        if self._copier is not None:
            await asyncio.to_thread(self._copier.close)
            self._copier = None
        async with self._opening:
            await self._let_go()
        self._journaling.close()
        self._guard.close()

    async def _begin(self) -> None:
        self._guard.open()
        try:
            await self._open()
            await self._catch_up()
        except Damaged as damage:
            await self._mend(damage)
        if self._copier is not None:
            self._copier.start()

    async def _open(self) -> None:
        """Open the file that is there now; make it where there is none and none has been."""
        with translated(str(self.path)):
            await self._let_go()
            if mending.is_lost(self.path):
                raise Damaged("it is gone, or empty")
            # Not through the engine: a driver that fails to connect leaves a thread that outlives the loop.
            mode = await asyncio.to_thread(prepare, self.path, self._patience_s)
            if mode != "wal":
                structlog.get_logger().warning("results.no_wal", path=str(self.path), mode=mode)
            engine = writer_of(self.path, self._patience_s)
            try:
                async with engine.connect() as connection:
                    current = await is_current(connection, str(self.path))
                if not current:
                    async with transaction(engine) as connection:
                        await migrate(connection, str(self.path))
            except BaseException:
                await engine.dispose()
                raise
            self._writer = engine
            self._readers = readers_of(self.path, self._patience_s)
            self._identity = mending.identity(self.path)

    async def _let_go(self) -> None:
        engines, self._writer, self._readers = (self._writer, self._readers), None, None
        for engine in engines:
            if engine is not None:
                with suppress(SQLAlchemyError):
                    await engine.dispose()

    async def _look(self) -> None:
        """Open the file again where it is another one by now."""
        if self._closed:
            raise ResultsUnavailable(f"{self.path} has been closed")
        if self._suspicion:
            suspicion, self._suspicion = self._suspicion, ""
            raise Damaged(suspicion)
        if self._writer is not None and mending.identity(self.path) == self._identity:
            return
        async with self._opening:
            if self._writer is None or mending.identity(self.path) != self._identity:
                if not self.path.parent.is_dir():
                    raise ResultsUnavailable(f"{self.path}: its folder is gone")
                before, found = self._identity, mending.identity(self.path)
                await self._open()
                if before is not None and found != before:
                    self._say_other(gone=found is None)

    def _say_other(self, *, gone: bool) -> None:
        """Say that the file is not the one that was open: what was in that may be lost."""
        self._restored = (
            f"{self.path.name} was gone, and there was no good copy: a new one was begun"
            if gone
            else f"{self.path.name} was put right or replaced by another process"
        )
        structlog.get_logger().error("results.replaced", path=str(self.path), what=self._restored)

    async def _catch_up(self) -> None:
        """Do what the journal has and the file has not: an end that was lost, or never committed."""
        async with self._turn, self._guard.shared(self._patience_s):
            with translated(str(self.path)):
                said = await asyncio.to_thread(mending.catch_up, self.path, self._patience_s)
        if said:
            self._say(said)

    def _say(self, what: str) -> None:
        self._restored = what
        structlog.get_logger().error("results.restored", path=str(self.path), what=what)

    def _doubt(self) -> None:
        if self._copier is not None:
            self._copier.doubt()

    async def _mend(self, damage: Damaged) -> None:
        patience_s = max(self._patience_s, _MENDING_S)
        async with self._opening:
            if self._writer is not None and mending.identity(self.path) != self._identity:
                await self._open()
                return
            await self._let_go()
            async with self._guard.alone(patience_s):
                try:
                    said = await asyncio.to_thread(mending.mend, self.path, self._identity, str(damage))
                except OSError as error:
                    raise ResultsUnavailable(
                        f"{self.path} is damaged and cannot be put right: {error}"
                    ) from error
            if said:
                self._say(said)
                self._doubt()
            try:
                await self._open()
            except Damaged as error:
                raise ResultsUnavailable(f"{self.path} is damaged: {error}") from error
