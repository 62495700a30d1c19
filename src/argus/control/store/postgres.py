"""Resources in PostgreSQL, through asyncpg. Its server keeps what it acknowledged; nothing is beside it."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from contextlib import AbstractContextManager
from typing import Any, Final

from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from argus.control.store.database import R, Reading, Writing
from argus.control.store.failures import in_our_words
from argus.control.store.migrating import migrate
from argus.core.errors import MissingExtra, SpecError
from argus.core.urls import mask_url

CONNECT_S: Final = 5.0
"""Seconds after which a server that does not answer is told to be away."""
COMMAND_S: Final = 30.0
"""Seconds that one statement may take."""


class PostgresDatabase:
    """A database of a server. `open_postgres` opens one."""

    restored: str | None = None

    def __init__(self, engine: AsyncEngine, where: str) -> None:
        self.where = where
        self._engine = engine
        self._running: set[asyncio.Task[Any]] = set()

    async def read(self, work: Reading[R]) -> R:
        """Return what `work` does."""
        return await self._whole(self._read(work))

    async def write(self, work: Writing[R], *, weighty: bool = True) -> R:
        """Return what `work` does, when the server has it on its disk."""
        return await self._whole(self._write(work))

    async def close(self) -> None:
        """Let it go."""
        if self._running:
            await asyncio.wait(tuple(self._running))
        await self._engine.dispose()

    async def _read(self, work: Reading[R]) -> R:
        with _in_our_words(self.where):
            async with self._engine.connect() as connection:
                await connection.execution_options(
                    isolation_level="REPEATABLE READ", postgresql_readonly=True
                )
                async with connection.begin():
                    return await connection.run_sync(work)

    async def _write(self, work: Writing[R]) -> R:
        # Who writes locks the row of the version first, so that versions become visible in their order.
        with _in_our_words(self.where):
            async with self._engine.connect() as connection, connection.begin():
                done, _ = await connection.run_sync(work)
                return done

    async def _whole(self, transaction: Coroutine[Any, Any, R]) -> R:
        """Let a transaction come to its end even where nobody waits for it any more."""
        task = asyncio.ensure_future(transaction)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        return await asyncio.shield(task)


def _in_our_words(where: str) -> AbstractContextManager[None]:
    import asyncpg  # type: ignore[import-untyped]

    # What goes wrong while connecting comes as asyncpg has it.
    return in_our_words(where, asyncpg.PostgresError, asyncpg.InterfaceError)


async def open_postgres(url: str) -> PostgresDatabase:
    """Return a database, its tables brought up to date.

    Args:
        url: `postgresql://USER:PASSWORD@HOST:PORT/DATABASE`.

    Raises:
        MissingExtra: asyncpg is not installed.
        SpecError: the address cannot be read.
        StoreUnavailable: it does not answer, or refuses the credentials.
        StoreTooNew: a newer Argus has made it.
    """
    where = mask_url(url)
    try:
        address = make_url(url).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        raise SpecError(f"{where}: this is no address of a database") from None
    try:
        engine = create_async_engine(
            address,
            pool_pre_ping=True,
            pool_size=5,
            max_overflow=5,
            connect_args={"timeout": CONNECT_S, "command_timeout": COMMAND_S},
        )
    except ImportError as error:
        raise MissingExtra("PostgreSQL", "postgres") from error
    try:
        with _in_our_words(where):
            async with engine.connect() as connection, connection.begin():
                await connection.run_sync(migrate)
    except BaseException:
        await engine.dispose()
        raise
    return PostgresDatabase(engine, where)
