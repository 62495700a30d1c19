"""What is asked for, as SQL: one statement per page, which begins where an index begins.

A filter with several values becomes one short list per value, merged: each is read from an index in the
order of time, and none is read further than a page.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sqlalchemy import (
    ColumnElement,
    Select,
    Table,
    and_,
    bindparam,
    func,
    literal_column,
    null,
    or_,
    select,
    union_all,
)

from argus.storage.protocol import Query
from argus.storage.results.cursors import Place
from argus.storage.results.rows import held, microseconds, possible

LEADING: Final = ("object_id", "region", "camera", "pipeline", "class_name", "type", "severity")
"""Filters by how few records they usually leave; the first that is asked for leads."""
_MOST_LISTS: Final = 24


def page_statement(
    table: Table, query: Query, types: Sequence[str] | None, *, size: int, after: Place | None
) -> Select[Any] | None:
    """Return the statement of a page: columns `n`, `seq` (where there is one), `at_us` and `body`.

    Args:
        table: Where.
        query: Which.
        types: Those that `query.type` stands for; None: any.
        size: So many, and one more that says whether there is another page.
        after: Behind which place.

    Returns:
        None: nothing can fit.
    """
    wanted = _wanted(query, types)
    if any(
        name not in table.c and not (name in _OF_OBJECTS and _OF_OBJECTS[name] in table.c) for name in wanted
    ):
        return None
    if any(not values for values in wanted.values()):
        return None
    conditions = _conditions(table, query, after)
    if conditions is None:
        return None
    leading = next((name for name in LEADING if name in wanted and name in table.c), None)
    for name, values in wanted.items():
        if name != leading:
            conditions.append(_one_of(table, name, values))
    if leading is None:
        return _list(table, conditions, size)
    values = wanted[leading]
    column = table.c[leading]
    if len(values) == 1:
        return _list(table, [*conditions, column == values[0]], size)
    if len(values) > _MOST_LISTS:
        return _list(table, [*conditions, column.in_(values)], size)
    lists = [select(_list(table, [*conditions, column == value], size).subquery()) for value in values]
    merged = union_all(*lists).subquery()
    return select(merged).order_by(merged.c.at_us.desc(), merged.c.n.desc()).limit(size + 1)


def types_statement(table: Table, prefix: str) -> Select[Any]:
    """Return the statement of all types with a prefix: one step of the index per type, not per record."""
    column = table.c.type
    in_range: list[ColumnElement[bool]] = [column >= prefix] if prefix else []
    if prefix:
        in_range.append(column < prefix[:-1] + chr(ord(prefix[-1]) + 1))
    found = select(func.min(column).label("type")).where(*in_range).cte("types", recursive=True)
    following = select(func.min(column)).where(column > found.c.type, *in_range).scalar_subquery()
    found = found.union_all(select(following).where(found.c.type.is_not(None)))
    return select(found.c.type).where(found.c.type.is_not(None))


def changes_statement(tables: Mapping[str, Table], after: int, limit: int) -> Select[Any]:
    """Return the statement of changes after a number: columns `kind`, `seq` and `body`, in one snapshot."""
    lists = [
        select(
            select(bindparam(f"kind_{kind}", kind).label("kind"), table.c.seq, table.c.body)
            .where(table.c.seq > after)
            .order_by(table.c.seq)
            .limit(limit)
            .subquery()
        )
        for kind, table in tables.items()
    ]
    merged = union_all(*lists).subquery()
    return select(merged).order_by(merged.c.seq).limit(limit)


_OF_OBJECTS: Final = {"class_name": "classes", "object_id": "objects"}
"""Filters of single objects, and the column of a frame that lists those of all its objects."""


def _wanted(query: Query, types: Sequence[str] | None) -> dict[str, Sequence[Any]]:
    wanted: dict[str, Sequence[Any]] = {
        name: possible(getattr(query, name))
        for name in ("camera", "pipeline", "region", "class_name", "severity")
        if getattr(query, name)
    }
    if query.object_id is not None:
        wanted["object_id"] = possible((query.object_id,))
    if types is not None:
        wanted["type"] = types
    return wanted


def _has(table: Table, name: str) -> bool:
    return name in table.c or _OF_OBJECTS.get(name, name) in table.c


def _one_of(table: Table, name: str, values: Sequence[Any]) -> ColumnElement[bool]:
    if name not in table.c:
        column = table.c[_OF_OBJECTS[name]]
        return or_(*(column.contains(held(value), autoescape=True) for value in values))
    return table.c[name] == values[0] if len(values) == 1 else table.c[name].in_(values)


def _conditions(table: Table, query: Query, after: Place | None) -> list[ColumnElement[bool]] | None:
    conditions: list[ColumnElement[bool]] = []
    if query.since is not None:
        conditions.append(table.c.at_us >= microseconds(query.since))
    if query.until is not None:
        conditions.append(table.c.at_us < microseconds(query.until))
    if after is not None:
        conditions.append(table.c.at_us <= after.at_us)
        conditions.append(or_(table.c.at_us < after.at_us, table.c.n < after.tie))
    # Written out, not bound: an index with a condition is used only where the statement says the same.
    if query.job is not None:
        live = table.c.job == literal_column("''")
        conditions.append(
            and_(table.c.job != literal_column("''"), table.c.job.in_(query.job)) if query.job else live
        )
    if query.open is not None:
        if "open" not in table.c:
            return None
        conditions.append(table.c.open == literal_column("1" if query.open else "0"))
    if query.acknowledged is not None:
        if "acknowledged" not in table.c:
            return None
        conditions.append(table.c.acknowledged == literal_column("1" if query.acknowledged else "0"))
    return conditions


def _list(table: Table, conditions: Sequence[ColumnElement[bool]], size: int) -> Select[Any]:
    seq = table.c.seq if "seq" in table.c else null().label("seq")
    return (
        select(table.c.n, seq, table.c.at_us, table.c.body)
        .where(*conditions)
        .order_by(table.c.at_us.desc(), table.c.n.desc())
        .limit(size + 1)
    )
