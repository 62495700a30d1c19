"""The figures of `argus bench control`: small here, so that what is measured is known to work."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from argus.storage.bench import fill, frames, history, measure, write_all
from argus.storage.opening import open_results
from argus.testing.result_store import MemoryResults


def test_a_history_is_the_same_every_time_and_has_as_many_events_as_asked_for() -> None:
    assert list(history(200)) == list(history(200))

    async def work() -> None:
        store = MemoryResults()
        filling = await fill(store, 500)
        counts = await store.counts()
        assert counts["event"] == 500
        assert filling.records == counts["event"] + counts["alert"] + counts["track"]
        await write_all(store, frames(50))
        assert (await store.counts())["detections"] == 50

    asyncio.run(work())


def test_every_question_is_asked_and_answered(tmp_path: Path) -> None:
    async def work() -> None:
        store = await open_results(f"sqlite:///{tmp_path}/results.db")
        await fill(store, 3000)
        figures = await measure(store, rounds=3)
        assert len({figure.name for figure in figures}) == len(figures) > 30
        assert {figure.name: figure.items for figure in figures}["events"] == 100
        assert all(0 < figure.p50_ms <= figure.p95_ms <= figure.worst_ms for figure in figures)
        await store.close()

    asyncio.run(work())


@pytest.mark.soak
def test_lists_of_a_million_events_are_fast(tmp_path: Path) -> None:
    async def work() -> None:
        store = await open_results(f"sqlite:///{tmp_path}/results.db")
        await fill(store, 1_000_000)
        slow = [figure for figure in await measure(store) if figure.p95_ms > 50]
        assert slow == []
        await store.close()

    asyncio.run(work())
