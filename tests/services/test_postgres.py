"""The service for tests is what its fixtures say."""

from __future__ import annotations

import asyncio

import asyncpg  # type: ignore[import-untyped]

from tests.services.postgres import PostgresServer, postgres_server, postgres_url

__all__ = ["postgres_server", "postgres_url"]


def test_every_test_has_an_empty_database_that_answers(postgres_url: str) -> None:
    async def tables() -> int:
        connection = await asyncpg.connect(postgres_url)
        try:
            found = await connection.fetchval("SELECT count(*) FROM pg_tables WHERE schemaname = 'public'")
        finally:
            await connection.close()
        return int(found)

    assert asyncio.run(tables()) == 0


def test_two_databases_are_apart(postgres_server: PostgresServer, postgres_url: str) -> None:
    other = postgres_server.new_database()
    try:
        assert other != postgres_url
    finally:
        postgres_server.drop_database(other)
