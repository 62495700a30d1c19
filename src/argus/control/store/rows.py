"""Resources as rows: what is read and written inside one transaction, on a connection that waits.

Every function is given a connection in a transaction that somebody else ends. The rules are those of
`argus.control.store.transitions`; nothing here decides.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import msgspec
from sqlalchemy import (
    ColumnElement,
    Connection,
    and_,
    bindparam,
    delete,
    insert,
    select,
    tuple_,
    update,
)

from argus.control.store.protocol import Change, ChangeType, Page
from argus.control.store.tables import CHANGES, LABELS, RESOURCES, STORE
from argus.core.resources.resource import Resource
from argus.core.resources.selectors import Requirement, Selector

Key = tuple[str, str]
_SLICE = 400
"""Keys in one statement: databases have a limit of parameters."""
_decoder = msgspec.json.Decoder(Resource)
_encoder = msgspec.json.Encoder()


def encoded(resource: Resource) -> str:
    """Return a resource as it is kept."""
    return _encoder.encode(resource).decode()


def versions(connection: Connection, *, lock: bool = False) -> tuple[int, int]:
    """Return the version of the store, and the one up to which changes are forgotten.

    Args:
        connection: In a transaction.
        lock: Let no other writer in until the transaction ends. Whoever writes must, so that versions become
            visible in their order.
    """
    query = select(STORE.c.version, STORE.c.forgotten)
    row = connection.execute(query.with_for_update() if lock else query).one()
    return int(row.version), int(row.forgotten)


def read(connection: Connection, keys: Iterable[Key]) -> dict[Key, Resource]:
    """Return those of some resources that are there."""
    found: dict[Key, Resource] = {}
    wanted = list(dict.fromkeys(keys))
    for begin in range(0, len(wanted), _SLICE):
        fits = tuple_(RESOURCES.c.kind, RESOURCES.c.name).in_(wanted[begin : begin + _SLICE])
        for (body,) in connection.execute(select(RESOURCES.c.body).where(fits)):
            resource = _decoder.decode(body)
            found[resource.key] = resource
    return found


def names_like(connection: Connection, kind: str, name: str) -> list[str]:
    """Return some names that begin as this one, for a message."""
    query = select(RESOURCES.c.name).where(
        RESOURCES.c.kind == kind, RESOURCES.c.name.startswith(name[:1], autoescape=True)
    )
    return list(connection.execute(query.limit(200)).scalars())


def page(
    connection: Connection, kind: str | None, selector: Selector | None, limit: int | None, after: Key | None
) -> Page:
    """Return a part of the list by kind and name."""
    query = select(RESOURCES.c.kind, RESOURCES.c.name, RESOURCES.c.body)
    if kind is not None:
        query = query.where(RESOURCES.c.kind == kind)
    if after is not None:
        query = query.where(tuple_(RESOURCES.c.kind, RESOURCES.c.name) > tuple_(*after))
    for requirement in () if selector is None else selector.requirements:
        query = query.where(_holds(requirement))
    query = query.order_by(RESOURCES.c.kind, RESOURCES.c.name)
    if limit is not None:
        query = query.limit(limit + 1)
    version, _ = versions(connection)
    rows = connection.execute(query).all()
    shown = rows if limit is None else rows[:limit]
    last = shown[-1] if shown and len(shown) < len(rows) else None
    return Page(
        items=tuple(_decoder.decode(row.body) for row in shown),
        after=None if last is None else f"{last.kind}/{last.name}",
        resource_version=str(version),
    )


def write(connection: Connection, changes: Sequence[Change], *, keep: int) -> None:
    """Carry out changes, remember them, and let the store have the version of the last.

    Args:
        connection: In a transaction that holds `versions(lock=True)`.
        changes: In the order of their versions, all newer than the store.
        keep: How many changes are remembered, about.
    """
    if not changes:
        return
    # The last word on each key counts; what was between is only told to those who watch.
    last = {change.resource.key: change for change in changes}
    _remove(connection, list(last))
    kept = [change.resource for change in last.values() if change.type != "DELETED"]
    if kept:
        connection.execute(
            insert(RESOURCES), [{"kind": r.kind, "name": r.name, "body": encoded(r)} for r in kept]
        )
    labels = [
        {"kind": r.kind, "name": r.name, "key": key, "value": value}
        for r in kept
        for key, value in r.metadata.labels.items()
    ]
    if labels:
        connection.execute(insert(LABELS), labels)
    connection.execute(
        insert(CHANGES),
        [{"version": int(c.resource_version), "type": c.type, "body": encoded(c.resource)} for c in changes],
    )
    version = int(changes[-1].resource_version)
    connection.execute(update(STORE).values(version=version))
    _, forgotten = versions(connection)
    if version - forgotten > keep + max(keep // 5, 1):
        forget(connection, version - keep)


def forget(connection: Connection, version: int) -> None:
    """Forget the changes up to a version."""
    connection.execute(delete(CHANGES).where(CHANGES.c.version <= version))
    connection.execute(update(STORE).values(forgotten=version))


def leap(connection: Connection, version: int) -> None:
    """Let the store be at a much later version, from which on alone changes are remembered."""
    connection.execute(delete(CHANGES))
    connection.execute(update(STORE).values(version=version, forgotten=version))


def changes_after(connection: Connection, version: int, limit: int) -> list[Change]:
    """Return changes after a version, oldest first."""
    query = select(CHANGES).where(CHANGES.c.version > version).order_by(CHANGES.c.version).limit(limit)
    return [
        Change(
            type=change_type(row.type),
            resource=_decoder.decode(row.body),
            resource_version=str(row.version),
        )
        for row in connection.execute(query)
    ]


def change_type(text: str) -> ChangeType:
    """Return a type of change that was kept as a text."""
    known: dict[str, ChangeType] = {"ADDED": "ADDED", "MODIFIED": "MODIFIED", "DELETED": "DELETED"}
    return known[text]


def _remove(connection: Connection, keys: Sequence[Key]) -> None:
    rows = [{"of_kind": kind, "of_name": name} for kind, name in keys]
    for table in (LABELS, RESOURCES):
        fits: list[ColumnElement[bool]] = [
            table.c.kind == bindparam("of_kind"),
            table.c.name == bindparam("of_name"),
        ]
        connection.execute(delete(table).where(*fits), rows)


def _holds(requirement: Requirement) -> ColumnElement[bool]:
    """Return a term of a selector as a condition on the table of resources."""
    term = LABELS.c.key == requirement.key
    if requirement.values:
        term = and_(term, LABELS.c.value.in_(requirement.values))
    if requirement.operator in {"in", "exists"}:
        here: Any = tuple_(RESOURCES.c.kind, RESOURCES.c.name)
        found: ColumnElement[bool] = here.in_(select(LABELS.c.kind, LABELS.c.name).where(term))
        return found
    # A value rather than NOT EXISTS, which PostgreSQL makes a join of every row with every other one as long
    # as it knows nothing of a new table. This is one look at the primary key for each row.
    same = and_(LABELS.c.kind == RESOURCES.c.kind, LABELS.c.name == RESOURCES.c.name)
    value = select(LABELS.c.value).where(same, term).correlate(RESOURCES).scalar_subquery()
    return value.is_(None)
