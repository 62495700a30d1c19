"""A mirror shows what the store has, and leaves alone what has not changed."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from argus.control.mirror import Mirror
from argus.control.store.opening import open_store
from argus.control.store.protocol import ResourceStore
from argus.core.resources.manifest import read_drafts
from argus.core.resources.resource import Resource
from argus.testing.resource_store import InMemoryResourceStore


@asynccontextmanager
async def store_in(folder: Path) -> AsyncIterator[ResourceStore]:
    store = await open_store(f"sqlite:///{folder / 'resources.db'}")
    try:
        yield store
    finally:
        await store.close()


async def declare(store: ResourceStore, **cameras: str) -> None:
    await store.apply(read_drafts([{"cameras": cameras}], "test"))


def test_a_mirror_follows_what_is_made_changed_and_deleted(tmp_path: Path) -> None:
    async def story() -> None:
        async with store_in(tmp_path) as store:
            mirror = Mirror(store)
            await declare(store, gate="rtsp://10.0.0.5/1", yard="rtsp://10.0.0.6/1")
            await mirror.look()
            await declare(store, attic="rtsp://10.0.0.7/1", gate="rtsp://10.0.0.5/2")
            await store.delete("Camera", "yard")
            await mirror.look()
            page = await store.list()
            assert (tuple(mirror.resources), mirror.version) == (page.items, page.resource_version)
            assert mirror.get("Camera", "yard") is None

    asyncio.run(story())


def test_what_has_not_changed_stays_the_very_same(tmp_path: Path) -> None:
    async def story() -> tuple[Resource | None, Resource | None]:
        async with store_in(tmp_path) as store:
            mirror = Mirror(store)
            await declare(store, gate="rtsp://10.0.0.5/1", yard="rtsp://10.0.0.6/1")
            await mirror.look()
            before = mirror.get("Camera", "gate")
            await declare(store, yard="rtsp://10.0.0.6/2")
            await mirror.look()
            return before, mirror.get("Camera", "gate")

    before, after = asyncio.run(story())
    assert before is not None
    assert before is after


def test_a_store_that_has_forgotten_what_changed_is_read_anew() -> None:
    async def story() -> None:
        store = InMemoryResourceStore(keep_changes=2)
        mirror = Mirror(store)
        await declare(store, gate="rtsp://10.0.0.5/0", yard="rtsp://10.0.0.6/0")
        await mirror.look()
        await store.delete("Camera", "yard")
        for number in range(1, 6):
            await declare(store, gate=f"rtsp://10.0.0.5/{number}")
        await mirror.look()
        assert tuple(mirror.resources) == (await store.list()).items

    asyncio.run(story())
