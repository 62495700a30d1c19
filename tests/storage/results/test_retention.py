"""How long results and blobs are kept."""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from argus.core.calm_clock import CalmClock
from argus.storage.blobs import BlobInfo, Blobs
from argus.storage.opening import open_blobs
from argus.storage.protocol import Query, ResultsUnavailable
from argus.storage.records import RecordKind
from argus.storage.retention import (
    DAY_S,
    KINDS,
    BlobsKeep,
    Keep,
    Retention,
    expire_all,
    expire_blobs,
    keep_expiring,
    late_blobs,
    line_of,
)
from argus.testing.result_store import MemoryResults
from tests.storage.results.examples import NOON, alert, at, event, frame, trace, track


@pytest.fixture
def shelf(tmp_path: Path) -> Iterator[Blobs]:
    blobs = open_blobs(str(tmp_path / "blobs"))
    yield blobs
    blobs.close()


def shelve(shelf: Blobs, *keys: str) -> None:
    """Keep a blob under each key, every one a second younger than the last; ten bytes each."""
    for seconds, key in enumerate(keys):
        shelf.put(key, b"0123456789")
        file = shelf.local(key)
        assert file is not None
        os.utime(file, (at(seconds).timestamp(),) * 2)


def keys(shelf: Blobs) -> set[str]:
    return {info.key for info in shelf.list()}


def blob(key: str, size: int, seconds: float) -> BlobInfo:
    return BlobInfo(key, size, at(seconds))


def test_age_and_number_become_a_line() -> None:
    assert line_of(Keep(60.0, 5), NOON) == (NOON - timedelta(seconds=60), 5)
    assert line_of(Keep(), NOON) == (None, None)


def test_an_age_from_before_the_calendar_is_for_ever() -> None:
    thousands_of_years_s = 999_999 * DAY_S
    assert line_of(Keep(thousands_of_years_s, 5), NOON) == (None, 5)
    assert late_blobs([blob("a", 10, 1)], BlobsKeep(thousands_of_years_s), NOON) == ()
    assert line_of(Keep(1e300), NOON) == (None, None)


def test_blobs_that_are_too_old_go_and_then_the_oldest_until_the_rest_fits() -> None:
    infos = [blob("d", 10, 4), blob("a", 10, 1), blob("c", 10, 3), blob("b", 10, 2)]
    assert late_blobs(infos, BlobsKeep(max_age_s=2.5), at(4)) == ("a",)
    assert late_blobs(infos, BlobsKeep(max_bytes=25), at(4)) == ("a", "b")
    assert late_blobs(infos, BlobsKeep(0.5, 25), at(4)) == ("a", "b", "c")
    assert late_blobs(infos, BlobsKeep(max_bytes=0), at(4)) == ("a", "b", "c", "d")
    assert late_blobs(infos, BlobsKeep(), at(10**6)) == ()


def test_only_blobs_below_the_prefix_are_looked_at(shelf: Blobs) -> None:
    shelve(shelf, "reports/a", "clips/a", "clips/b")
    assert expire_blobs(shelf, "clips/", max_bytes=10, max_age_s=None, now=NOON) == ("clips/a",)
    assert keys(shelf) == {"clips/b", "reports/a"}


def test_everything_that_is_too_old_goes_with_its_pictures(shelf: Blobs) -> None:
    async def work() -> None:
        store = MemoryResults()
        shelve(shelf, "old.jpg", "new.jpg", "shared.jpg")
        await store.write(
            [event("old", 0, snapshot="old.jpg"), alert("old", 0, event="old", snapshot="shared.jpg")]
        )
        await store.write([event("new", 100, snapshot="new.jpg"), track("new", 100, snapshot="shared.jpg")])
        await store.write([frame(1, 0), frame(2, 100), trace(0), trace(100)])
        keep = Keep(60.0)
        retention = Retention(event=keep, alert=keep, track=keep, detections=keep, trace=keep)
        assert await expire_all(store, shelf, retention, now=at(110)) == {"records": 1}
        assert keys(shelf) == {"new.jpg", "shared.jpg"}
        counts = await store.counts()
        assert counts == {"event": 1, "alert": 0, "track": 1, "detections": 1, "trace": 1, "run": 0}

    asyncio.run(work())


