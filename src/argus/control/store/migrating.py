"""Brings the tables of resources to what this version of Argus knows.

Several processes may open one database at the same moment: the first one migrates, the others wait for it.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import ColumnClause, Connection, inspect, select, table, text
from sqlalchemy import column as column_

from argus.control.store.tables import HEAD, MIGRATIONS
from argus.core.errors import ArgusError

_LOCK = 0x6172_6775_73  # `argus`: PostgreSQL's advisory locks are numbers


class StoreTooNew(ArgusError):
    """A newer Argus has been here; an update is the remedy."""


def migrate(connection: Connection) -> None:
    """Bring the tables up to date, inside the transaction that has begun; on SQLite one that writes.

    Raises:
        StoreTooNew: they were made by a newer Argus.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    found = revision_of(connection)
    if found == HEAD:
        return
    # Loaded here, for it takes long and nearly every start does without.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if found is not None and found not in known:
        raise StoreTooNew(
            f"the database of resources is of a newer Argus (step {found}, this one knows {HEAD}): "
            "update Argus, or name another database with --store"
        )
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def revision_of(connection: Connection) -> str | None:
    """Return the last step that a database has taken; None: it has none of our tables."""
    if not inspect(connection).has_table(MIGRATIONS):
        return None
    number: ColumnClause[str] = column_("version_num")
    found = connection.execute(select(number).select_from(table(MIGRATIONS, number))).scalar()
    return None if found is None else str(found)
