"""The last good copy of a SQLite database of resources: made beside it, never of one that is damaged.

What was changed since the copy stands in the journal, which is shortened when the copy is there. How the two
become a database again is `argus.control.store.recovery`.
"""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from argus.control.store import journal
from argus.control.store.failures import StoreDamaged, in_our_words


def make_copy(path: Path) -> int:
    """Make a good copy of a database that may be in use; return the version that it shows.

    It is on the disk then, and the journal has forgotten what stands in it.

    Raises:
        StoreDamaged: the database does not pass its check; the copy before stays.
        StoreUnavailable: it cannot be read, or the disk is full; likewise.
    """
    good = journal.beside(path, "good")
    new = good.with_name(f"{good.name}.new")
    with in_our_words(str(path)), journal.locked(path):
        new.unlink(missing_ok=True)
        try:
            with closing(connect(path)) as connection:
                reason = problem(connection)
                if reason is not None:
                    raise StoreDamaged(f"the database of resources {path} is damaged ({reason})")
                connection.execute("VACUUM INTO ?", (str(new),))
            version = _sealed(new)
            new.replace(good)
        finally:
            new.unlink(missing_ok=True)
        journal.sync_folder(path.parent)
        journal.shorten(path, version)
    return version


def connect(path: Path, *, patience_s: float = 5.0) -> sqlite3.Connection:
    """Open a database that exists, without SQLAlchemy."""
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=rw", uri=True, timeout=patience_s)
    connection.isolation_level = None
    return connection


def problem(connection: sqlite3.Connection) -> str | None:
    """Return why a database is not sound; None: it is.

    Raises:
        sqlite3.OperationalError: it is locked, or cannot be read.
    """
    try:
        found = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
        if found != "ok":
            return str(found).replace("\n", " ")[:200]
        connection.execute("SELECT version FROM resource_store WHERE id = 1").fetchone()[0]
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            return "it is empty"
        raise
    except TypeError:
        return "it is empty"
    except sqlite3.DatabaseError as error:
        return str(error)
    return None


def version_in(connection: sqlite3.Connection) -> int:
    """Return the version of the store that a sound database has."""
    return int(connection.execute("SELECT version FROM resource_store WHERE id = 1").fetchone()[0])


def _sealed(copy: Path) -> int:
    """Wait until a copy is on the disk; return its version."""
    copy.chmod(0o600)
    with closing(connect(copy)) as connection:
        version = version_in(connection)
    handle = os.open(copy, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
    return version
