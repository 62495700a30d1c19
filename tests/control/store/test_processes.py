"""Several processes on one database: all that any of them had accepted is there, whoever was killed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from argus.control.store.opening import open_store
from argus.control.store.protocol import AlreadyThere, ResourceStore
from tests.control.store.applying import camera, killed_after, start
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


def test_of_two_stores_that_create_one_name_at_once_one_does(url: str) -> None:
    async def work() -> None:
        stores = [await open_store(url) for _ in range(2)]
        try:
            for turn in range(10):
                draft = camera(f"c{turn}", turn)
                done = await asyncio.gather(
                    *(store.apply([draft], create=True) for store in stores * 3), return_exceptions=True
                )
                assert sum(isinstance(one, tuple) for one in done) == 1
                assert sum(isinstance(one, AlreadyThere) for one in done) == 5
            assert await stores[0].version() == await stores[1].version() == "10"
        finally:
            for store in stores:
                await store.close()

    run(work())


def test_a_thousand_are_applied_whole_or_not_at_all_while_another_store_does_the_same(url: str) -> None:
    async def work() -> None:
        stores = [await open_store(url) for _ in range(2)]
        try:
            drafts = [[camera(f"c{n:04}", turn) for n in range(1000)] for turn in range(2)]
            done = await asyncio.gather(
                *(store.apply(mine, create=True) for store, mine in zip(stores, drafts, strict=True)),
                return_exceptions=True,
            )
            winners = [turn for turn, one in enumerate(done) if isinstance(one, tuple)]
            assert len(winners) == 1
            assert isinstance(done[1 - winners[0]], AlreadyThere)
            page = await stores[1 - winners[0]].list()
            assert {resource.metadata.labels["n"] for resource in page.items} == {str(winners[0])}
            assert (len(page.items), page.resource_version) == (1000, "1000")
        finally:
            for store in stores:
                await store.close()

    run(work())


def test_two_thousand_of_two_stores_that_cross_leave_each_resource_to_one_of_them(url: str) -> None:
    async def work() -> None:
        stores = [await open_store(url) for _ in range(2)]
        try:
            forth = [camera(f"c{n:04}", 0) for n in range(1000)]
            back = [camera(f"c{n:04}", 1) for n in reversed(range(1000))]
            await asyncio.gather(stores[0].apply(forth), stores[1].apply(back))
            page = await stores[0].list()
            assert len({resource.metadata.labels["n"] for resource in page.items}) == 1
            assert page.resource_version == "2000"
        finally:
            for store in stores:
                await store.close()

    run(work())


@pytest.mark.soak
def test_again_and_again(url: str) -> None:
    accepted: set[str] = set()
    for turn in range(25):
        prefix = chr(ord("a") + turn)
        accepted |= set(killed_after(start(url, prefix), 1 + turn * 3, prefix))
        assert accepted <= set(run(found_in(url)))
