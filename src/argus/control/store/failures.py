"""What databases complain of, in our words: who asks learns whether to wait, make room, or repair.

No message holds an address with its password, nor the statement that failed.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from argus.control.store.protocol import StoreUnavailable
from argus.core.urls import mask_urls


class StoreDamaged(StoreUnavailable):
    """The database is there, but not what was written: it has to be restored."""


class StoreBusy(StoreUnavailable):
    """Somebody else holds the database for longer than we wait."""


@contextmanager
def in_our_words(where: str, *drivers: type[Exception]) -> Iterator[None]:
    """Raise what a database complains of as `StoreUnavailable`, and leave all else alone.

    Args:
        where: The database as people may see it.
        drivers: Errors of a driver that SQLAlchemy does not know to be one.
    """
    known: tuple[type[Exception], ...] = (SQLAlchemyError, sqlite3.Error, OSError, EOFError, *drivers)
    try:
        yield
    except known as error:
        if isinstance(error, StoreUnavailable):
            raise
        raise _said(error, where) from error


def _said(error: BaseException, where: str) -> StoreUnavailable:
    origin = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(origin).lower()
    if "malformed" in text or "not a database" in text or "no such table" in text:
        return StoreDamaged(f"the database of resources {where} is damaged ({_first_line(origin)})")
    if "locked" in text or "busy" in text or isinstance(error, PoolTimeout):
        return StoreBusy(
            f"the database of resources {where} is locked by another process: "
            "it will go on when that one lets it go; look for a backup or an open shell on it"
        )
    if "full" in text or "no space" in text:
        return StoreUnavailable(
            f"the disk of the database of resources {where} is full: nothing of this was kept; make room"
        )
    if any(word in text for word in ("readonly", "read-only", "unable to open", "permission", "i/o error")):
        return StoreUnavailable(
            f"the database of resources {where} cannot be written ({_first_line(origin)}): "
            "check its disk, its folder and who owns it"
        )
    if "password" in text or "authentication" in text:
        return StoreUnavailable(f"the database of resources {where} refuses these credentials")
    return StoreUnavailable(f"the database of resources {where} does not answer ({_first_line(origin)})")


def _first_line(error: BaseException) -> str:
    # SQLAlchemy puts the class of the driver's error before its text.
    line = str(error).strip().partition("\n")[0].rpartition(">: ")[2]
    return mask_urls(line[:200]) or type(error).__name__
