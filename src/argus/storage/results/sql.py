"""The store of results on SQLite and PostgreSQL: what is read and written, through SQLAlchemy.

Whoever changes events, alerts or tracks holds the row of the counter until the transaction ends. So numbers
become visible in their order: who has read a number finds everything below it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Any, Final, Literal, TypeVar

from sqlalchemy import Table, delete, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from argus.core.errors import UnknownName
from argus.storage.protocol import Page, Query, ResultNotFound, ResultsUnavailable
from argus.storage.records import (
    AlertRecord,
    DetectionsRecord,
    EventRecord,
    Record,
    Run,
    TraceRecord,
    TrackRecord,
)
from argus.storage.results import tables
from argus.storage.results.cursors import Place, cursor_of, page_size, place_of
from argus.storage.results.database import Damaged, Database
from argus.storage.results.folding import Changed, Folding, Needs, Prepared
from argus.storage.results.queries import changes_statement, page_statement, types_statement
from argus.storage.results.rows import (
    DETECTIONS_KEY,
    TRACE_KEY,
    Row,
    changed_row,
    microseconds,
    possible,
    readable,
    run_row,
)
from argus.storage.results.sql_steps import (
    SEQ,
    known_of,
    lock,
    remove_lone_attachments,
    remove_portion,
    upsert,
)

T = TypeVar("T")
L = TypeVar("L", EventRecord, AlertRecord, TrackRecord, DetectionsRecord)

_OF_TABLE: Final = (
    (tables.events, EventRecord),
    (tables.alerts, AlertRecord),
    (tables.tracks, TrackRecord),
)
_PAUSE_S: Final = 0.01
"""Rest between two portions, in which writers get their turn."""
_MOST_TRACES: Final = 3600
_EXACT: Final = 2_000_000


class SqlResults:
    """See `argus.storage.protocol.ResultStore`."""

    def __init__(self, database: Database) -> None:
        """Keep results in an open database."""
        self._database = database
        self._writing: set[asyncio.Future[Any]] = set()
        insert = sqlite.insert if database.dialect == "sqlite" else postgresql.insert
        self._upserts = {
            table.name: upsert(insert(table), table, key)
            for table, key in (
                (tables.events, ("id",)),
                (tables.alerts, ("id",)),
                (tables.tracks, ("id",)),
                (tables.detections, DETECTIONS_KEY),
                (tables.traces, TRACE_KEY),
                (tables.attachments, ("event",)),
                (tables.runs, ("id",)),
            )
        }

    @property
    def database(self) -> Database:
        """Return what it stands on."""
        return self._database

    @property
    def restored(self) -> str:
        """Return what was put right since it was opened; empty: nothing."""
        return self._database.restored

    async def write(self, records: Sequence[Record]) -> None:
        """Keep records; see the protocol."""
        if not records:
            return
        prepared = Prepared.of(records)

        async def write() -> None:
            async with self._database.writing() as connection:
                if prepared.folded:
                    seq = await lock(connection)
                    folding = Folding(await known_of(connection, prepared.needs))
                    folding.take(prepared.folded)
                    await self._keep(connection, folding, seq)
                await self._upsert(connection, tables.detections, prepared.detections)
                await self._upsert(connection, tables.traces, prepared.traces)

        await self._changed(write)

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
        table = tables.traces
        statement = (
            select(table.c.body)
            .where(
                table.c.pipeline.in_(possible((pipeline,))),
                table.c.at_us >= microseconds(since),
                table.c.at_us < microseconds(until),
            )
            .order_by(table.c.at_us, table.c.camera)
            .limit(_MOST_TRACES)
        )
        return tuple(readable(TraceRecord, await self._rows(statement)))

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
            async with self._database.writing() as connection:
                seq = await lock(connection)
                group = id_
                if kind == "alert":
                    found = await connection.execute(
                        select(tables.alerts.c.event).where(tables.alerts.c.id == id_)
                    )
                    group = found.scalar() or ""
                folding = Folding(
                    await known_of(connection, Needs(frozenset({group}), frozenset({id_}), frozenset()))
                )
                one = folding.acknowledge(kind, id_, by, at)
                if one is None:
                    return None
                changed = await self._keep(connection, folding, seq)
                return next((new for new in changed if type(new) is type(one) and new.id == id_), one)

        one = await self._changed(acknowledge) if possible((id_,)) else None
        if one is None:
            raise ResultNotFound(f"there is no {kind} {id_[:80]!r}")
        return one

    async def changes(
        self, after: int, *, limit: int = 500, kinds: Sequence[Literal["event", "alert"]] = ("event", "alert")
    ) -> tuple[EventRecord | AlertRecord, ...]:
        """Return events and alerts that have changed since a `seq`, in its order, as they are now."""
        asked: dict[str, Table] = {kind: tables.BY_KIND[kind] for kind in kinds}
        if not asked or not possible((after,)):
            return ()
        rows = await self._rows(changes_statement(asked, after, page_size(limit)))
        found: list[EventRecord | AlertRecord] = []
        for row in rows:
            found += readable(EventRecord, [row]) if row.kind == "event" else readable(AlertRecord, [row])
        return tuple(found)

    async def last_seq(self) -> int:
        """Return the highest `seq`; 0 where nothing was ever written."""
        [row] = await self._rows(select(tables.state.c.value).where(SEQ))
        return int(row.value)

    async def counts(self) -> dict[str, int]:
        """Return how many records of each kind there are; of millions, about how many."""
        counts: dict[str, int] = {}
        for kind, table in tables.BY_KIND.items():
            [row] = await self._rows(
                select(func.min(table.c.n).label("first"), func.max(table.c.n).label("last"))
            )
            spread = 0 if row.last is None else row.last - row.first + 1
            if spread > _EXACT and "seq" not in table.c:
                counts[kind] = int(spread)
            elif spread:
                [row] = await self._rows(select(func.count().label("number")).select_from(table))
                counts[kind] = int(row.number)
            else:
                counts[kind] = 0
        [row] = await self._rows(select(func.count().label("number")).select_from(tables.runs))
        return counts | {"run": int(row.number)}

    async def put_run(self, run: Run) -> None:
        """Keep how far a run has come."""
        row = run_row(run)

        async def put() -> None:
            async with self._database.writing() as connection:
                await self._upsert(connection, tables.runs, [row])

        await self._changed(put)

    async def run(self, id_: str) -> Run | None:
        """Return a run; None where it has not said anything."""
        rows = await self._rows(select(tables.runs.c.body).where(tables.runs.c.id.in_(possible((id_,)))))
        return next(readable(Run, rows), None)

    async def runs(self, job: str, *, limit: int = 20) -> tuple[Run, ...]:
        """Return the runs of a job, the latest first."""
        table = tables.runs
        statement = (
            select(table.c.body)
            .where(table.c.job.in_(possible((job,))))
            .order_by(table.c.at_us.desc(), table.c.id.desc())
            .limit(page_size(limit))
        )
        return tuple(readable(Run, await self._rows(statement)))

    async def forget_job(self, job: str, *, run: str | None = None) -> tuple[str, ...]:
        """Remove all that a job found, or one run of it, and its runs."""
        if not job or not possible((job,)):
            return ()
        unneeded: set[str] = set()
        for kind in ("alert", "track", "detections", "event"):
            table = tables.BY_KIND[kind]
            condition = table.c.job == job
            if run is not None:
                condition &= table.c.run == run
            while (removed := await self._remove(table, condition, ordered=False)) is not None:
                unneeded |= removed

        async def forget() -> None:
            async with self._database.writing() as connection:
                these = tables.runs.c.job == job if run is None else tables.runs.c.id == run
                await connection.execute(delete(tables.runs).where(these))

        await self._changed(forget)
        await self._database.shrink()
        return tuple(sorted(unneeded))

    async def expire(self, kind: str, *, before: datetime | None, keep: int | None) -> tuple[str, ...]:
        """Remove records of a kind that are older than a moment, or beyond the newest so many."""
        if kind not in tables.BY_KIND:
            raise UnknownName("kind of results", kind, tables.BY_KIND)
        table = tables.BY_KIND[kind]
        conditions = []
        if before is not None:
            conditions.append(table.c.at_us < microseconds(before))
        if keep is not None:
            newest = select(table.c.at_us, table.c.n).order_by(table.c.at_us.desc(), table.c.n.desc())
            if "job" in table.c:
                newest = newest.where(table.c.job == "")
            for row in await self._rows(newest.offset(max(keep, 0)).limit(1)):
                same = (table.c.at_us == row.at_us) & (table.c.n <= row.n)
                conditions.append((table.c.at_us < row.at_us) | same)
        if not conditions:
            return ()
        condition = or_(*conditions)
        if "job" in table.c:
            condition &= table.c.job == ""
        if "open" in table.c:
            condition &= table.c.open == 0
        unneeded: set[str] = set()
        while (removed := await self._remove(table, condition, ordered=True)) is not None:
            unneeded |= removed
        if kind == "event" and before is not None:
            unneeded |= await self._remove_lone_attachments(microseconds(before))
        await self._database.shrink()
        return tuple(sorted(unneeded))

    async def close(self) -> None:
        """Let the database go, when what is being written is written; idempotent."""
        if self._writing:
            await asyncio.wait(self._writing)
        await self._database.close()

    async def _changed(self, work: Callable[[], Awaitable[T]]) -> T:
        """Write something: to its end, also where nobody waits for it any more.

        A transaction that is cut off in the middle holds its locks until the engine notices.
        """
        task = asyncio.ensure_future(self._through(work))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)
        return await asyncio.shield(task)

    async def _through(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something; where the file is damaged, put it right and do it again."""
        try:
            return await work()
        except Damaged as damage:
            await self._database.mend(damage)
        try:
            return await work()
        except Damaged as damage:
            raise ResultsUnavailable(f"the database of results is damaged: {damage}") from damage

    async def _rows(self, statement: Any) -> Sequence[Any]:
        async def rows() -> Sequence[Any]:
            async with self._database.reading() as connection:
                return (await connection.execute(statement)).all()

        return await self._through(rows)

    async def _page(self, kind: str, of: type[L], query: Query, limit: int, cursor: str | None) -> Page[L]:
        table = tables.BY_KIND[kind]
        size = page_size(limit)
        after = place_of(kind, cursor)
        types = await self._types(table, query.type) if query.type else None
        statement = page_statement(table, query, types, size=size, after=after)
        rows = [] if statement is None else await self._rows(statement)
        last = rows[size - 1] if len(rows) > size else None
        return Page(
            items=tuple(readable(of, rows[:size])),
            cursor=None if last is None else cursor_of(kind, Place(last.at_us, last.n)),
        )

    async def _types(self, table: Table, patterns: Sequence[str]) -> tuple[str, ...]:
        found = dict.fromkeys(pattern for pattern in possible(patterns) if not pattern.endswith("*"))
        for pattern in possible(patterns):
            if pattern.endswith("*") and "type" in table.c:
                rows = await self._rows(types_statement(table, pattern[:-1]))
                found |= dict.fromkeys(row.type for row in rows)
        return tuple(found)

    async def _one(self, kind: str, of: type[L], id_: str) -> L:
        table = tables.BY_KIND[kind]
        rows = await self._rows(select(table.c.seq, table.c.body).where(table.c.id.in_(possible((id_,)))))
        one = next(readable(of, rows), None)
        if one is None:
            raise ResultNotFound(f"there is no {kind} {id_[:80]!r}")
        return one

    async def _keep(self, connection: AsyncConnection, folding: Folding, seq: int) -> tuple[Changed, ...]:
        changed = folding.changes(seq)
        for kind, of in (
            (tables.events, EventRecord),
            (tables.alerts, AlertRecord),
            (tables.tracks, TrackRecord),
        ):
            rows = [changed_row(record) | {"n": record.seq} for record in changed if isinstance(record, of)]
            await self._upsert(connection, kind, rows)
        now = microseconds(datetime.now().astimezone())
        attached = [
            {"event": one.event, "snapshot": one.snapshot, "clip": one.clip, "at_us": now}
            for one in folding.attachments.values()
        ]
        await self._upsert(connection, tables.attachments, attached)
        if changed:
            await connection.execute(update(tables.state).where(SEQ).values(value=changed[-1].seq))
        return changed

    async def _upsert(self, connection: AsyncConnection, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            await connection.execute(self._upserts[table.name], rows)

    async def _remove(self, table: Table, condition: Any, *, ordered: bool) -> set[str] | None:
        """Remove a portion; return blobs' keys that nobody needs now, or None where nothing was left."""

        async def remove() -> set[str] | None:
            async with self._database.writing() as connection:
                return await remove_portion(connection, table, condition, ordered=ordered)

        removed = await self._changed(remove)
        await asyncio.sleep(_PAUSE_S)
        return removed

    async def _remove_lone_attachments(self, before_us: int) -> set[str]:
        """Remove attachments of events that never came, or have gone."""

        async def remove() -> set[str]:
            async with self._database.writing() as connection:
                return await remove_lone_attachments(connection, before_us)

        return await self._changed(remove)
