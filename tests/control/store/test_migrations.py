"""The tables of resources come to be what the code expects, and a newer Argus's are left alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy.ext.asyncio import create_async_engine

import argus.control.store.migrating as migrating_module
from argus.control.store.migrating import StoreTooNew
from argus.control.store.opening import open_store
from argus.control.store.tables import HEAD, METADATA, MIGRATIONS
from tests.control.store.contract import run

T = TypeVar("T")


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'resources.db'}"
    return str(request.getfixturevalue("postgres_url"))


async def open_and_close(url: str) -> None:
    await (await open_store(url)).close()


async def on(url: str, work: Callable[[sa.Connection], T]) -> T:
    """Do something on a database behind the store's back."""
    address = sa.make_url(url)
    driver = "sqlite+aiosqlite" if address.get_backend_name() == "sqlite" else "postgresql+asyncpg"
    engine = create_async_engine(address.set(drivername=driver))
    try:
        async with engine.begin() as connection:
            return await connection.run_sync(work)
    finally:
        await engine.dispose()


def test_the_steps_lead_to_the_tables_that_the_code_knows(url: str) -> None:
    def differences(connection: sa.Connection) -> Any:
        options = {"version_table": MIGRATIONS, "compare_server_default": True}
        return compare_metadata(MigrationContext.configure(connection, opts=options), METADATA)

    run(open_and_close(url))
    assert run(on(url, differences)) == []


def test_the_newest_step_is_the_one_that_is_expected() -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrating_module.__file__).parent / "migrations"))
    assert ScriptDirectory.from_config(config).get_current_head() == HEAD


def test_a_database_of_a_newer_argus_is_left_alone(url: str) -> None:
    run(open_and_close(url))
    run(on(url, lambda c: c.execute(sa.text(f"UPDATE {MIGRATIONS} SET version_num = '9999'"))))
    with pytest.raises(StoreTooNew, match=r"step 9999, this one knows 0001\): update Argus"):
        run(open_and_close(url))
    kept = run(on(url, lambda c: c.execute(sa.text(f"SELECT version_num FROM {MIGRATIONS}")).scalar()))
    assert kept == "9999"


def test_opening_it_again_changes_nothing(url: str) -> None:
    def tables(connection: sa.Connection) -> dict[str, list[str]]:
        found = sa.inspect(connection)
        return {
            name: [c["name"] for c in found.get_columns(name)] for name in sorted(found.get_table_names())
        }

    run(open_and_close(url))
    before = run(on(url, tables))
    run(open_and_close(url))
    assert run(on(url, tables)) == before
    assert list(before) == sorted([*METADATA.tables, MIGRATIONS])
