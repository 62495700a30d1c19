"""What the SQL store asks of an engine: connections to read and to write with, and their faults in our words.

`sqlite` and `postgres` are the engines; `sql` says what is read and written.
"""

from __future__ import annotations

from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from typing import Protocol

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection

from argus.storage.protocol import ResultRefused, ResultsUnavailable
from argus.storage.results.entries import Entry


class Damaged(Exception):
    """The database's file is not what it was; `Database.mend` may put it right."""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that writes, and what it has done so far."""

    connection: AsyncConnection
    entry: Entry = field(default_factory=Entry)
    """Filled by whoever writes, for engines that keep a journal; each row that `Entry` speaks of."""


class Database(Protocol):
    """One database. Blocks raise `ResultsUnavailable`, `ResultRefused` and `Damaged` alone."""

    @property
    def dialect(self) -> str:
        """Return `sqlite` or `postgresql`."""
        ...

    @property
    def restored(self) -> str:
        """Return what was put right since it was opened, for people; empty: nothing."""
        ...

    def reading(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """Return a connection to read with, each statement in a snapshot of its own."""
        ...

    def writing(self) -> AbstractAsyncContextManager[Transaction]:
        """Return a transaction, which is on the disk when the block has ended."""
        ...

    async def mend(self, damage: Damaged) -> None:
        """Put the database right.

        Raises:
            ResultsUnavailable: it cannot be.
        """
        ...

    async def shrink(self) -> None:
        """Give back room that much removing has left, where the engine does not do so itself."""
        ...

    async def close(self) -> None:
        """Let it go; idempotent."""
        ...


def in_our_words(error: Exception, where: str) -> Exception:
    """Return what an engine's error means; `where` is what to call the database, without a password."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    fact = _one_line(cause)
    if (state := _sqlstate(cause)) is not None:
        # 22: data, 23: constraints, 54: beyond limits such as the length of an index's row.
        if state[:2] in {"22", "23", "54"}:
            return ResultRefused(f"{where} cannot keep this: {fact}")
        return ResultsUnavailable(f"{where} does not do what it should: {fact}")
    code = getattr(cause, "sqlite_errorname", "")
    if code.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")):
        return Damaged(fact)
    if code.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ResultsUnavailable(f"{where} is locked by another program: it is tried again")
    if code.startswith("SQLITE_FULL"):
        return ResultsUnavailable(f"{where} cannot grow: the disk is full; free some room")
    if code.startswith(("SQLITE_CONSTRAINT", "SQLITE_TOOBIG", "SQLITE_MISMATCH")):
        return ResultRefused(f"{where} cannot keep this: {fact}")
    if isinstance(error, (OSError, TimeoutError)) and not isinstance(error, SQLAlchemyError):
        return ResultsUnavailable(f"{where} does not answer: {fact or type(error).__name__}")
    if isinstance(error, DBAPIError) and isinstance(error.__cause__, OverflowError):
        return ResultRefused(f"{where} cannot keep this: {fact}")
    return ResultsUnavailable(f"{where} cannot be used: {fact or type(error).__name__}")


def _sqlstate(cause: BaseException | None) -> str | None:
    """Return PostgreSQL's code of an error, which may be its cause's."""
    while cause is not None:
        state = getattr(cause, "sqlstate", None)
        if isinstance(state, str) and len(state) == 5:
            return state
        cause = cause.__cause__
    return None


def _one_line(error: BaseException) -> str:
    text = str(error)
    # asyncpg's errors come through the driver with their class in front.
    if text.startswith("<class '"):
        text = text.partition("'>: ")[2]
    return " ".join(text.split())[:300]
