"""Alembic's way in: it runs the versions on the connection that was handed over."""

from __future__ import annotations

from alembic import context

from argus.storage.results.migrating import VERSION_TABLE

context.configure(connection=context.config.attributes["connection"], version_table=VERSION_TABLE)
with context.begin_transaction():
    context.run_migrations()
