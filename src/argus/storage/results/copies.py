"""Good copies of a file of SQLite, made in portions while it is in use, by one process at a time.

A copy is read in one snapshot, so writers go on; it is checked before it takes the place of the one before.
The longer it takes, the rarer it is made: about a sixtieth of the time is spent on it.
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

from argus.storage.results.mending import copy_of, is_good

LOOK_S: Final = 60.0
"""How often it is looked whether a copy is due."""
_LEAST_S: Final = 600.0
_MOST_S: Final = 6 * 3600.0
_SHARE: Final = 60
_PAGES: Final = 1024
_PAUSE_S: Final = 0.02
_ROOM: Final = 1.2


class SourceDamaged(OSError):
    """What was copied is no sound database."""


class Copier:
    """A thread that makes copies when they are due, until `over`."""

    def __init__(self, path: Path, over: threading.Event, damaged: Callable[[str], None]) -> None:
        """Belong to a database; `start` begins. `damaged` hears what is wrong with it."""
        self._damaged = damaged
        self._path = path
        self._over = over
        self._thread = threading.Thread(target=self._run, name="argus-results-copy", daemon=True)
        self._last_s = 0.0

    def start(self) -> None:
        """Begin to look."""
        self._thread.start()

    def join(self) -> None:
        """Wait for the end, after `over` was set."""
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        said = ""
        while not self._over.wait(LOOK_S):
            try:
                if is_due(self._path, time.time(), self._last_s):
                    began = time.monotonic()
                    make_copy(self._path, self._over)
                    self._last_s = time.monotonic() - began
                    said = ""
            except SourceDamaged as error:
                self._damaged(str(error))
            except OSError as error:
                if str(error) != said:  # once, not every minute
                    said = str(error)
                    structlog.get_logger().warning("results.not_copied", path=str(self._path), error=said)


def is_due(path: Path, now_s: float, last_s: float) -> bool:
    """Return whether a copy should be made.

    Args:
        path: The database.
        now_s: Seconds since 1970.
        last_s: How long the last copy took.
    """
    try:
        changed = max(found.stat().st_mtime for found in (path, _log_of(path)) if found.exists())
        copied = copy_of(path).stat().st_mtime
    except FileNotFoundError:
        return True
    except ValueError:  # there is no database
        return False
    wait_s = min(_MOST_S, max(_LEAST_S, last_s * _SHARE))
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
        new.replace(copy_of(path))
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
