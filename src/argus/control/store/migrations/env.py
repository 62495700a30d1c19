"""Runs the steps inside the transaction of whoever asks. Loaded by alembic alone."""

from __future__ import annotations

from alembic import context

from argus.control.store.tables import METADATA, MIGRATIONS

context.configure(
    connection=context.config.attributes["connection"], target_metadata=METADATA, version_table=MIGRATIONS
)
context.run_migrations()
