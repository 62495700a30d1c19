"""A damaged file of SQLite put aside, and a good one put in its place.

Beside `results.db` lie `results.db.lock` (see `sqlite`), `results.db.copy` (the last good copy, made by
`copies`) and `results.db.damaged-TIME` (what was put aside). Nothing here is async and nothing is open: the
caller holds the lock alone.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import URL, create_engine
from sqlalchemy.exc import SQLAlchemyError

from argus.storage.results.migrating import upgrade

SAVED: Final = {
    "argus_attachments": "rowid",
    "argus_events": "seq",
    "argus_alerts": "seq",
    "argus_tracks": "seq",
    "argus_detections": "n",
    "argus_traces": "n",
    "argus_runs": "rowid",
}
"""Tables whose rows are saved from a damaged file, and the column by which rows are newer than the copy's."""
_PORTION: Final = 500
_KEPT: Final = 3


def guard_of(path: Path) -> Path:
    """Return the lock of a database."""
    return path.with_name(path.name + ".lock")


def copy_of(path: Path) -> Path:
    """Return its last good copy."""
    return path.with_name(path.name + ".copy")


def identity(path: Path) -> tuple[int, int] | None:
    """Return what tells a file from another of the same name; None: there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def is_lost(path: Path) -> bool:
    """Return whether a file is missing or empty that has been there: a copy of it is."""
    try:
        empty = path.stat().st_size == 0
    except FileNotFoundError:
        empty = True
    return empty and copy_of(path).exists()


def mend(path: Path, opened: tuple[int, int] | None, damage: str) -> str:
    """Put a good file in the place of a damaged one.

    Rows that the copy does not have yet are saved from the damaged file, as far as it can be read.

    Args:
        path: The database.
        opened: What was open when the damage was seen; another file by now means that it is mended.
        damage: What is wrong, in SQLite's words.

    Returns:
        What was done, for people; empty where somebody else has done it.

    Raises:
        OSError: no good file could be made; the damaged one is still in its place.
    """
    there = identity(path)
    if opened is not None and there is not None and there != opened:
        return ""
    if there is not None and not is_lost(path) and _is_sound(path):
        return _reindexed(path, damage)
    copy = copy_of(path)
    new = path.with_name(path.name + ".mending")
    _remove(new)
    has_copy = copy.exists() and _is_sound(copy)
    if copy.exists() and not has_copy:
        copy.replace(copy.with_name(copy.name + ".damaged"))
    saved = 0
    try:
        if has_copy:
            shutil.copyfile(copy, new)
        else:
            _make_tables(new)
        if there is not None:
            saved = _save(path, new)
        _number_on(new)
        _sync(new)
    except (sqlite3.Error, SQLAlchemyError) as error:
        raise OSError(f"a good file cannot be made: {error}") from error
    aside = _put_aside(path) if there is not None else None
    _remove_beside(new)
    new.replace(path)
    _sync(path.parent)
    what = f"{path.name} could not be read ({damage})" if there is not None else f"{path.name} was gone"
    if aside is not None:
        what += f" and was put aside as {aside.name}"
    if has_copy:
        made = datetime.fromtimestamp(copy.stat().st_mtime, UTC).isoformat(sep=" ", timespec="seconds")
        what += f"; restored from the copy of {made}"
    else:
        what += "; there was no good copy"
    if there is not None:
        what += f", and {saved} newer rows were saved from what was damaged"
    return what


def _reindexed(path: Path, damage: str) -> str:
    """Make indexes anew: where all pages are whole, it is they that do not agree with the rows."""
    try:
        with closing(_connect(path)) as connection:
            if connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",):
                return ""
            connection.execute("REINDEX")
    except sqlite3.Error as error:
        raise OSError(f"its indexes cannot be made anew: {error}") from error
    return f"{path.name}: indexes did not agree with their rows ({damage}) and were made anew"


def is_good(path: Path) -> str:
    """Return what is wrong with a database that nobody writes to; empty: nothing."""
    try:
        with closing(_connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        return str(error)
    return "" if found is not None and found[0] == "ok" else str(found and found[0])


def _is_sound(path: Path) -> bool:
    return is_good(path) == ""


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30.0, isolation_level=None)


def _make_tables(new: Path) -> None:
    engine = create_engine(URL.create("sqlite", database=str(new)))
    try:
        with engine.connect() as connection:
            connection.exec_driver_sql("PRAGMA auto_vacuum=INCREMENTAL")
            upgrade(connection)
            connection.commit()
    finally:
        engine.dispose()


def _save(damaged: Path, new: Path) -> int:
    """Copy what is newer than what `new` has; return how many rows."""
    saved = 0
    with closing(_connect(new)) as connection:
        connection.execute("PRAGMA synchronous=OFF")  # synced as a whole in the end
        try:
            connection.execute("ATTACH DATABASE ? AS damaged", (str(damaged),))
            connection.execute("SELECT count(*) FROM damaged.sqlite_schema").fetchone()
        except sqlite3.DatabaseError:
            return 0
        for table, column in SAVED.items():
            # Each by itself: what cannot be read of one must not take the others along.
            with suppress(sqlite3.DatabaseError):
                connection.execute("BEGIN")
                saved += _save_table(connection, table, column)
                connection.execute("COMMIT")
            if connection.in_transaction:
                connection.execute("ROLLBACK")
    return saved


def _save_table(connection: sqlite3.Connection, table: str, column: str) -> int:
    def largest(database: str, of: str) -> int:
        statement = f"SELECT max({of}) FROM {database}.{table}"  # noqa: S608 - names of ours
        return int(connection.execute(statement).fetchone()[0] or 0)

    newest = -1 if column == "rowid" else largest("main", column)
    try:
        last = largest("damaged", "rowid")
    except sqlite3.DatabaseError:
        return 0
    saved = 0
    for first in range(1, last + 1, _PORTION):
        saved += _save_rows(connection, table, column, newest, first, min(first + _PORTION - 1, last))
    return saved


def _save_rows(
    connection: sqlite3.Connection, table: str, column: str, newest: int, first: int, last: int
) -> int:
    """Copy rows by number; where some cannot be read, the halves by themselves."""
    statement = (
        f"INSERT OR REPLACE INTO main.{table} SELECT * FROM damaged.{table} NOT INDEXED "  # noqa: S608
        f"WHERE rowid BETWEEN ? AND ? AND {column} > ?"
    )
    try:
        return connection.execute(statement, (first, last, newest)).rowcount
    except sqlite3.DatabaseError:
        if first == last:
            return 0
    middle = (first + last) // 2
    return _save_rows(connection, table, column, newest, first, middle) + _save_rows(
        connection, table, column, newest, middle + 1, last
    )


def _number_on(path: Path) -> None:
    """Let changes be numbered above all that anybody may have read: microseconds outrun every store."""
    with closing(_connect(path)) as connection:
        connection.execute(
            "UPDATE argus_results_state SET value = max(value + 1, ?) WHERE name = 'seq'",
            (time.time_ns() // 1000,),
        )
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")


def _put_aside(path: Path) -> Path:
    aside = path.with_name(f"{path.name}.damaged-{datetime.now(UTC):%Y%m%dT%H%M%S%f}")
    for suffix in ("-wal", "-shm", ""):  # the file last: until then it is the database
        with suppress(FileNotFoundError):
            path.with_name(path.name + suffix).replace(aside.with_name(aside.name + suffix))
    for old in sorted(_damaged(path))[:-_KEPT]:
        _remove(old)
    return aside


def _damaged(path: Path) -> Iterator[Path]:
    for found in path.parent.glob(f"{path.name}.damaged-*"):
        if not found.name.endswith(("-wal", "-shm")):
            yield found


def _remove(path: Path) -> None:
    path.unlink(missing_ok=True)
    _remove_beside(path)


def _remove_beside(path: Path) -> None:
    for suffix in ("-wal", "-shm", "-journal"):
        path.with_name(path.name + suffix).unlink(missing_ok=True)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
