"""How work is done on a MongoDB: with the lease, to its end, and with its errors in our words."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from pymongo.asynchronous.database import AsyncDatabase

from argus.storage.results.mongo_documents import Found, in_our_words
from argus.storage.results.mongo_filters import Filter
from argus.storage.results.mongo_turns import Document, Turns

T = TypeVar("T")


class Work:
    """Reads and writes in one database."""

    def __init__(self, database: AsyncDatabase[Document], where: str, *, patience_s: float) -> None:
        """Work on a database.

        Args:
            database: Where.
            where: What to call it, without a password.
            patience_s: How long others who write are waited for.
        """
        self.database = database
        self.where = where
        self.turns = Turns(database, patience_s=patience_s)
        self._writing: set[asyncio.Future[Any]] = set()

    async def rows(
        self, collection: str, which: Filter, *, sort: Sequence[tuple[str, int]] = (), limit: int = 0
    ) -> list[Found]:
        """Return what fits a filter."""
        with in_our_words(self.where):
            cursor = self.database[collection].find(which, {"body": 1, "seq": 1, "at_us": 1})
            if sort:
                cursor = cursor.sort(list(sort))
            return [Found(one) for one in await cursor.limit(limit).to_list()]

    async def alone(self, work: Callable[[int], Awaitable[T]]) -> T:
        """Write something while nobody else does; it is given the last number of a change.

        It is done to its end, also where nobody waits for it any more: it holds the lease.
        """

        async def write() -> T:
            async with self.turns.alone():
                return await work(await self.turns.seq())

        return await self.write(write)

    async def write(self, work: Callable[[], Awaitable[T]]) -> T:
        """Write something that needs no lease, likewise."""

        async def write() -> T:
            with in_our_words(self.where):
                return await work()

        task = asyncio.ensure_future(write())
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def ended(self) -> None:
        """Wait until what is being written is written."""
        if self._writing:
            await asyncio.wait(self._writing)
