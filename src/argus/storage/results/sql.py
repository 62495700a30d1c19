"""The store of results on SQLite and PostgreSQL: what is read and written, through SQLAlchemy.

Whoever changes events, alerts or tracks holds the row of the counter until the transaction ends. So numbers
become visible in their order: who has read a number finds everything below it.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final, Literal

from sqlalchemy import Table, func, select, update
from sqlalchemy.dialects import postgresql, sqlite

from argus.storage.protocol import Page, Query
from argus.storage.records import AlertRecord, EventRecord, Record, Run, TraceRecord
from argus.storage.results import sql_removing, tables
from argus.storage.results.cursors import Place, cursor_of, page_size, place_of
from argus.storage.results.database import Database, Transaction
from argus.storage.results.folding import Changed, Folding, Needs, Prepared
from argus.storage.results.listing import L, Listing, not_found
from argus.storage.results.queries import changes_statement, page_statement, types_statement
from argus.storage.results.rows import (
    DETECTIONS_KEY,
    KINDS,
    TRACE_KEY,
    Row,
    changed_row,
    microseconds,
    possible,
    readable,
    run_row,
)
from argus.storage.results.sql_steps import SEQ, known_of, lock, upsert
from argus.storage.results.sql_work import Work

_MOST_TRACES: Final = 3600
_EXACT: Final = 2_000_000


class SqlResults(Listing):
    """See `argus.storage.protocol.ResultStore`."""

    def __init__(self, database: Database) -> None:
        """Keep results in an open database."""
        self._work = Work(database)
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
        return self._work.database

    @property
    def restored(self) -> str:
        """Return what was put right since it was opened; empty: nothing."""
        return self._work.database.restored

    async def write(self, records: Sequence[Record]) -> None:
        """Keep records; see the protocol."""
        if not records:
            return
        prepared = Prepared.of(records)

        async def write(transaction: Transaction) -> None:
            if prepared.folded:
                seq = await lock(transaction.connection)
                folding = Folding(await known_of(transaction.connection, prepared.needs))
                folding.take(prepared.folded)
                await self._keep(transaction, folding, seq)
            await self._upsert(transaction, tables.detections, prepared.detections)
            await self._upsert(transaction, tables.traces, prepared.traces)

        await self._work.write(write)

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
        return tuple(readable(TraceRecord, await self._work.rows(statement)))

    async def acknowledge(
        self, kind: Literal["event", "alert"], id_: str, *, by: str, at: datetime
    ) -> EventRecord | AlertRecord:
        """Note that somebody has seen to it; the first one stays."""

        async def acknowledge(transaction: Transaction) -> EventRecord | AlertRecord | None:
            connection = transaction.connection
            seq = await lock(connection)
            group = id_
            if kind == "alert":
                of_alert = select(tables.alerts.c.event).where(tables.alerts.c.id == id_)
                group = (await connection.execute(of_alert)).scalar() or ""
            needs = Needs(frozenset({group}), frozenset({id_}), frozenset())
            folding = Folding(await known_of(connection, needs))
            one = folding.acknowledge(kind, id_, by, at)
            if one is None:
                return None
            changed = await self._keep(transaction, folding, seq)
            return next((new for new in changed if type(new) is type(one) and new.id == id_), one)

        one = await self._work.write(acknowledge) if possible((id_,)) else None
        if one is None:
            raise not_found(kind, id_)
        return one

    async def changes(
        self, after: int, *, limit: int = 500, kinds: Sequence[Literal["event", "alert"]] = ("event", "alert")
    ) -> tuple[EventRecord | AlertRecord, ...]:
        """Return events and alerts that have changed since a `seq`, in its order, as they are now."""
        asked: dict[str, Table] = {kind: tables.BY_KIND[kind] for kind in kinds}
        if not asked or not possible((after,)):
            return ()
        rows = await self._work.rows(changes_statement(asked, after, page_size(limit)))
        found: list[EventRecord | AlertRecord] = []
        for row in rows:
            found += readable(EventRecord, [row]) if row.kind == "event" else readable(AlertRecord, [row])
        return tuple(found)

    async def last_seq(self) -> int:
        """Return the highest `seq`; 0 where nothing was ever written."""
        [row] = await self._work.rows(select(tables.state.c.value).where(SEQ))
        return int(row.value)

    async def counts(self) -> dict[str, int]:
        """Return how many records of each kind there are; of millions, about how many."""
        counts: dict[str, int] = {}
        for kind, table in tables.BY_KIND.items():
            [row] = await self._work.rows(
                select(func.min(table.c.n).label("first"), func.max(table.c.n).label("last"))
            )
            spread = 0 if row.last is None else row.last - row.first + 1
            if spread > _EXACT and "seq" not in table.c:
                counts[kind] = int(spread)
            elif spread:
                [row] = await self._work.rows(select(func.count().label("number")).select_from(table))
                counts[kind] = int(row.number)
            else:
                counts[kind] = 0
        [row] = await self._work.rows(select(func.count().label("number")).select_from(tables.runs))
        return counts | {"run": int(row.number)}

    async def put_run(self, run: Run) -> None:
        """Keep how far a run has come."""
        row = run_row(run)

        async def put(transaction: Transaction) -> None:
            await self._upsert(transaction, tables.runs, [row])
            transaction.entry.runs.append(row["body"])

        await self._work.write(put)

    async def run(self, id_: str) -> Run | None:
        """Return a run; None where it has not said anything."""
        rows = await self._work.rows(select(tables.runs.c.body).where(tables.runs.c.id.in_(possible((id_,)))))
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
        return tuple(readable(Run, await self._work.rows(statement)))

    async def forget_job(self, job: str, *, run: str | None = None) -> tuple[str, ...]:
        """Remove all that a job found, or one run of it, and its runs."""
        return await sql_removing.forget_job(self._work, job, run)

    async def expire(self, kind: str, *, before: datetime | None, keep: int | None) -> tuple[str, ...]:
        """Remove records of a kind that are older than a moment, or beyond the newest so many."""
        return await sql_removing.expire(self._work, kind, before, keep)

    async def close(self) -> None:
        """Let the database go, when what is being written is written; idempotent."""
        await self._work.close()

    async def _page(self, kind: str, of: type[L], query: Query, limit: int, cursor: str | None) -> Page[L]:
        table = tables.BY_KIND[kind]
        size = page_size(limit)
        after = place_of(kind, cursor)
        types = await self._types(table, query.type) if query.type else None
        statement = page_statement(table, query, types, size=size, after=after)
        rows = [] if statement is None else await self._work.rows(statement)
        last = rows[size - 1] if len(rows) > size else None
        return Page(
            items=tuple(readable(of, rows[:size])),
            cursor=None if last is None else cursor_of(kind, Place(last.at_us, last.n)),
        )

    async def _types(self, table: Table, patterns: Sequence[str]) -> tuple[str, ...]:
        found = dict.fromkeys(pattern for pattern in possible(patterns) if not pattern.endswith("*"))
        for pattern in possible(patterns):
            if pattern.endswith("*") and "type" in table.c:
                rows = await self._work.rows(types_statement(table, pattern[:-1]))
                found |= dict.fromkeys(row.type for row in rows)
        return tuple(found)

    async def _one(self, kind: str, of: type[L], id_: str) -> L | None:
        table = tables.BY_KIND[kind]
        statement = select(table.c.seq, table.c.body).where(table.c.id.in_(possible((id_,))))
        return next(readable(of, await self._work.rows(statement)), None)

    async def _keep(self, transaction: Transaction, folding: Folding, seq: int) -> tuple[Changed, ...]:
        changed = folding.changes(seq)
        rows: dict[str, list[Row]] = {}
        for record in changed:
            rows.setdefault(KINDS[type(record)], []).append(changed_row(record) | {"n": record.seq})
        for kind, found in rows.items():
            await self._upsert(transaction, tables.BY_KIND[kind], found)
            transaction.entry.kept[kind] = [(row["seq"], row["body"]) for row in found]
        now = microseconds(datetime.now().astimezone())
        for one in folding.attachments.values():
            transaction.entry.attach(one, now)
        await self._upsert(transaction, tables.attachments, transaction.entry.attachments)
        if changed:
            state = update(tables.state).where(SEQ).values(value=changed[-1].seq)
            await transaction.connection.execute(state)
        return changed

    async def _upsert(self, transaction: Transaction, table: Table, rows: Sequence[Row]) -> None:
        if rows:
            await transaction.connection.execute(self._upserts[table.name], rows)
