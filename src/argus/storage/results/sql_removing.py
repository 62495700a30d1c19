"""How records go from an SQL database: by age, by number, or with the job that found them.

Portion by portion, each in a transaction of its own, so that writers get their turn.
"""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, delete, or_, select

from argus.core.errors import UnknownName
from argus.storage.results import tables
from argus.storage.results.database import Transaction
from argus.storage.results.rows import microseconds, possible
from argus.storage.results.sql_steps import remove_lone_attachments, remove_portion
from argus.storage.results.sql_work import Work

_PAUSE_S: Final = 0.01
"""Rest between two portions, in which writers get their turn."""


async def forget_job(work: Work, job: str, run: str | None) -> tuple[str, ...]:
    """Remove all that a job found, or one run of it; return blobs' keys as the protocol says."""
    if not job or not possible((job,)):
        return ()
    unneeded: set[str] = set()
    for kind in ("alert", "track", "detections", "event"):
        table = tables.BY_KIND[kind]
        condition = table.c.job == job
        if run is not None:
            condition &= table.c.run == run
        unneeded |= await _remove_all(work, table, condition, ordered=False)

    async def forget(transaction: Transaction) -> None:
        these = tables.runs.c.job == job if run is None else tables.runs.c.id == run
        await transaction.connection.execute(delete(tables.runs).where(these))
        transaction.entry.forgotten = job, run

    await work.write(forget)
    await work.database.shrink()
    return tuple(sorted(unneeded))


async def expire(work: Work, kind: str, before: datetime | None, keep: int | None) -> tuple[str, ...]:
    """Remove records of a kind that are too old or too many; likewise.

    Raises:
        UnknownName: there is no such kind.
    """
    if kind not in tables.BY_KIND:
        raise UnknownName("kind of results", kind, tables.BY_KIND)
    table = tables.BY_KIND[kind]
    condition = await _late(work, table, before, keep)
    if condition is None:
        return ()
    unneeded = await _remove_all(work, table, condition, ordered=True)
    if kind == "event" and before is not None:
        before_us = microseconds(before)
        unneeded |= await work.write(lambda transaction: remove_lone_attachments(transaction, before_us))
    await work.database.shrink()
    return tuple(sorted(unneeded))


async def _late(
    work: Work, table: Table, before: datetime | None, keep: int | None
) -> ColumnElement[bool] | None:
    """Return the condition of records that have to go; None: none has to."""
    conditions: list[ColumnElement[bool]] = []
    if before is not None:
        conditions.append(table.c.at_us < microseconds(before))
    if keep is not None:
        newest = select(table.c.at_us, table.c.n).order_by(table.c.at_us.desc(), table.c.n.desc())
        if "job" in table.c:
            newest = newest.where(table.c.job == "")
        for row in await work.rows(newest.offset(max(keep, 0)).limit(1)):
            same = (table.c.at_us == row.at_us) & (table.c.n <= row.n)
            conditions.append((table.c.at_us < row.at_us) | same)
    if not conditions:
        return None
    condition = or_(*conditions)
    if "job" in table.c:
        condition &= table.c.job == ""
    if "open" in table.c:
        condition &= table.c.open == 0
    return condition


async def _remove_all(work: Work, table: Table, condition: Any, *, ordered: bool) -> set[str]:
    """Remove rows, and return blobs' keys that nobody needs now."""

    async def remove(transaction: Transaction) -> set[str] | None:
        return await remove_portion(transaction, table, condition, ordered=ordered)

    unneeded: set[str] = set()
    while (removed := await work.write(remove)) is not None:
        unneeded |= removed
        await asyncio.sleep(_PAUSE_S)
    return unneeded
