"""A journal's entries done once more, to a file of results that has not seen them.

Doing one twice changes nothing, and no entry undoes what is newer than itself: a row is replaced only by one
with the same or a higher `seq`, and removed only below the `seq` of its removal. Nothing here is async.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import structlog
from sqlalchemy import (
    URL,
    Column,
    ColumnElement,
    Connection,
    Table,
    create_engine,
    delete,
    select,
    true,
    update,
)
from sqlalchemy.dialects.sqlite import insert
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.pool import NullPool

from argus.storage.records import AlertRecord, EventRecord, Run, TrackRecord
from argus.storage.results import journal, tables
from argus.storage.results.entries import Entry
from argus.storage.results.rows import changed_row, record_of, run_row
from argus.storage.results.sql_steps import portions, upsert

ENTRY: Final = "entry"
"""Name of the state that counts transactions."""
LINEAGE: Final = "lineage"
"""Name of the state that tells databases apart."""
_RECORDS: Final[Mapping[str, type[EventRecord | AlertRecord | TrackRecord]]] = {
    "event": EventRecord,
    "alert": AlertRecord,
    "track": TrackRecord,
}
_OF_JOBS: Final = (tables.events, tables.alerts, tables.tracks, tables.detections)


@dataclass(frozen=True, slots=True)
class Reach:
    """How far a database goes."""

    lineage: int
    number: int
    """Of its last transaction."""
    seq: int
    """Of its last change."""


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a journal's entries."""

    done: int
    missing: int
    """Transactions that the journal should have, and has not."""
    reach: Reach
    """How far the database goes now."""


def reach_of(connection: Connection) -> Reach | None:
    """Return how far a database goes; None: its tables are of before there were journals."""
    found = {row.name: row.value for row in connection.execute(select(tables.state))}
    if ENTRY not in found or LINEAGE not in found:
        return None
    return Reach(found[LINEAGE], found[ENTRY], found["seq"])


def reach_in(path: Path) -> Reach | None:
    """Return how far a file goes; None: likewise, or it cannot be read."""
    try:
        with closing(sqlite3.connect(path, timeout=30.0)) as connection:
            found = dict(connection.execute("SELECT name, value FROM argus_results_state").fetchall())
    except sqlite3.DatabaseError:
        return None
    if not all(isinstance(found.get(name), int) for name in (LINEAGE, ENTRY, "seq")):
        return None
    return Reach(found[LINEAGE], found[ENTRY], found["seq"])


def set_lineage(connection: Connection, lineage: int) -> None:
    """Let an empty database be the one that a journal is of."""
    connection.execute(update(tables.state).where(tables.state.c.name == LINEAGE).values(value=lineage))


def replay(connection: Connection, path: Path) -> Replayed | None:
    """Do what a database has not seen of a journal, within the transaction at hand.

    Args:
        connection: To the database.
        path: Of the database whose journal it is, which may be another file.

    Returns:
        None: its tables are of before there were journals.
    """
    reach = reach_of(connection)
    if reach is None:
        return None
    number, seq, done, missing = reach.number, reach.seq, 0, 0
    for entry in journal.entries_of(path, reach.lineage):
        if entry.number <= number:
            continue
        missing += entry.number - number - 1
        if _do(connection, entry):
            done += 1
        else:
            missing += 1
        number, seq = entry.number, max(seq, entry.seq)
    for name, value in ((ENTRY, number), ("seq", seq)):
        state = tables.state.c
        connection.execute(
            update(tables.state).where(state.name == name, state.value < value).values(value=value)
        )
    return Replayed(done, missing, Reach(reach.lineage, number, seq))


def again(connection: Connection, path: Path, lineage: int, after: int) -> None:
    """Do all entries behind a number once more, where rows of elsewhere have come to be among theirs."""
    for entry in journal.entries_of(path, lineage):
        if entry.number > after:
            _do(connection, entry)


@contextmanager
def changing(path: Path, patience_s: float = 30.0) -> Iterator[Connection]:
    """Hold a transaction that writes to a file, which others may have open."""
    engine = create_engine(
        URL.create("sqlite", database=str(path)),
        isolation_level="AUTOCOMMIT",  # it begins and ends here
        poolclass=NullPool,
        connect_args={"timeout": patience_s},
    )
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.exec_driver_sql("PRAGMA cache_size=-131072")  # indexes are written all over the file
            connection.exec_driver_sql("PRAGMA auto_vacuum=INCREMENTAL")  # counts where there is nothing yet
            connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            connection.exec_driver_sql("COMMIT")
    finally:
        engine.dispose()


def _do(connection: Connection, entry: Entry) -> bool:
    """Do one entry, or nothing of it; return whether it could be done.

    Raises:
        OperationalError: nothing can be done in this database now.
    """
    connection.exec_driver_sql("SAVEPOINT entry")
    done = True
    try:
        _apply(connection, entry)
    except (DBAPIError, msgspec.MsgspecError, ValueError, LookupError) as error:
        if isinstance(error, OperationalError):  # a disk that is full, say: no fault of the entry
            raise
        done = False
        connection.exec_driver_sql("ROLLBACK TO entry")
        structlog.get_logger().error("results.entry_unusable", number=entry.number, error=str(error))
    connection.exec_driver_sql("RELEASE entry")
    return done


def _apply(connection: Connection, entry: Entry) -> None:
    for kind, found in entry.kept.items():
        record = _RECORDS[kind]
        rows = [changed_row(record_of(record, body, seq)) | {"n": seq} for seq, body in found]
        connection.execute(_KEEPING[kind], rows)
    if entry.attached:
        connection.execute(_ATTACHING, entry.attachments)
    if entry.runs:
        connection.execute(_RUNNING, [run_row(record_of(Run, body)) for body in entry.runs])
    for kind, ids in entry.removed.items():
        table = tables.BY_KIND[kind]
        _remove(connection, table, table.c.id, ids, table.c.seq <= entry.seq)
    _remove(connection, tables.attachments, tables.attachments.c.event, entry.detached, true())
    if entry.forgotten is not None:
        _forget(connection, *entry.forgotten, entry.seq)


def _remove(
    connection: Connection,
    table: Table,
    key: Column[Any],
    keys: Sequence[str],
    condition: ColumnElement[bool],
) -> None:
    for portion in portions(keys):
        connection.execute(delete(table).where(key.in_(portion), condition))


def _forget(connection: Connection, job: str, run: str | None, seq: int) -> None:
    for table in _OF_JOBS:
        condition = table.c.job == job
        if run is not None:
            condition &= table.c.run == run
        if "seq" in table.c:
            condition &= table.c.seq <= seq
        connection.execute(delete(table).where(condition))
    runs = tables.runs
    connection.execute(delete(runs).where(runs.c.job == job if run is None else runs.c.id == run))


def _keeping(table: Table, key: str, *, newest: bool = False) -> Any:
    statement = insert(table)
    condition = statement.excluded.seq >= table.c.seq if newest else None
    return upsert(statement, table, (key,), where=condition)


_KEEPING: Final = {kind: _keeping(tables.BY_KIND[kind], "id", newest=True) for kind in _RECORDS}
_ATTACHING: Final = _keeping(tables.attachments, "event")
_RUNNING: Final = _keeping(tables.runs, "id")
