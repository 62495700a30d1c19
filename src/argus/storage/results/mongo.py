"""The store of results in MongoDB, through pymongo's asynchronous client.

A document has the fields that are searched by and the record itself as JSON, as a row has in SQL. Writing is
`mongo_turns`, asking `mongo_filters`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeVar

from pymongo import ASCENDING, DESCENDING, AsyncMongoClient, IndexModel, ReadPreference, WriteConcern
from pymongo.asynchronous.database import AsyncDatabase
from pymongo.errors import ConfigurationError, InvalidURI
from pymongo.read_concern import ReadConcern

from argus.core.errors import SpecError, UnknownName
from argus.core.urls import mask_url, mask_urls
from argus.storage.protocol import (
    Page,
    Query,
    ResultNotFound,
    ResultsTooNew,
)
from argus.storage.records import (
    AlertRecord,
    DetectionsRecord,
    EventRecord,
    Record,
    Run,
    TraceRecord,
    TrackRecord,
)
from argus.storage.results.cursors import Place, cursor_of, page_size, place_of
from argus.storage.results.folding import Changed, Folding, Needs, Prepared
from argus.storage.results.mongo_documents import (
    ATTACHMENTS,
    COLLECTIONS,
    RUNS,
    Found,
    document_of,
    document_of_frame,
    in_our_words,
    indexes_of,
    key_of,
)
from argus.storage.results.mongo_filters import ORDER, Filter, page_filter
from argus.storage.results.mongo_steps import known_of, remove_portion
from argus.storage.results.mongo_turns import REQUEST_S, STATE, Document, Turns
from argus.storage.results.rows import (
    TRACE_KEY,
    changed_row,
    microseconds,
    possible,
    readable,
    run_row,
)

T = TypeVar("T")
L = TypeVar("L", EventRecord, AlertRecord, TrackRecord, DetectionsRecord)

VERSION: Final = 1
"""Of the documents; a higher one in the database was written by a newer Argus."""
_PAUSE_S: Final = 0.01
_MOST_TRACES: Final = 3600
_COUNTED: Final = 100_000


class MongoResults:
    """See `argus.storage.protocol.ResultStore`."""

    def __init__(
        self, database: AsyncDatabase[Document], where: str, client: AsyncMongoClient[Document] | None = None
    ) -> None:
        """Keep results in a database; `opened` makes one ready.

        Args:
            database: Where.
            where: What to call it, without a password.
            client: Closed with the store.
        """
        self._database = database
        self._where = where
        self._client = client
        self._turns = Turns(database)
        self._writing: set[asyncio.Future[Any]] = set()

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
        with in_our_words(self._where):
            state = self._database[STATE]
            found = await state.find_one({"_id": "version"})
            if found is not None and found["value"] > VERSION:
                raise ResultsTooNew(
                    f"{self._where} was written by a newer Argus (documents of version {found['value']}, "
                    f"the newest known is {VERSION}): upgrade this one, or name another database"
                )
            await self._turns.prepare()
            for kind, name in COLLECTIONS.items():
                await self._database[name].create_indexes(indexes_of(kind))
            await self._database[RUNS].create_indexes(
                [IndexModel([("job", ASCENDING), ("at_us", DESCENDING)])]
            )
            await self._database[ATTACHMENTS].create_indexes([IndexModel([("at_us", ASCENDING)])])
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

        async def write() -> None:
            async with self._alone():
                seq = await self._turns.seq()
                folding = Folding(await known_of(self._database, prepared.needs))
                folding.take(prepared.folded)
                await self._keep(folding, seq, prepared)

        await self._to_its_end(write())

    async def events(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[EventRecord]:
        """Return events, the latest start first."""
        return await self._page("event", EventRecord, query, limit, cursor)

    async def alerts(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[AlertRecord]:
        """Return alerts, the latest first."""
        return await self._page("alert", AlertRecord, query, limit, cursor)

    async def tracks(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[TrackRecord]:
        """Return tracks, the latest first seen first."""
        return await self._page("track", TrackRecord, query, limit, cursor)

    async def detections(
        self, query: Query, *, limit: int = 100, cursor: str | None = None
    ) -> Page[DetectionsRecord]:
        """Return frames with what was seen in them, the latest first."""
        return await self._page("detections", DetectionsRecord, query, limit, cursor)

    async def traces(self, pipeline: str, since: datetime, until: datetime) -> tuple[TraceRecord, ...]:
        """Return what a pipeline did in each second of a span, the earliest first."""
        if not possible((pipeline,)):
            return ()
        span = {"$gte": microseconds(since), "$lt": microseconds(until)}
        rows = await self._rows(
            COLLECTIONS["trace"],
            {"pipeline": pipeline, "at_us": span},
            sort=(("at_us", 1), ("camera", 1)),
            limit=_MOST_TRACES,
        )
        return tuple(readable(TraceRecord, rows))

    async def event(self, id_: str) -> EventRecord:
        """Return one event."""
        return await self._one("event", EventRecord, id_)

    async def alert(self, id_: str) -> AlertRecord:
        """Return one alert."""
        return await self._one("alert", AlertRecord, id_)

    async def acknowledge(
        self, kind: Literal["event", "alert"], id_: str, *, by: str, at: datetime
    ) -> EventRecord | AlertRecord:
        """Note that somebody has seen to it; the first one stays."""

        async def acknowledge() -> EventRecord | AlertRecord | None:
            async with self._alone():
                seq = await self._turns.seq()
                group = id_
                if kind == "alert":
                    found = await self._database[COLLECTIONS["alert"]].find_one({"_id": id_}, {"event": 1})
                    group = found["event"] if found else ""
                needs = Needs(frozenset({group}), frozenset({id_}), frozenset())
                folding = Folding(await known_of(self._database, needs))
                one = folding.acknowledge(kind, id_, by, at)
                if one is None:
                    return None
                changed = await self._keep(folding, seq)
                return next((new for new in changed if type(new) is type(one) and new.id == id_), one)

        one = await self._to_its_end(acknowledge()) if possible((id_,)) else None
        if one is None:
            raise ResultNotFound(f"there is no {kind} {id_[:80]!r}")
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
            rows = await self._rows(COLLECTIONS[kind], span, sort=(("seq", 1),), limit=size)
            found += readable(EventRecord, rows) if kind == "event" else readable(AlertRecord, rows)
        return tuple(sorted(found, key=lambda one: one.seq)[:size])

    async def last_seq(self) -> int:
        """Return the highest `seq`; 0 where nothing was ever written."""
        with in_our_words(self._where):
            return await self._turns.seq()

    async def counts(self) -> dict[str, int]:
        """Return how many records of each kind there are; of many, as the server estimates."""
        counts = {}
        with in_our_words(self._where):
            for kind, name in (COLLECTIONS | {"run": RUNS}).items():
                counts[kind] = await self._database[name].estimated_document_count()
                if counts[kind] < _COUNTED:
                    counts[kind] = await self._database[name].count_documents({})
        return counts

    async def put_run(self, run: Run) -> None:
        """Keep how far a run has come."""
        row = run_row(run)

        async def put() -> None:
            with in_our_words(self._where):
                document = document_of(row, row["id"])
                await self._database[RUNS].replace_one({"_id": row["id"]}, document, upsert=True)

        await self._to_its_end(put())

    async def run(self, id_: str) -> Run | None:
        """Return a run; None where it has not said anything."""
        rows = await self._rows(RUNS, {"_id": {"$in": list(possible((id_,)))}})
        return next(readable(Run, rows), None)

    async def runs(self, job: str, *, limit: int = 20) -> tuple[Run, ...]:
        """Return the runs of a job, the latest first."""
        if not possible((job,)):
            return ()
        rows = await self._rows(RUNS, {"job": job}, sort=ORDER, limit=page_size(limit))
        return tuple(readable(Run, rows))

    async def forget_job(self, job: str, *, run: str | None = None) -> tuple[str, ...]:
        """Remove all that a job found, or one run of it, and its runs."""
        if not job or not possible((job,)):
            return ()
        unneeded: set[str] = set()
        these: Filter = {"job": job} if run is None else {"job": job, "run": run}
        for kind in ("alert", "track", "detections", "event"):
            while (removed := await self._remove(kind, these)) is not None:
                unneeded |= removed
        with in_our_words(self._where):
            await self._database[RUNS].delete_many({"job": job} if run is None else {"_id": run})
        return tuple(sorted(unneeded))

    async def expire(self, kind: str, *, before: datetime | None, keep: int | None) -> tuple[str, ...]:
        """Remove records of a kind that are older than a moment, or beyond the newest so many."""
        if kind not in COLLECTIONS:
            raise UnknownName("kind of results", kind, COLLECTIONS)
        terms: list[Filter] = []
        live: Filter = {} if kind == "trace" else {"job": ""}
        if before is not None:
            terms.append({"at_us": {"$lt": microseconds(before)}})
        if keep is not None:
            with in_our_words(self._where):
                found = self._database[COLLECTIONS[kind]].find(live, {"at_us": 1}).sort(list(ORDER))
                for last in await found.skip(max(keep, 0)).limit(1).to_list(1):
                    same = {"at_us": last["at_us"], "_id": {"$lte": last["_id"]}}
                    terms.append({"$or": [{"at_us": {"$lt": last["at_us"]}}, same]})
        if not terms:
            return ()
        late: Filter = {"$or": terms, **live}
        if kind in {"event", "track"}:
            late["open"] = 0
        unneeded: set[str] = set()
        while (removed := await self._remove(kind, late)) is not None:
            unneeded |= removed
        return tuple(sorted(unneeded))

    async def close(self) -> None:
        """Let connections go, when what is being written is written; idempotent."""
        if self._writing:
            await asyncio.wait(self._writing)
        if self._client is not None:
            await self._client.close()

    @asynccontextmanager
    async def _alone(self) -> AsyncIterator[None]:
        with in_our_words(self._where):
            async with self._turns.alone():
                yield

    async def _to_its_end(self, work: Coroutine[Any, Any, T]) -> T:
        """Write something, also where nobody waits for it any more: it holds the lease."""
        task = asyncio.ensure_future(work)
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def _keep(
        self, folding: Folding, seq: int, prepared: Prepared | None = None
    ) -> tuple[Changed, ...]:
        changed = folding.changes(seq)
        documents: dict[str, list[Document]] = {}
        for record in changed:
            kind = {EventRecord: "event", AlertRecord: "alert", TrackRecord: "track"}[type(record)]
            documents.setdefault(COLLECTIONS[kind], []).append(document_of(changed_row(record), record.id))
        if folding.attachments:
            now = microseconds(datetime.now(UTC))
            documents[ATTACHMENTS] = [
                document_of({"snapshot": one.snapshot, "clip": one.clip, "at_us": now}, one.event)
                for one in folding.attachments.values()
            ]
        if prepared is not None and prepared.detections:
            documents[COLLECTIONS["detections"]] = [document_of_frame(row) for row in prepared.detections]
        if prepared is not None and prepared.traces:
            documents[COLLECTIONS["trace"]] = [
                document_of(row, key_of(row, TRACE_KEY)) for row in prepared.traces
            ]
        await self._turns.commit(documents, changed[-1].seq if changed else seq)
        return changed

    async def _rows(
        self, collection: str, which: Filter, *, sort: Sequence[tuple[str, int]] = (), limit: int = 0
    ) -> list[Found]:
        with in_our_words(self._where):
            cursor = self._database[collection].find(which, {"body": 1, "seq": 1, "at_us": 1})
            if sort:
                cursor = cursor.sort(list(sort))
            return [Found(one) for one in await cursor.limit(limit).to_list()]

    async def _page(self, kind: str, of: type[L], query: Query, limit: int, cursor: str | None) -> Page[L]:
        size = page_size(limit)
        which = page_filter(kind, query, place_of(kind, cursor, str))
        if which is None:
            return Page(items=(), cursor=None)
        rows = await self._rows(COLLECTIONS[kind], which, sort=ORDER, limit=size + 1)
        last = rows[size - 1] if len(rows) > size else None
        return Page(
            items=tuple(readable(of, rows[:size])),
            cursor=None if last is None else cursor_of(kind, Place(last.at_us, last.id)),
        )

    async def _one(self, kind: str, of: type[L], id_: str) -> L:
        rows = await self._rows(COLLECTIONS[kind], {"_id": {"$in": list(possible((id_,)))}})
        one = next(readable(of, rows), None)
        if one is None:
            raise ResultNotFound(f"there is no {kind} {id_[:80]!r}")
        return one

    async def _remove(self, kind: str, which: Filter) -> set[str] | None:
        with in_our_words(self._where):
            removed = await remove_portion(self._database, kind, which)
        await asyncio.sleep(_PAUSE_S)
        return removed


def _patience(url: str) -> dict[str, Any]:
    """Return how long the client waits, where the URL does not say it."""
    given = url.lower()
    wanted = {
        "serverSelectionTimeoutMS": 5000,
        "connectTimeoutMS": 5000,
        "socketTimeoutMS": round(REQUEST_S * 1000),
    }
    return {name: value for name, value in wanted.items() if f"{name.lower()}=" not in given}
