"""Connections to a file of SQLite: how they are set, for one that writes and for those that read."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

from sqlalchemy import URL, event
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from argus.storage.results.database import in_our_words
from argus.storage.write_ahead import write_ahead

_READERS: Final = 4


def writer_of(path: Path, patience_s: float) -> AsyncEngine:
    """Return an engine with one connection, whose commits are on the disk when they return."""
    return _engine(path, patience_s, 1, _writing)


def readers_of(path: Path, patience_s: float) -> AsyncEngine:
    """Return an engine with a few connections that cannot write."""
    return _engine(path, patience_s, _READERS, _reading)


def prepare(path: Path, patience_s: float) -> str:
    """Give a file what is given once in its life, making it where it is missing; return its journal mode.

    Raises:
        sqlite3.OperationalError: it cannot be opened, or somebody else holds it for longer than that.
        sqlite3.DatabaseError: it is damaged.
    """
    with closing(sqlite3.connect(path, timeout=patience_s)) as connection:
        connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # can be said only before anything is written
        return write_ahead(connection, patience_s)


@asynccontextmanager
async def transaction(engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
    """Hold a transaction in which nobody else writes; on the disk when the block has ended."""
    async with engine.connect() as connection:
        try:
            await connection.exec_driver_sql("BEGIN IMMEDIATE")
            yield connection
            await connection.exec_driver_sql("COMMIT")
        except BaseException:
            await _whatever_happens(connection.exec_driver_sql, "ROLLBACK")
            raise


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Raise what errors of SQLite mean; `where` is what to call the database."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error) as error:
        raise in_our_words(error, where) from error


async def _whatever_happens(call: Callable[[str], Awaitable[object]], statement: str) -> None:
    """Roll back, also where the task has been cancelled and where the transaction has ended."""

    async def rolled_back() -> None:
        with suppress(SQLAlchemyError):
            await call(statement)

    await asyncio.shield(asyncio.ensure_future(rolled_back()))


def _engine(path: Path, patience_s: float, size: int, prepare: Any) -> AsyncEngine:
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(path)),
        isolation_level="AUTOCOMMIT",  # transactions begin and end where `sqlite` says
        connect_args={"timeout": patience_s},
        pool_size=size,
        max_overflow=0,
        pool_timeout=patience_s,
    )
    event.listen(engine.sync_engine, "connect", prepare)
    return engine


def _writing(connection: Any, _: object) -> None:
    _pragmas(connection, "synchronous=FULL", "cache_size=-32768", "journal_size_limit=67108864")


def _reading(connection: Any, _: object) -> None:
    _pragmas(connection, "query_only=ON", "cache_size=-16384")


def _pragmas(connection: Any, *settings: str) -> None:
    # What a disk has damaged within a text must not hide all other rows.
    connection.driver_connection.text_factory = _as_text
    cursor = connection.cursor()
    for setting in settings:
        cursor.execute(f"PRAGMA {setting}")
    cursor.close()


def _as_text(data: bytes) -> str:
    return data.decode(errors="replace")
