"""Every store of resources keeps the contract: in memory, in SQLite, in a real PostgreSQL."""

from __future__ import annotations

from pathlib import Path

import pytest

from argus.control.store.opening import open_store
from argus.control.store.postgres import open_postgres
from argus.control.store.protocol import ResourceStore
from argus.control.store.sql import SqlResourceStore
from argus.control.store.sqlite import open_sqlite
from argus.testing.resource_store import InMemoryResourceStore
from tests.control.store.contract import KeepingStoreContract, Opening, StoreContract, opened


class TestInMemory(StoreContract):
    @pytest.fixture
    def opening(self) -> Opening:
        async def open_() -> ResourceStore:
            return InMemoryResourceStore()

        return opened(open_)

    @pytest.fixture
    def opening_forgetful(self) -> Opening:
        async def open_() -> ResourceStore:
            return InMemoryResourceStore(keep_changes=10)

        return opened(open_)


class TestSqlite(KeepingStoreContract):
    @pytest.fixture
    def opening(self, tmp_path: Path) -> Opening:
        async def open_() -> ResourceStore:
            return await open_store(f"sqlite:///{tmp_path / 'resources.db'}")

        return opened(open_)

    @pytest.fixture
    def opening_forgetful(self, tmp_path: Path) -> Opening:
        async def open_() -> ResourceStore:
            return SqlResourceStore(await open_sqlite(tmp_path / "resources.db"), keep_changes=10)

        return opened(open_)


class TestPostgres(KeepingStoreContract):
    @pytest.fixture
    def opening(self, postgres_url: str) -> Opening:
        async def open_() -> ResourceStore:
            return await open_store(postgres_url)

        return opened(open_)

    @pytest.fixture
    def opening_forgetful(self, postgres_url: str) -> Opening:
        async def open_() -> ResourceStore:
            return SqlResourceStore(await open_postgres(postgres_url), keep_changes=10)

        return opened(open_)
