"""How a store keeps the journal of its file: within each transaction, last of all.

A journal that cannot be written holds nobody up: the database has what it was given, it is said once, and a
copy is due, with which the journal is whole again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import structlog
from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from argus.storage.results import tables
from argus.storage.results.entries import Entry
from argus.storage.results.journal import Journal
from argus.storage.results.replaying import ENTRY, LINEAGE

_COUNT = update(tables.state).where(tables.state.c.name == ENTRY).values(value=tables.state.c.value + 1)
_STATE = select(tables.state.c.name, tables.state.c.value)


class Journaling:
    """The journal of one database, for one process."""

    def __init__(self, path: Path, behind: Callable[[], None]) -> None:
        """Belong to a database; `behind` hears that something is committed that is not in the journal."""
        self._path = path
        self._behind = behind
        self._journal = Journal(path)
        self._syncing: asyncio.Future[None] | None = None
        self._said = False

    async def note(self, connection: AsyncConnection, entry: Entry) -> None:
        """Number a transaction and write down what it did, if anything, just before it is committed."""
        if entry == Entry():
            return
        await connection.execute(_COUNT)
        found = {row.name: row.value for row in await connection.execute(_STATE)}
        entry.lineage, entry.number, entry.seq = found[LINEAGE], found[ENTRY], found["seq"]
        try:
            await asyncio.to_thread(self._journal.append, entry)
        except OSError as error:
            self._fail(error)
        else:
            self._said = False
            self._syncing = asyncio.ensure_future(asyncio.to_thread(self._journal.sync))

    async def synced(self) -> None:
        """Wait until what was noted last is on the disk, which happens while the database is."""
        syncing, self._syncing = self._syncing, None
        if syncing is not None:
            try:
                await syncing
            except OSError as error:
                self._fail(error)

    def close(self) -> None:
        """Let the file go; idempotent."""
        self._journal.close()

    def _fail(self, error: OSError) -> None:
        self._behind()
        if not self._said:
            self._said = True
            structlog.get_logger().error(
                "results.not_journaled",
                path=str(self._path),
                error=error.strerror or str(error),
                follows="if the database is damaged before the next copy, what it cannot be read of is lost",
            )
