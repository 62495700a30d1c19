"""Results in PostgreSQL, through asyncpg.

The server keeps its files whole, and makes copies as its administrator says; here is only how to reach it.
"""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from sqlalchemy import URL, make_url, text
from sqlalchemy.exc import ArgumentError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from argus.core.errors import MissingExtra, SpecError
from argus.storage.protocol import ResultsUnavailable
from argus.storage.results.database import Damaged, Transaction, in_our_words
from argus.storage.results.migrating import is_current, migrate

_ANSWER_S: Final = 30.0
_CONNECT_S: Final = 5.0
_CONNECTIONS: Final = 5
_MIGRATION_LOCK: Final = 0x4152_4755_5352_4553


class PostgresDatabase:
    """See `argus.storage.results.database.Database`."""

    def __init__(self, engine: AsyncEngine, where: str) -> None:
        """Stand on an engine; `opened` makes one."""
        self._engine = engine
        self._where = where

    @classmethod
    async def opened(cls, url: str) -> PostgresDatabase:
        """Open a database, making its tables where they are missing.

        Raises:
            SpecError: this is no address of one.
            MissingExtra: `postgres` is not installed.
            ResultsUnavailable: it does not answer.
            ResultsTooNew: a newer Argus has written it.
        """
        address = address_of(url)
        where = address.render_as_string(hide_password=True).replace("+asyncpg", "")
        engine = create_async_engine(
            address,
            pool_size=_CONNECTIONS,
            max_overflow=_CONNECTIONS,
            pool_timeout=_ANSWER_S,
            pool_pre_ping=True,  # a server that was started again has forgotten its connections
            connect_args={"timeout": _CONNECT_S, "command_timeout": _ANSWER_S},
        )
        database = cls(engine, where)
        try:
            async with database.reading() as connection:
                current = await is_current(connection, where)
            if not current:
                async with database.writing() as transaction:
                    lock = text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
                    await transaction.connection.execute(lock)
                    await migrate(transaction.connection, where)
        except BaseException:
            await database.close()
            raise
        return database

    @property
    def dialect(self) -> str:
        """Return the name of its language."""
        return "postgresql"

    @property
    def restored(self) -> str:
        """Nothing is put right from here."""
        return ""

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[AsyncConnection]:
        """Return a connection to read with."""
        try:
            async with self._engine.connect() as connection:
                await connection.execution_options(isolation_level="AUTOCOMMIT")
                yield connection
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise in_our_words(error, self._where) from error

    @asynccontextmanager
    async def writing(self) -> AsyncIterator[Transaction]:
        """Return a transaction; the server keeps a journal of its own."""
        try:
            async with self._engine.begin() as connection:
                yield Transaction(connection)
        except (SQLAlchemyError, OSError, TimeoutError) as error:
            raise in_our_words(error, self._where) from error

    async def mend(self, damage: Damaged) -> None:
        """Never asked for."""
        raise ResultsUnavailable(f"{self._where} is damaged: {damage}")

    async def shrink(self) -> None:
        """Do nothing: the server's autovacuum does."""

    async def close(self) -> None:
        """Let connections go."""
        await self._engine.dispose()


def address_of(url: str) -> URL:
    """Return what SQLAlchemy and asyncpg need to know of an address.

    Raises:
        SpecError: this is no address of a PostgreSQL.
        MissingExtra: `postgres` is not installed.
    """
    try:
        address = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise SpecError(
            "the URL of the results cannot be read: write postgresql://USER:PASSWORD@HOST:PORT/DATABASE"
        ) from error
    if importlib.util.find_spec("asyncpg") is None:
        raise MissingExtra("results in PostgreSQL", "postgres")
    query = dict(address.query)
    if "sslmode" in query:  # libpq's word; asyncpg's takes the same values
        query["ssl"] = query.pop("sslmode")
    return address.set(drivername="postgresql+asyncpg", query=query)