def test_the_kinds_that_are_expired_are_the_kinds_that_there_are() -> None:
    assert set(KINDS) == set(RecordKind.__args__)  # type: ignore[attr-defined]
    assert all(isinstance(Retention().of(kind), Keep) for kind in KINDS)


def test_a_database_that_is_gone_is_told_and_tried_again(shelf: Blobs) -> None:
    class Flaky(MemoryResults):
        rounds = 0

        async def expire(self, kind: str, *, before: object, keep: object) -> tuple[str, ...]:
            self.rounds += 1
            if self.rounds == 1:
                raise ResultsUnavailable("the database is gone")
            return await super().expire(kind, before=before, keep=keep)  # type: ignore[arg-type]

    async def work() -> None:
        store = Flaky()
        said: list[str] = []
        await store.write([event("old", 0)])
        loop = asyncio.create_task(
            keep_expiring(
                store, shelf, lambda: Retention(event=Keep(max_count=0)), every_s=0.01, problem=said.append
            )
        )
        async with asyncio.timeout(20):
            while (await store.events(Query())).items:
                await asyncio.sleep(0.01)
        loop.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await loop
        assert said[:1] == ["the database is gone"]
        assert "" in said[1:] or len(said) == 1

    asyncio.run(work())


def test_a_clock_that_is_years_ahead_for_a_moment_removes_nothing(shelf: Blobs) -> None:
    walls = iter([at(0), *[at(3 * 365 * DAY_S)] * 5, *[at(1)] * 10**6])
    clock = CalmClock(lambda: next(walls), lambda: 7.0)

    class Rounds(MemoryResults):
        count = 0

        async def expire(self, kind: str, *, before: object, keep: object) -> tuple[str, ...]:
            self.count += kind == KINDS[0]
            return await super().expire(kind, before=before, keep=keep)  # type: ignore[arg-type]

    async def work() -> None:
        store = Rounds()
        shelve(shelf, "clips/new.mp4")
        await store.write([event("new", 0), alert("new", 0, event="new"), trace(0)])
        keep = Retention(blobs={"clips/": BlobsKeep(30 * DAY_S)})
        loop = asyncio.create_task(keep_expiring(store, shelf, lambda: keep, every_s=0.0, clock=clock))
        async with asyncio.timeout(20):
            while store.count < 10:
                await asyncio.sleep(0)
        loop.cancel()
        assert keys(shelf) == {"clips/new.mp4"}
        counts = await store.counts()
        assert (counts["event"], counts["alert"], counts["trace"]) == (1, 1, 1)

    asyncio.run(work())


def test_a_fault_that_nobody_foresaw_is_told_and_tried_again(shelf: Blobs) -> None:
    class Faulty(MemoryResults):
        async def expire(self, kind: str, *, before: object, keep: object) -> tuple[str, ...]:
            raise KeyError(kind)

    async def work() -> None:
        said: list[str] = []
        loop = asyncio.create_task(
            keep_expiring(Faulty(), shelf, Retention, every_s=0.0, problem=said.append)
        )
        async with asyncio.timeout(20):
            while len(said) < 2:
                await asyncio.sleep(0)
        loop.cancel()
        assert said[:2] == ["KeyError('trace')"] * 2

    asyncio.run(work())


def test_a_blob_of_a_time_that_no_calendar_has_keeps_no_other_from_going(shelf: Blobs) -> None:
    shelve(shelf, "clips/a", "clips/b")
    file = shelf.local("clips/b")
    assert file is not None
    os.utime(file, (1e12, 1e12))
    assert expire_blobs(shelf, "clips/", max_bytes=None, max_age_s=60.0) == ("clips/a",)
