"""The suite over the store in memory and every engine."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from argus.storage.opening import open_results
from argus.storage.protocol import ResultStore
from argus.testing.result_store import MemoryResults
from tests.storage.results.contract import Contract


class TestInMemory(Contract):
    @pytest.fixture(autouse=True)
    def _empty(self) -> None:
        store = MemoryResults()

        async def opener() -> ResultStore:
            return store

        self.opener = opener


class TestSqlite(Contract):
    @pytest.fixture(autouse=True)
    def _empty(self, tmp_path: Path) -> None:
        self.opener = lambda: open_results(f"sqlite:///{tmp_path}/deep/results.db")


class TestPostgres(Contract):
    every_nth_pair = 40

    @pytest.fixture(autouse=True)
    def _empty(self, postgres_url: str) -> None:
        self.opener = lambda: open_results(postgres_url)


@pytest.mark.skipif(
    "ARGUS_TEST_MONGO_URL" not in os.environ, reason="set ARGUS_TEST_MONGO_URL to test MongoDB"
)
class TestMongo(Contract):
    every_nth_pair = 40

    @pytest.fixture(autouse=True)
    def _empty(self) -> Iterator[None]:
        from pymongo import MongoClient
        from pymongo.uri_parser import parse_uri

        url = os.environ["ARGUS_TEST_MONGO_URL"]
        name = parse_uri(url)["database"] or "argus_test"

        def drop() -> None:
            with MongoClient[dict[str, object]](url) as client:
                client.drop_database(name)

        drop()
        self.opener = lambda: open_results(url)
        yield
        drop()


def test_the_stores_of_this_suite_are_stores(tmp_path: Path) -> None:
    store: ResultStore = MemoryResults()
    asyncio.run(store.close())
