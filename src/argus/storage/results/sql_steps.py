"""What the SQL store does within one transaction: locking the counter, loading, writing, letting go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from sqlalchemy import Table, delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from argus.storage.records import AlertRecord, Attachment, EventRecord, TrackRecord
from argus.storage.results import tables
from argus.storage.results.database import Transaction
from argus.storage.results.folding import Known, Needs
from argus.storage.results.rows import readable

PORTION: Final = 500
"""Rows that are removed in one transaction, and ids that are asked for in one statement."""
SEQ: Final = tables.state.c.name == "seq"
"""The row of the counter."""
_KINDS: Final = {table.name: kind for kind, table in tables.BY_KIND.items()}


def upsert(insert: Any, table: Table, key: Sequence[str], *, where: Any = None) -> Any:
    """Return the statement that inserts rows, or replaces what has their key; a number once given stays.

    Args:
        insert: Of the engine.
        table: Where.
        key: Columns that tell rows apart.
        where: What must hold for a row to be replaced; None: it always is.
    """
    replaced = {
        column.name: insert.excluded[column.name] for column in table.c if column.name not in {*key, "n"}
    }
    return insert.on_conflict_do_update(index_elements=list(key), set_=replaced, where=where)


async def lock(connection: AsyncConnection) -> int:
    """Keep other writers of changes out until the transaction ends; return the last number given."""
    statement = select(tables.state.c.value).where(SEQ).with_for_update()
    return int((await connection.execute(statement)).scalar_one())


async def known_of(connection: AsyncConnection, needs: Needs) -> Known:
    """Return what is kept of all that is needed."""
    known = Known()
    tracks = needs.tracks
    for portion in portions(needs.groups):
        events = readable(EventRecord, await _where(connection, tables.events, "id", portion))
        known.events |= {event.id: event for event in events}
        alerts = readable(AlertRecord, await _where(connection, tables.alerts, "event", portion))
        known.alerts |= {alert.id: alert for alert in alerts}
    for portion in portions(needs.alerts - known.alerts.keys()):
        alerts = readable(AlertRecord, await _where(connection, tables.alerts, "id", portion))
        known.alerts |= {alert.id: alert for alert in alerts}
    for portion in portions(tracks):
        found = readable(TrackRecord, await _where(connection, tables.tracks, "id", portion))
        known.tracks |= {track.id: track for track in found}
    for portion in portions(needs.groups | tracks):
        table = tables.attachments
        for row in await connection.execute(select(table).where(table.c.event.in_(portion))):
            known.attachments[row.event] = Attachment(
                event=row.event, snapshot=row.snapshot, clip=row.clip, clip_note=row.clip_note
            )
    return known


async def _where(
    connection: AsyncConnection, table: Table, name: str, values: Sequence[str]
) -> Iterable[Any]:
    statement = select(table.c.seq, table.c.body).where(table.c[name].in_(values))
    return await connection.execute(statement)


async def remove_portion(
    transaction: Transaction, table: Table, condition: Any, *, ordered: bool
) -> set[str] | None:
    """Remove some rows; return blobs' keys that nobody needs now, or None where nothing was left."""
    connection = transaction.connection
    names = [name for name in ("n", "id", "snapshot", "clip") if name in table.c]
    statement = select(*(table.c[name] for name in names)).where(condition).limit(PORTION)
    if ordered:
        statement = statement.order_by(table.c.at_us, table.c.n)
    rows = (await connection.execute(statement)).all()
    if not rows:
        return None
    await connection.execute(delete(table).where(table.c.n.in_([row.n for row in rows])))
    found = (getattr(row, name, None) for row in rows for name in ("snapshot", "clip"))
    keys = {key for key in found if key}
    if "id" in table.c:
        transaction.entry.removed[_KINDS[table.name]] = [row.id for row in rows]
    if table is tables.events:
        keys |= await _detach(transaction, [row.id for row in rows])
    return await _unneeded(connection, keys)


async def remove_lone_attachments(transaction: Transaction, before_us: int) -> set[str]:
    """Remove attachments of events that never came, or have gone; return keys likewise."""
    connection = transaction.connection
    table = tables.attachments
    there = select(tables.events.c.n).where(tables.events.c.id == table.c.event).exists()
    lone = select(table.c.event).where(table.c.at_us < before_us, ~there).limit(10 * PORTION)
    found = (await connection.execute(lone)).scalars().all()
    return await _unneeded(connection, await _detach(transaction, found))


async def _detach(transaction: Transaction, events: Sequence[str]) -> set[str]:
    """Remove the attachments of events; return their keys."""
    connection = transaction.connection
    transaction.entry.detached += events
    keys: set[str] = set()
    table = tables.attachments
    for portion in portions(events):
        for row in await connection.execute(select(table).where(table.c.event.in_(portion))):
            keys |= {key for key in (row.snapshot, row.clip) if key}
        await connection.execute(delete(table).where(table.c.event.in_(portion)))
    return keys


async def _unneeded(connection: AsyncConnection, keys: set[str]) -> set[str]:
    """Return those keys that no event, alert or track names any more."""
    needed: set[str] = set()
    for table in (tables.events, tables.alerts, tables.tracks):
        for name in ("snapshot", "clip"):
            if name not in table.c:
                continue
            for portion in portions(keys):
                found = await connection.execute(select(table.c[name]).where(table.c[name].in_(portion)))
                needed |= set(found.scalars())
    return keys - needed


def portions(values: Iterable[str]) -> Iterable[list[str]]:
    """Yield values in lists of a portion each, in order: two writers then never wait for each other."""
    ordered = sorted(values)
    return (ordered[first : first + PORTION] for first in range(0, len(ordered), PORTION))
