"""What is done about a SQLite database of resources that is damaged, cut off or gone: all of it comes back.

It is put aside, never thrown away; the last good copy and the journal become the database again. Where there
is neither, nothing is made up: an empty database would tell every worker to stop.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import structlog
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from argus.control.store import journal, rows
from argus.control.store.backup import connect, problem, version_in
from argus.control.store.failures import StoreDamaged, in_our_words
from argus.control.store.migrating import migrate
from argus.control.store.protocol import Change

log = structlog.get_logger()

LEAP: Final = 1_000_000
"""How far the version leaps when a database was restored, so that nobody who knows a version of before takes
one of after for it."""
_PARTS: Final = ("", "-wal", "-shm")
_KEPT_ASIDE: Final = 3


def make_sound(path: Path, *, must_exist: bool = False) -> str | None:
    """Let there be a sound database, or none where there never was one.

    Args:
        path: Where it is.
        must_exist: It was there a moment ago, so that nothing at all is no beginning but a loss.

    Returns:
        What was restored and why, in a sentence for people; None: all was well.

    Raises:
        StoreDamaged: it cannot be restored; says what to do.
        StoreUnavailable: it is locked, or its folder cannot be written.
    """
    where = str(path)
    with in_our_words(where):
        path.parent.mkdir(parents=True, exist_ok=True)
        with journal.locked(path):
            entries = journal.read(path)
            good = _sound_copy(path)
            if entries.damaged:
                log.error("store.journal_damaged", path=where, lines=entries.damaged)
            reason = _problem(path)
            if reason is None:
                return _caught_up(path, entries)
            has_copies = good is not None or entries.base is not None
            if reason == _ABSENT and not has_copies and not must_exist:
                return None
            if reason == _EMPTY and not has_copies:
                return None  # made by a first opening that was killed
            return _restored(path, reason, good, entries)


_ABSENT: Final = "it is gone"
_EMPTY: Final = "it is empty"


def _problem(path: Path) -> str | None:
    if not path.exists():
        return _ABSENT
    try:
        with closing(connect(path)) as connection:
            return problem(connection)
    except sqlite3.OperationalError:
        raise
    except sqlite3.DatabaseError as error:
        return str(error)


def _sound_copy(path: Path) -> Path | None:
    good = journal.beside(path, "good")
    if not good.exists():
        return None
    reason = _problem(good)
    if reason is not None:
        log.error("store.copy_damaged", path=str(good), reason=reason)
        return None
    return good


def _caught_up(path: Path, entries: journal.Entries) -> str | None:
    """Write what the journal has and the database has not: its last pages were lost, all else is sound."""
    with closing(connect(path)) as connection:
        version = version_in(connection)
    newer = _after(entries, version)
    if not newer:
        return None
    _replay(path, newer)
    log.error("store.restored", path=str(path), reason="its last changes were lost", changes=len(newer))
    return (
        f"the database of resources {path} had lost its last {len(newer)} changes: "
        "they were taken from its journal"
    )


def _restored(path: Path, reason: str, good: Path | None, entries: journal.Entries) -> str:
    if good is None and entries.base != 0:
        remedy = f"put a copy of yours there, or move {path.name}* out of {path.parent} to begin with nothing"
        raise StoreDamaged(
            f"the database of resources {path} cannot be restored: {reason}, and there is no good copy "
            f"beside it; {remedy}"
        )
    new = journal.beside(path, "restoring")
    _remove(new)
    if good is not None:
        shutil.copyfile(good, new)
        new.chmod(0o600)
    lost = _replay(new, entries.changes, base=entries.base)
    handle = os.open(new, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    aside = _put_aside(path)
    new.replace(path)
    journal.sync_folder(path.parent)
    source = "its last good copy and its journal" if good is not None else "its journal"
    said = f"the database of resources {path} was damaged ({reason}) and is restored from {source}"
    if aside is not None:
        said += f"; the damaged one is {aside.name}"
    if lost or entries.damaged:
        said += "; changes between the two may be missing: apply your files again"
    log.error(
        "store.restored",
        path=str(path),
        reason=reason,
        aside=None if aside is None else aside.name,
        changes=len(entries.changes),
        complete=not (lost or entries.damaged),
    )
    return said


def _replay(path: Path, changes: list[Change], *, base: int | None = None) -> bool:
    """Write changes into a database, made if it is not there, and let its version leap.

    Returns:
        Whether changes are missing between what it had and the first of these.
    """
    engine = create_engine(f"sqlite:///{path}", poolclass=NullPool)
    try:
        with engine.connect() as connection:
            # A journal beside it would be left behind when it takes its place.
            connection.exec_driver_sql("PRAGMA synchronous=FULL")
            connection.commit()
            migrate(connection)
            version, _ = rows.versions(connection)
            newer = [change for change in changes if int(change.resource_version) > version]
            rows.write(connection, newer, keep=len(newer) + LEAP)
            after, _ = rows.versions(connection)
            rows.leap(connection, after + LEAP)
            connection.commit()
    finally:
        engine.dispose()
    return base is not None and base > version


def _after(entries: journal.Entries, version: int) -> list[Change]:
    return [change for change in entries.changes if int(change.resource_version) > version]


def _put_aside(path: Path) -> Path | None:
    """Move a damaged database and its parts out of the way; return where to, None where there was none."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%fZ")
    aside = journal.beside(path, f"corrupt-{stamp}")
    for part in _PARTS:
        found = path.with_name(path.name + part)
        if found.exists():
            found.replace(aside.with_name(aside.name + part))
    kept = sorted(
        one for one in path.parent.glob(f"{path.name}.corrupt-*") if not one.name.endswith(_PARTS[1:])
    )
    for old in kept[:-_KEPT_ASIDE]:
        _remove(old)
    return aside if aside.exists() else None


def _remove(path: Path) -> None:
    for part in _PARTS:
        path.with_name(path.name + part).unlink(missing_ok=True)
