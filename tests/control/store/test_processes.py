"""Several processes on one database: all that any of them had accepted is there, whoever was killed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from argus.control.store.opening import open_store
from argus.control.store.protocol import ResourceStore
from tests.control.store.applying import killed_after, start
from tests.control.store.contract import names, run


async def found_in(url: str) -> list[str]:
    store = await open_store(url)
    try:
        page = await store.list()
        newest = int(page.resource_version)
        assert [version async for version in versions_until(store, newest)] == list(range(1, newest + 1))
        return names(page.items)
    finally:
        await store.close()


async def versions_until(store: ResourceStore, until: int) -> AsyncIterator[int]:
    """Yield the versions of all changes from the beginning."""
    async for change in store.watch("0"):
        yield int(change.resource_version)
        if int(change.resource_version) >= until:
            return


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'resources.db'}"
    return str(request.getfixturevalue("postgres_url"))


def test_two_that_open_a_new_database_and_are_killed_leave_all_they_accepted(url: str) -> None:
    both = {prefix: start(url, prefix) for prefix in ("a", "b")}
    accepted = [name for prefix, process in both.items() for name in killed_after(process, 20, prefix)]
    found = run(found_in(url))
    assert set(accepted) <= set(found)
    assert len(found) <= len(accepted) + 2  # those that were under way


@pytest.mark.soak
def test_again_and_again(url: str) -> None:
    accepted: set[str] = set()
    for turn in range(25):
        prefix = chr(ord("a") + turn)
        accepted |= set(killed_after(start(url, prefix), 1 + turn * 3, prefix))
        assert accepted <= set(run(found_in(url)))
