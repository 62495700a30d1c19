"""A damaged file of SQLite put aside, and a good one put in its place.

Beside `results.db` lie `results.db.lock` (see `sqlite_guard`), `results.db.copy` (the last good copy, made by
`copies`), `results.db.changes` (what came after it, see `journal`) and `results.db.damaged-TIME` (what was
put aside). Copy and journal together are all that was accepted; detections and traces, which no journal has,
are saved from the damaged file as far as it can be read (`salvage`). Nothing here is async, and for all but
`catch_up` nothing is open: the caller holds the lock alone.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from argus.storage.results import journal
from argus.storage.results.migrating import upgrade
from argus.storage.results.replaying import again, changing, reach_in, reach_of, replay, set_lineage
from argus.storage.results.room import is_full, why_not
from argus.storage.results.salvage import salvage

_KEPT: Final = 3


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
    """Return whether a file is missing or empty that has been there: a copy of it is, or its journal."""
    try:
        empty = path.stat().st_size == 0
    except FileNotFoundError:
        empty = True
    return empty and (copy_of(path).exists() or journal.bytes_of(path) > 0)


def mend(path: Path, opened: tuple[int, int] | None, damage: str) -> str:
    """Put a good file in the place of a damaged one.

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
    try:
        if has_copy:
            shutil.copyfile(copy, new)
        done = _made(path, new, salvaging=there is not None)
        _number_on(new)
        _sync(new)
    except (OSError, sqlite3.Error, SQLAlchemyError) as error:
        _remove(new)  # it holds room that others may need
        raise OSError(why_not("a good file cannot be made", error, _room_for(path))) from error
    aside = _put_aside(path) if there is not None else None
    _remove_beside(new)
    new.replace(path)
    _sync(path.parent)
    what = f"{path.name} could not be read ({damage})" if there is not None else f"{path.name} was gone"
    if aside is not None:
        what += f" and was put aside as {aside.name}"
    if has_copy:
        made = datetime.fromtimestamp(copy.stat().st_mtime, UTC).isoformat(sep=" ", timespec="seconds")
        what += f"; restored from the copy of {made} and {done.entries} changes since"
    elif done.entries:
        what += f"; there was no good copy: restored from the {done.entries} changes of its journal"
    else:
        what += "; there was no good copy"
    if done.missing:
        what += f"; at least {done.missing} changes are missing"
    if there is not None:
        what += f"; {done.saved} newer rows were saved from what was damaged"
    return what


def catch_up(path: Path, patience_s: float) -> str:
    """Do what a sound database has not seen of its own journal, while others may use it.

    Returns:
        What was done, for people; empty where nothing was, and where it was one entry alone: that of a writer
        who was killed before it committed.
    """
    reach = reach_in(path)
    last = 0 if reach is None else journal.last_number(path, reach.lineage)
    reach = reach_in(path)  # once more: others may have committed meanwhile
    if reach is None or last <= reach.number:
        return ""
    with changing(path, patience_s) as connection:  # whoever was about to commit has done so now
        replayed = replay(connection, path)
    if replayed is None or replayed.done + replayed.missing < 2:
        return ""
    what = f"{path.name} had lost its last {replayed.done + replayed.missing} changes"
    return f"{what}: {replayed.done} were taken from its journal"


@dataclass(frozen=True, slots=True)
class _Made:
    """What is in a file that was made from copy, journal and damaged file."""

    entries: int
    """Of the journal."""
    missing: int
    """Transactions that it should have had, as far as can be told."""
    saved: int
    """Rows of the damaged file."""


def _made(path: Path, new: Path, *, salvaging: bool) -> _Made:
    """Bring the copy up to date, or begin without one."""
    had_copy = new.exists()
    with changing(new) as connection:
        was = reach_of(connection) if had_copy else None
        upgrade(connection, new.name)
        if was is None and (lineage := journal.lineage_of(path)) is not None:
            set_lineage(connection, lineage)
        before = reach_of(connection)
        replayed = replay(connection, path)
    assert before is not None  # it is up to date
    assert replayed is not None
    missing = replayed.missing
    if had_copy and was is None and replayed.done:
        missing += 1  # made before there were journals: nobody knows what came between the two
    if not salvaging:
        return _Made(replayed.done, missing, 0)
    last = reach_in(path)
    of_journal = last is not None and last.lineage == before.lineage
    if last is not None and of_journal:
        missing += max(0, last.number - replayed.reach.number)
    if of_journal and not missing:
        return _Made(replayed.done, 0, salvage(path, new, newer_than=None))
    saved = salvage(path, new, newer_than=before.seq if missing else replayed.reach.seq)
    with changing(new) as connection:  # what the journal has counts, whatever was read
        again(connection, path, before.lineage, before.number)
    return _Made(replayed.done, missing, saved)


def _reindexed(path: Path, damage: str) -> str:
    """Make indexes anew: where all pages are whole, it is they that do not agree with the rows."""
    try:
        with closing(_connect(path)) as connection:
            if connection.execute("PRAGMA integrity_check(1)").fetchone() == ("ok",):
                return ""
            connection.execute("REINDEX")
    except sqlite3.Error as error:
        raise OSError(why_not("its indexes cannot be made anew", error, _room_for(path))) from error
    return f"{path.name}: indexes did not agree with their rows ({damage}) and were made anew"


def is_good(path: Path) -> str:
    """Return what is wrong with a database that nobody writes to; empty: nothing.

    Raises:
        OSError: it cannot be looked at, for want of room.
    """
    try:
        with closing(_connect(path)) as connection:
            found = connection.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.DatabaseError as error:
        if is_full(error):
            raise OSError(why_not("it cannot be looked at", error, _room_for(path))) from error
        return str(error)
    return "" if found is not None and found[0] == "ok" else str(found and found[0])


def _room_for(path: Path) -> int:
    """Return how many bytes a good file takes beside a damaged one, about, while it is made."""
    there = [found.stat().st_size for found in (path, copy_of(path)) if found.exists()]
    return max(there, default=0) + 2 * journal.bytes_of(path)


def _is_sound(path: Path) -> bool:
    return is_good(path) == ""


def _connect(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, timeout=30.0, isolation_level=None)


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
