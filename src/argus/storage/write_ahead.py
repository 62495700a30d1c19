"""SQLite's write-ahead log, switched on also where several open a file at the same time."""

from __future__ import annotations

import sqlite3
import time
from typing import Final

_PAUSE_S: Final = 0.005


def write_ahead(connection: sqlite3.Connection, patience_s: float) -> str:
    """Switch a file's write-ahead log on, which is done once in its life; free where it is on.

    SQLite does not wait for others here, whatever its timeout: of two who both read the file's first page and
    both want to write it, one is refused at once. So it is asked again.

    Args:
        connection: A connection in no transaction.
        patience_s: How long somebody else may be at it.

    Returns:
        How changes are kept from now on: `wal`, or where the file's place knows no such log, another.

    Raises:
        sqlite3.OperationalError: somebody else holds the file for longer than that; or it cannot be written.
        sqlite3.DatabaseError: it is damaged.
    """
    deadline = time.monotonic() + patience_s
    while True:
        try:
            return str(connection.execute("PRAGMA journal_mode=WAL").fetchone()[0])
        except sqlite3.OperationalError as error:
            if not error.sqlite_errorname.startswith("SQLITE_BUSY") or time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE_S)
