"""The tables that resources are kept in. What they look like is changed by `migrations` alone.

A resource is one JSON text; beside it stands only what is searched for. Names are compared byte by byte
(`COLLATE "C"`), so that every database has the order of Python.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, Table, Text

HEAD: Final = "0001"
"""The newest migration, which these tables are the result of."""

METADATA: Final = MetaData()
_NAME: Final = Text().with_variant(Text(collation="C"), "postgresql")

RESOURCES: Final = Table(
    "resources",
    METADATA,
    Column("kind", _NAME, primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("body", Text, nullable=False),
)
"""Every resource as JSON."""

LABELS: Final = Table(
    "resource_labels",
    METADATA,
    Column("kind", _NAME, primary_key=True),
    Column("name", _NAME, primary_key=True),
    Column("key", _NAME, primary_key=True),
    Column("value", _NAME, nullable=False),
    Index("resource_labels_by_value", "key", "value", "kind", "name"),
)
"""Their labels once more, for selectors."""

CHANGES: Final = Table(
    "resource_changes",
    METADATA,
    Column("version", BigInteger, primary_key=True, autoincrement=False),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
)
"""The latest changes, for whoever watches: the resource as it was after each, or at its end."""

STORE: Final = Table(
    "resource_store",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("version", BigInteger, nullable=False),
    Column("forgotten", BigInteger, nullable=False),
)
"""One row: the version of the store, and the version up to which changes are forgotten."""

MIGRATIONS: Final = "resource_migrations"
"""The table in which alembic keeps where the others stand; results have one of their own."""
