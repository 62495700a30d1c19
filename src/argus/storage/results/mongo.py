"""The store of results in MongoDB, through pymongo's asynchronous client.

A document has the fields that are searched by and the record itself as JSON, as a row has in SQL. Writing is
`mongo_turns`, asking `mongo_filters`.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel, ReadPreference, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.read_concern import ReadConcern

from argus.core.errors import SpecError
from argus.core.urls import mask_url, mask_urls
from argus.storage.protocol import Page, Query, ResultsTooNew
from argus.storage.records import AlertRecord, EventRecord, Record, Run, TraceRecord
from argus.storage.results import mongo_removing
from argus.storage.results.cursors import Place, cursor_of, page_size, place_of
from argus.storage.results.folding import Changed, Folding, Needs, Prepared
from argus.storage.results.listing import L, Listing, not_found
from argus.storage.results.mongo_documents import (
    ATTACHMENTS,
    COLLECTIONS,
    RUNS,
    document_of,
    in_our_words,
    indexes_of,
)
from argus.storage.results.mongo_filters import ORDER, page_filter
from argus.storage.results.mongo_steps import documents_of, known_of
from argus.storage.results.mongo_turns import PATIENCE_S, REQUEST_S, STATE, Document
from argus.storage.results.mongo_work import Work
from argus.storage.results.rows import microseconds, possible, readable, run_row

VERSION: Final = 1
"""Of the documents; a higher one in the database was written by a newer Argus."""
_MOST_TRACES: Final = 3600
_COUNTED: Final = 100_000


class MongoResults(Listing):
    """See `argus.storage.protocol.ResultStore`."""

    def __init__(
        self,
        database: AsyncDatabase[Document],
        where: str,
        client: AsyncMongoClient[Document] | None = None,
        *,
        patience_s: float = PATIENCE_S,
    ) -> None:
        """Keep results in a database; `opened` makes one ready.

        Args:
            database: Where.
            where: What to call it, without a password.
            client: Closed with the store.
            patience_s: How long others who write are waited for.
        """
        self._work = Work(database, where, patience_s=patience_s)
        self._client = client

    @classmethod
    async def opened(cls, url: str) -> MongoResults:
        """Open a database, making its indexes where they are missing.

        Args:
            url: `mongodb://…/DATABASE`, or `mongodb+srv://…`; without a name the database is `argus`.

        Raises:
            SpecError: this is no such address.
            ResultsUnavailable: it does not answer.
            ResultsTooNew: a newer Argus has written it.
        """
        where = mask_url(url)
        try:
            client: AsyncMongoClient[Document] = AsyncMongoClient(url, **_patience(url))
            named = client.get_default_database("argus")
        except (ConfigurationError, InvalidURI, ValueError) as error:
            raise SpecError(f"the URL of the results cannot be used: {mask_urls(str(error))}") from error
        # What a call returned has reached most servers, and their disks; what is read will not be undone.
        database = named.with_options(
            write_concern=WriteConcern(w="majority", j=True),
            read_concern=ReadConcern("majority"),
            read_preference=ReadPreference.PRIMARY,
        )
        store = cls(database, where, client)
        try:
            await store.prepare()
        except BaseException:
            await store.close()
            raise
        return store

    async def prepare(self) -> None:
        """Make what every database needs; raises as `opened` does."""
        database, where = self._work.database, self._work.where
        with in_our_words(where):
            state = database[STATE]
            found = await state.find_one({"_id": "version"})
            if found is not None and found["value"] > VERSION:
                raise ResultsTooNew(
                    f"{where} was written by a newer Argus (documents of version {found['value']}, "
                    f"the newest known is {VERSION}): upgrade this one, or name another database"
                )
            await self._work.turns.prepare()
            for kind, name in COLLECTIONS.items():
                await database[name].create_indexes(indexes_of(kind))
            of_runs = IndexModel([("job", ASCENDING), ("at_us", DESCENDING)])
            await database[RUNS].create_indexes([of_runs])
            await database[ATTACHMENTS].create_indexes([IndexModel([("at_us", ASCENDING)])])
            await state.update_one({"_id": "version"}, {"$max": {"value": VERSION}}, upsert=True)

    @property
    def restored(self) -> str:
        """Nothing is put right from here."""
        return ""

    async def write(self, records: Sequence[Record]) -> None:
        """Keep records; see the protocol."""
        if not records:
            return
        prepared = Prepared.of(records)

        async def write(seq: int) -> None:
            folding = Folding(await known_of(self._work.database, prepared.needs))
            folding.take(prepared.folded)
            await self._keep(folding, seq, prepared)

        await self._work.alone(write)

    async def traces(self, pipeline: str, since: datetime, until: datetime) -> tuple[TraceRecord, ...]:
        """Return what a pipeline did in each second of a span, the earliest first."""
        if not possible((pipeline,)):
            return ()
        span = {"$gte": microseconds(since), "$lt": microseconds(until)}
        rows = await self._work.rows(
            COLLECTIONS["trace"],
            {"pipeline": pipeline, "at_us": span},
            sort=(("at_us", 1), ("camera", 1)),
            limit=_MOST_TRACES,
        )
        return tuple(readable(TraceRecord, rows))

    async def acknowledge(
        self, kind: Literal["event", "alert"], id_: str, *, by: str, at: datetime
    ) -> EventRecord | AlertRecord:
        """Note that somebody has seen to it; the first one stays."""

        async def acknowledge(seq: int) -> EventRecord | AlertRecord | None:
            database, group = self._work.database, id_
            if kind == "alert":
                found = await database[COLLECTIONS["alert"]].find_one({"_id": id_}, {"event": 1})
                group = found["event"] if found else ""
            needs = Needs(frozenset({group}), frozenset({id_}), frozenset())
            folding = Folding(await known_of(database, needs))
            one = folding.acknowledge(kind, id_, by, at)
            if one is None:
                return None
            changed = await self._keep(folding, seq)
            return next((new for new in changed if type(new) is type(one) and new.id == id_), one)

        one = await self._work.alone(acknowledge) if possible((id_,)) else None
        if one is None:
            raise not_found(kind, id_)
        return one

    async def changes(
        self, after: int, *, limit: int = 500, kinds: Sequence[Literal["event", "alert"]] = ("event", "alert")
    ) -> tuple[EventRecord | AlertRecord, ...]:
        """Return events and alerts that have changed since a `seq`, in its order, as they are now."""
        if not possible((after,)):
            return ()
        size = page_size(limit)
        found: list[EventRecord | AlertRecord] = []
        # No further than the counter: what is above it may be half applied.
        span = {"seq": {"$gt": after, "$lte": await self.last_seq()}}
        for kind in dict.fromkeys(kinds):
            rows = await self._work.rows(COLLECTIONS[kind], span, sort=(("seq", 1),), limit=size)
            found += readable(EventRecord, rows) if kind == "event" else readable(AlertRecord, rows)
        return tuple(sorted(found, key=lambda one: one.seq)[:size])

    async def last_seq(self) -> int:
        """Return the highest `seq`; 0 where nothing was ever written."""
        with in_our_words(self._work.where):
            return await self._work.turns.seq()

    async def counts(self) -> dict[str, int]:
        """Return how many records of each kind there are; of many, as the server estimates."""
        counts = {}
        with in_our_words(self._work.where):
            for kind, name in (COLLECTIONS | {"run": RUNS}).items():
                collection = self._work.database[name]
                counts[kind] = await collection.estimated_document_count()
                if counts[kind] < _COUNTED:
                    counts[kind] = await collection.count_documents({})
        return counts

    async def put_run(self, run: Run) -> None:
        """Keep how far a run has come."""
        row = run_row(run)

        async def put() -> None:
            document = document_of(row, row["id"])
            await self._work.database[RUNS].replace_one({"_id": row["id"]}, document, upsert=True)

        await self._work.write(put)

    async def run(self, id_: str) -> Run | None:
        """Return a run; None where it has not said anything."""
        rows = await self._work.rows(RUNS, {"_id": {"$in": list(possible((id_,)))}})
        return next(readable(Run, rows), None)

    async def runs(self, job: str, *, limit: int = 20) -> tuple[Run, ...]:
        """Return the runs of a job, the latest first."""
        if not possible((job,)):
            return ()
        rows = await self._work.rows(RUNS, {"job": job}, sort=ORDER, limit=page_size(limit))
        return tuple(readable(Run, rows))

    async def forget_job(self, job: str, *, run: str | None = None) -> tuple[str, ...]:
        """Remove all that a job found, or one run of it, and its runs."""
        return await mongo_removing.forget_job(self._work, job, run)

    async def expire(self, kind: str, *, before: datetime | None, keep: int | None) -> tuple[str, ...]:
        """Remove records of a kind that are older than a moment, or beyond the newest so many."""
        return await mongo_removing.expire(self._work, kind, before, keep)

    async def close(self) -> None:
        """Let connections go, when what is being written is written; idempotent."""
        await self._work.ended()
        if self._client is not None:
            await self._client.close()

    async def _keep(
        self, folding: Folding, seq: int, prepared: Prepared | None = None
    ) -> tuple[Changed, ...]:
        changed = folding.changes(seq)
        documents = documents_of(folding, changed, prepared)
        await self._work.turns.commit(documents, changed[-1].seq if changed else seq)
        return changed

    async def _page(self, kind: str, of: type[L], query: Query, limit: int, cursor: str | None) -> Page[L]:
        size = page_size(limit)
        which = page_filter(kind, query, place_of(kind, cursor, str))
        if which is None:
            return Page(items=(), cursor=None)
        rows = await self._work.rows(COLLECTIONS[kind], which, sort=ORDER, limit=size + 1)
        last = rows[size - 1] if len(rows) > size else None
        return Page(
            items=tuple(readable(of, rows[:size])),
            cursor=None if last is None else cursor_of(kind, Place(last.at_us, last.id)),
        )

    async def _one(self, kind: str, of: type[L], id_: str) -> L | None:
        rows = await self._work.rows(COLLECTIONS[kind], {"_id": {"$in": list(possible((id_,)))}})
        return next(readable(of, rows), None)


def _patience(url: str) -> dict[str, Any]:
    """Return how long the client waits, where the URL does not say it."""
    given = url.lower()
    wanted = {
        "serverSelectionTimeoutMS": 5000,
        "connectTimeoutMS": 5000,
        "socketTimeoutMS": round(REQUEST_S * 1000),
    }
    return {name: value for name, value in wanted.items() if f"{name.lower()}=" not in given}
