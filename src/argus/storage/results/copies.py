"""Good copies of a file of SQLite, made in portions while it is in use, by one process at a time.

A copy is read in one snapshot, so writers go on; it is checked before it takes the place of the one before.
The longer it takes, the rarer it is made: about a sixtieth of the time is spent on it. It is made sooner
where the journal has grown long, and at once where copy and journal are not all that the database has.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Final

import structlog

from argus.storage.results import journal
from argus.storage.results.mending import copy_of, is_good
from argus.storage.results.replaying import reach_in

FIRST_LOOK_S: Final = 5.0
"""How long after the opening it is looked for the first time whether a copy is due."""
LOOK_S: Final = 15.0
"""How often after that."""
LONG_JOURNAL: Final = 64 << 20
"""Bytes of a journal after which a copy is due, if they are a quarter of the database too."""
_LEAST_S: Final = 600.0
_LEAST_AT_CLOSE_S: Final = 60.0
_QUICK_BYTES: Final = 64 << 20
"""Databases up to this size are copied when they are closed, which takes less than a second."""
_MOST_S: Final = 6 * 3600.0
_SHARE: Final = 60
_PAGES: Final = 1024
_PAUSE_S: Final = 0.02
_ROOM: Final = 1.2


class SourceDamaged(OSError):
    """What was copied is no sound database."""


class Copier:
    """A thread that makes copies when they are due, until `over`."""

    def __init__(
        self,
        path: Path,
        over: threading.Event,
        damaged: Callable[[str], None],
        *,
        first_look_s: float = FIRST_LOOK_S,
    ) -> None:
        """Belong to a database; `start` begins. `damaged` hears what is wrong with it."""
        self._first_look_s = first_look_s
        self._damaged = damaged
        self._path = path
        self._over = over
        self._thread = threading.Thread(target=self._run, name="argus-results-copy", daemon=True)
        self._last_s = 0.0
        self._in_doubt = True
        self._has_looked = False

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def doubt(self) -> None:
        """Hear that something may be in the database alone."""
        self._in_doubt = True

    def close(self) -> None:
        """End, after `over` was set; where a copy is due and quickly made, make it first."""
        if not self._thread.is_alive():
            return
        self._thread.join()
        with suppress(OSError):  # the copy before stays, and the journal goes on from it
            if (
                self._has_looked
                and self._path.stat().st_size <= _QUICK_BYTES
                and is_due(self._path, time.time(), 0.0, least_s=_LEAST_AT_CLOSE_S)
            ):
                make_copy(self._path, threading.Event())

    def _run(self) -> None:
        said = ""
        wait_s = self._first_look_s
        while not self._over.wait(wait_s):
            self._has_looked = True
            wait_s = LOOK_S
            try:
                self._look()
                said = ""
            except SourceDamaged as error:
                self._damaged(str(error))
            except OSError as error:
                if str(error) != said:  # once, not every time
                    said = str(error)
                    structlog.get_logger().warning("results.not_copied", path=str(self._path), error=said)

    def _look(self) -> None:
        doubt, self._in_doubt = self._in_doubt, False
        try:
            if is_due(self._path, time.time(), self._last_s) or (doubt and not is_whole(self._path)):
                began = time.monotonic()
                doubt = not make_copy(self._path, self._over) and doubt
                self._last_s = time.monotonic() - began
            else:
                doubt = False
        finally:
            self._in_doubt = self._in_doubt or doubt


def is_whole(path: Path) -> bool:
    """Return whether the copy and the journal have all that is in a database but detections and traces."""
    copy, there = copy_of(path), reach_in(path)
    copied = reach_in(copy) if copy.exists() else None
    if there is None or (copy.exists() and (copied is None or copied.lineage != there.lineage)):
        return False
    return journal.covers(path, there.lineage, copied.number if copied else 0, there.number)


def is_due(path: Path, now_s: float, last_s: float, *, least_s: float = _LEAST_S) -> bool:
    """Return whether a copy should be made.

    Args:
        path: The database.
        now_s: Seconds since 1970.
        last_s: How long the last copy took.
        least_s: How old the copy must be, if nothing else makes one due.
    """
    try:
        changed = max(found.stat().st_mtime for found in (path, _log_of(path)) if found.exists())
        copied = copy_of(path).stat().st_mtime
    except FileNotFoundError:
        return True
    except ValueError:  # there is no database
        return False
    if journal.bytes_of(path) > max(LONG_JOURNAL, path.stat().st_size // 4):
        return True
    wait_s = min(_MOST_S, max(least_s, last_s * _SHARE))
    return changed > copied and not 0 <= now_s - copied < wait_s


def make_copy(path: Path, over: threading.Event) -> bool:
    """Make a copy now; return whether there is a new one.

    Raises:
        OSError: there is no room, or what was copied is not good; the copy before stays.
    """
    if not path.exists():
        return False
    descriptor = os.open(path.with_name(path.name + ".copying"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return _make(path, over)
    finally:
        os.close(descriptor)


def _make(path: Path, over: threading.Event) -> bool:
    new = path.with_name(path.name + ".copy.new")
    needed = int(path.stat().st_size * _ROOM)
    if shutil.disk_usage(path.parent).free < needed:
        raise OSError(f"no room for a copy, which needs {needed >> 20} MiB")
    new.unlink(missing_ok=True)
    began = time.time()
    try:
        if not _copy(path, new, over):
            return False
        if wrong := is_good(new):
            raise SourceDamaged(f"the database is damaged: {wrong}")
        with new.open("rb") as file:
            os.fsync(file.fileno())
        os.utime(new, (began, began))  # what was written since then is newer
        reach = reach_in(new)
        new.replace(copy_of(path))
        journal.sync_folder(path.parent)
        if reach is not None:
            journal.forget(path, reach.lineage, reach.number)
    except sqlite3.Error as error:
        raise OSError(str(error)) from error
    finally:
        for left in (new, new.with_name(new.name + "-journal")):
            with suppress(OSError):
                left.unlink(missing_ok=True)
    return True


def _copy(path: Path, new: Path, over: threading.Event) -> bool:
    class Left(Exception):
        """The store is being closed."""

    def pause(*_: int) -> None:
        if over.wait(_PAUSE_S):
            raise Left

    with (
        closing(sqlite3.connect(path, timeout=5.0, isolation_level=None)) as source,
        closing(sqlite3.connect(new, isolation_level=None)) as target,
    ):
        target.execute("PRAGMA synchronous=OFF")
        # A snapshot that stays: without it, every write of somebody else would begin the copy anew.
        source.execute("BEGIN")
        source.execute("SELECT count(*) FROM sqlite_schema").fetchone()
        try:
            source.backup(target, pages=_PAGES, progress=pause, sleep=0.0)
        except Left:
            return False
        source.execute("ROLLBACK")
        # A file by itself, which needs no log beside it.
        target.execute("PRAGMA journal_mode=DELETE")
    return True


def _log_of(path: Path) -> Path:
    return path.with_name(path.name + "-wal")
