"""One writer at a time, and whole batches, in a MongoDB of any kind: also one server without transactions.

Whoever writes holds a lease, a document with a moment of the server's clock at which it ends by itself. A
batch is first noted in a journal; then it is applied, the counter set, and the journal emptied. Whoever
comes next finds what a writer that died had noted, and applies it once more: the same documents, so nothing
is doubled. Readers of changes look no further than the counter, which is behind everything that is applied.

What it cannot bear is a writer that sleeps longer than its lease in the middle of one request; each request
is therefore given far less time than the lease has.
"""

from __future__ import annotations

import asyncio
import random
import time
import uuid
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

from pymongo import ReplaceOne
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import DuplicateKeyError

from argus.storage.protocol import ResultsUnavailable

Document = dict[str, Any]
Documents = Mapping[str, Sequence[Document]]
"""What is to be written, by collection; each with its `_id`."""

STATE: Final = "argus_state"
JOURNAL: Final = "argus_journal"
LEASE_S: Final = 60.0
REQUEST_S: Final = 10.0
"""How long one request may take."""
PATIENCE_S: Final = 10.0
_PART_BYTES: Final = 4 << 20
"""Bodies in one document of the journal; a document may have 16 MB."""
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


class Turns:
    """The lease, the counter and the journal of a database."""

    def __init__(self, database: AsyncDatabase[Document], *, patience_s: float = PATIENCE_S) -> None:
        """Belong to a database; `prepare` is called once before anything else."""
        self._database = database
        self._state = database[STATE]
        self._journal = database[JOURNAL]
        self._patience_s = patience_s
        self._me = uuid.uuid4().hex
        self._turn = asyncio.Lock()
        self._until = 0.0

    async def prepare(self) -> None:
        """Make the documents of lease and counter where they are missing."""
        for document in (
            {"_id": "lease", "owner": "", "until": _LONG_AGO},
            {"_id": "seq", "value": 0},
        ):
            try:
                await self._state.insert_one(document)
            except DuplicateKeyError:
                continue

    async def seq(self) -> int:
        """Return the last number whose change is in its place."""
        found = await self._state.find_one({"_id": "seq"})
        return int(found["value"]) if found else 0

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Keep other writers out; what one of them left half done is done first."""
        async with self._turn:
            await self._acquire()
            try:
                await self._finish()
                yield
            finally:
                await asyncio.shield(self._release())

    async def commit(self, documents: Documents, seq: int) -> None:
        """Write documents, all or none in the end, and set the counter; only within `alone`."""
        parts = _parts(documents)
        if not parts:
            return
        self._expect_time()
        await self._journal.insert_many([{"_id": n, **part} for n, part in enumerate(parts)])
        self._expect_time()
        await self._journal.insert_one({"_id": "whole", "parts": len(parts), "seq": seq})
        await self._apply(parts, seq)

    async def _finish(self) -> None:
        """Apply what the journal holds as a whole; forget what does not say that it is whole."""
        if await self._journal.find_one({}) is None:
            return
        whole = await self._journal.find_one({"_id": "whole"})
        if whole is not None:
            parts = [await self._journal.find_one({"_id": n}) for n in range(whole["parts"])]
            await self._apply([part for part in parts if part is not None], int(whole["seq"]))
        else:
            await self._journal.delete_many({})

    async def _apply(self, parts: Sequence[Document], seq: int) -> None:
        for part in parts:
            self._expect_time()
            requests = [ReplaceOne({"_id": one["_id"]}, one, upsert=True) for one in part["documents"]]
            await self._database[part["collection"]].bulk_write(requests, ordered=False)
        self._expect_time()
        await self._state.update_one({"_id": "seq"}, {"$max": {"value": seq}})
        # The mark first: parts without it are nothing.
        await self._journal.delete_one({"_id": "whole"})
        await self._journal.delete_many({})

    async def _acquire(self) -> None:
        deadline = time.monotonic() + self._patience_s
        free = {"$or": [{"owner": self._me}, {"$expr": {"$lt": ["$until", "$$NOW"]}}]}
        taken = [{"$set": {"owner": self._me, "until": {"$add": ["$$NOW", round(LEASE_S * 1000)]}}}]
        while True:
            began = time.monotonic()
            if await self._state.find_one_and_update({"_id": "lease", **free}, taken) is not None:
                self._until = began + LEASE_S - REQUEST_S
                return
            if time.monotonic() >= deadline:
                raise ResultsUnavailable("the database of results is being written by others without a pause")
            await asyncio.sleep(random.uniform(0.002, 0.02))  # noqa: S311 - so that two do not keep step

    async def _release(self) -> None:
        await self._state.update_one({"_id": "lease", "owner": self._me}, {"$set": {"until": _LONG_AGO}})

    def _expect_time(self) -> None:
        if time.monotonic() >= self._until:
            raise ResultsUnavailable("the database of results was too slow: another may write by now")


def _parts(documents: Documents) -> list[Document]:
    """Return documents in portions that fit into one document of the journal each."""
    parts: list[Document] = []
    for collection, found in documents.items():
        portion: list[Document] = []
        size = 0
        for one in found:
            length = 2 * len(one.get("body", "")) + 4096  # at most, with what else it has
            if portion and size + length > _PART_BYTES:
                parts.append({"collection": collection, "documents": portion})
                portion, size = [], 0
            portion.append(one)
            size += length
        if portion:
            parts.append({"collection": collection, "documents": portion})
    return parts
