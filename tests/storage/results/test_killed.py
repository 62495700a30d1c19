"""Processes that are killed while they write: what they told of is there, and no batch by halves."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from argus.storage.opening import open_results
from tests.storage.results.killing import Writer, written


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/results.db"
    found: str = request.getfixturevalue("postgres_url")
    return found


def test_a_killed_writer_leaves_whole_batches_and_all_that_were_told(url: str) -> None:
    writers = [Writer(url, name) for name in ("a", "b")]
    for writer in writers:
        writer.write(40)
    told = {writer.name: writer.kill() for writer in writers}

    async def found() -> list[str]:
        store = await open_results(url)
        try:
            assert store.restored == ""
            return await written(store)
        finally:
            await store.close()

    alerts = asyncio.run(found())
    for name, ids in told.items():
        assert ids == [f"{name}-{number}" for number in range(len(ids))]
        kept = [id_ for id_ in alerts if id_.startswith(f"{name}-")]
        # One more may have been written without having been told.
        assert kept in (ids, [*ids, f"{name}-{len(ids)}"])
