"""How work is done on an SQL database: to its end, and once more where the file had to be put right."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from argus.storage.protocol import ResultsUnavailable
from argus.storage.results.database import Damaged, Database, Transaction

T = TypeVar("T")


class Work:
    """Reads and writes in one database."""

    def __init__(self, database: Database) -> None:
        """Work on a database that is open."""
        self.database = database
        self._writing: set[asyncio.Future[Any]] = set()

    async def rows(self, statement: Any) -> Sequence[Any]:
        """Return the rows of a statement that reads."""

        async def rows() -> Sequence[Any]:
            async with self.database.reading() as connection:
                return (await connection.execute(statement)).all()

        return await self._through(rows)

    async def write(self, work: Callable[[Transaction], Awaitable[T]]) -> T:
        """Do something in a transaction: to its end, also where nobody waits for it any more.

        A transaction that is cut off in the middle holds its locks until the engine notices.
        """

        async def write() -> T:
            async with self.database.writing() as transaction:
                return await work(transaction)

        task = asyncio.ensure_future(self._through(write))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def close(self) -> None:
        """Let the database go, when what is being written is written; idempotent."""
        if self._writing:
            await asyncio.wait(self._writing)
        await self.database.close()

    async def _through(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something; where the file is damaged, put it right and do it again."""
        try:
            return await work()
        except Damaged as damage:
            await self.database.mend(damage)
        try:
            return await work()
        except Damaged as damage:
            raise ResultsUnavailable(f"the database of results is damaged: {damage}") from damage
