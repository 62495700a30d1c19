"""What can still be read of a damaged file of results: rows that copy and journal do not have.

Row by row, each table by itself: what cannot be read of one takes nothing else along.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Final

from argus.storage.results.room import is_full

JOURNALED: Final = {
    "argus_attachments": "rowid",
    "argus_events": "seq",
    "argus_alerts": "seq",
    "argus_tracks": "seq",
    "argus_runs": "rowid",
}
"""Tables of which a journal has every row, and the column by which rows are newer than others."""
COUNTED: Final = {"argus_detections": "n", "argus_traces": "n"}
"""Tables that no journal has, likewise."""
_PORTION: Final = 500


def salvage(damaged: Path, new: Path, *, newer_than: int | None) -> int:
    """Copy rows that a new file does not have; return how many.

    Args:
        damaged: From where.
        new: To where.
        newer_than: The `seq` that changes of interest are above; None: the new file has them all, and only
            what no journal has is copied.

    Raises:
        sqlite3.DatabaseError: the new file finds no room for them.
    """
    saved = 0
    with closing(_connect(new)) as connection:
        connection.execute("PRAGMA synchronous=OFF")  # synced as a whole in the end
        try:
            connection.execute("ATTACH DATABASE ? AS damaged", (str(damaged),))
            connection.execute("SELECT count(*) FROM damaged.sqlite_schema").fetchone()
        except sqlite3.DatabaseError:
            return 0
        wanted: Mapping[str, str] = COUNTED if newer_than is None else JOURNALED | COUNTED
        for table, column in wanted.items():
            try:
                connection.execute("BEGIN")
                newest = newer_than if column == "seq" else -1 if column == "rowid" else None
                if newest is None:
                    newest = _largest(connection, f"main.{table}", column)
                found = _save_table(connection, table, column, newest)
                connection.execute("COMMIT")
                saved += found
            except sqlite3.DatabaseError as error:
                if is_full(error):
                    raise
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return saved


def _save_table(connection: sqlite3.Connection, table: str, column: str, newest: int) -> int:
    last = _largest(connection, f"damaged.{table}", "rowid")
    # By name: a file of an older Argus may lack the newest columns.
    found = connection.execute("SELECT name FROM pragma_table_info(?, 'damaged')", (table,)).fetchall()
    columns = ", ".join(name for (name,) in found)
    statement = (
        f"INSERT OR REPLACE INTO main.{table} ({columns}) "  # noqa: S608 - names of ours
        f"SELECT {columns} FROM damaged.{table} AS old NOT INDEXED "
        f"WHERE old.rowid BETWEEN ? AND ? AND old.{column} > ?"
    )
    if column == "seq":
        statement += (
            f" AND NOT EXISTS (SELECT 1 FROM main.{table} AS kept "  # noqa: S608
            "WHERE kept.id = old.id AND kept.seq >= old.seq)"
        )
    return sum(
        _save_rows(connection, statement, newest, first, min(first + _PORTION - 1, last))
        for first in range(1, last + 1, _PORTION)
    )


def _save_rows(connection: sqlite3.Connection, statement: str, newest: int, first: int, last: int) -> int:
    """Copy rows by number; where some cannot be read, the halves by themselves."""
    try:
        return connection.execute(statement, (first, last, newest)).rowcount
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise
        if first == last:
            return 0
    middle = (first + last) // 2
    return _save_rows(connection, statement, newest, first, middle) + _save_rows(
        connection, statement, newest, middle + 1, last
    )


def _largest(connection: sqlite3.Connection, table: str, column: str) -> int:
    statement = f"SELECT max({column}) FROM {table}"  # noqa: S608 - names of ours
    return int(connection.execute(statement).fetchone()[0] or 0)


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30.0, isolation_level=None)
