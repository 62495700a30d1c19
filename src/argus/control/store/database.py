"""What a store of resources needs of a database: transactions that read, and transactions that write."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from sqlalchemy import Connection

from argus.control.store.protocol import Change

R = TypeVar("R")
Reading = Callable[[Connection], R]
"""Work in a transaction that sees one moment."""
Writing = Callable[[Connection], tuple[R, Sequence[Change]]]
"""Work in a transaction in which nobody else writes; returns what is asked for, and what it has changed."""


class Database(Protocol):
    """One database. Its methods raise `StoreUnavailable` where it does not answer.

    A call that is cancelled has happened or has not; it is never half of it.
    """

    where: str
    """As people may see it: no password."""
    restored: str | None
    """What was restored and why, in a sentence; None: nothing had to be."""

    async def read(self, work: Reading[R]) -> R:
        """Return what `work` does."""
        ...

    async def write(self, work: Writing[R], *, weighty: bool = True) -> R:
        """Return what `work` does, when it is on the disk.

        Args:
            work: May be done twice, when the database had to be restored meanwhile.
            weighty: False for what Argus finds out again by itself: statuses.
        """
        ...

    async def close(self) -> None:
        """Let it go; idempotent."""
        ...
