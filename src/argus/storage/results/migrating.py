"""Tables made and brought up to date when a database is opened, by Alembic.

Alembic is loaded only where something is to be done: most openings read one row.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from sqlalchemy import Connection, inspect, text
from sqlalchemy.ext.asyncio import AsyncConnection

from argus.storage.protocol import ResultsTooNew

VERSIONS: Final = ("0001", "0002", "0003")
"""All that this Argus knows, the newest last."""
VERSION_TABLE: Final = "argus_results_version"
_FOLDER: Final = Path(__file__).parent / "migrations"


async def is_current(connection: AsyncConnection, where: str) -> bool:
    """Return whether nothing has to be done.

    Raises:
        ResultsTooNew: the tables are of a later version.
    """
    return await connection.run_sync(_is_current, where)


async def migrate(connection: AsyncConnection, where: str) -> None:
    """Make the tables as they should be, within the transaction at hand, which keeps others out.

    Raises:
        ResultsTooNew: likewise.
    """
    await connection.run_sync(upgrade, where)


def upgrade(connection: Connection, where: str) -> None:
    """Do so where the caller waits; raises likewise."""
    if _is_current(connection, where):
        return
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def _is_current(connection: Connection, where: str) -> bool:
    version = _version(connection)
    if version is not None and version not in VERSIONS:
        raise ResultsTooNew(
            f"{where} was written by a newer Argus (its tables have version {version}, the newest known is "
            f"{VERSIONS[-1]}): upgrade this one with `argus upgrade`, or name another database"
        )
    return version == VERSIONS[-1]


def _version(connection: Connection) -> str | None:
    if not inspect(connection).has_table(VERSION_TABLE):
        return None
    found = connection.execute(text(f"SELECT version_num FROM {VERSION_TABLE}")).scalar()  # noqa: S608
    return None if found is None else str(found)
