"""Resources, their labels, the latest changes, and the version of it all."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Make the tables."""
    name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
    op.create_table(
        "resources",
        sa.Column("kind", name, primary_key=True),
        sa.Column("name", name, primary_key=True),
        sa.Column("body", sa.Text, nullable=False),
    )
    op.create_table(
        "resource_labels",
        sa.Column("kind", name, primary_key=True),
        sa.Column("name", name, primary_key=True),
        sa.Column("key", name, primary_key=True),
        sa.Column("value", name, nullable=False),
    )
    op.create_index("resource_labels_by_value", "resource_labels", ["key", "value", "kind", "name"])
    op.create_table(
        "resource_changes",
        sa.Column("version", sa.BigInteger, primary_key=True, autoincrement=False),
        sa.Column("type", sa.Text, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
    )
    store = op.create_table(
        "resource_store",
        sa.Column("id", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("version", sa.BigInteger, nullable=False),
        sa.Column("forgotten", sa.BigInteger, nullable=False),
    )
    op.bulk_insert(store, [{"id": 1, "version": 0, "forgotten": 0}])
