"""Results whose store is opened when it is needed: one that is away at the start holds nobody else up."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from datetime import datetime
from typing import Literal

from argus.storage.opening import open_results
from argus.storage.protocol import Page, Query, ResultStore, ResultsUnavailable
from argus.storage.records import (
    AlertRecord,
    DetectionsRecord,
    EventRecord,
    Record,
    Run,
    TraceRecord,
    TrackRecord,
)


class LateResults:
    """A `ResultStore`; see there."""

    def __init__(self, url: str) -> None:
        """Name it; `opened` tries it."""
        self._url = url
        self._store: ResultStore | None = None
        self._opening = asyncio.Lock()
        self._closed = False

    @classmethod
    async def opened(cls, url: str) -> LateResults:
        """Open a store, if it can be opened by now.

        Raises:
            SpecError: nobody knows such a URL.
            MissingExtra: its extra is not installed.
            ResultsTooNew: a newer Argus has written it.
        """
        results = cls(url)
        with contextlib.suppress(ResultsUnavailable):  # each call will say so
            await results._open()
        return results

    async def _open(self) -> ResultStore:
        async with self._opening:
            if self._closed:
                raise ResultsUnavailable("the results have been closed")
            if self._store is None:
                self._store = await open_results(self._url)
            return self._store

    @property
    def restored(self) -> str:
        """What was damaged and has been put right."""
        return "" if self._store is None else self._store.restored

    async def write(self, records: Sequence[Record]) -> None:
        """Keep records."""
        await (await self._open()).write(records)

    async def events(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[EventRecord]:
        """Return events."""
        return await (await self._open()).events(query, limit=limit, cursor=cursor)

    async def alerts(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[AlertRecord]:
        """Return alerts."""
        return await (await self._open()).alerts(query, limit=limit, cursor=cursor)

    async def tracks(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[TrackRecord]:
        """Return tracks."""
        return await (await self._open()).tracks(query, limit=limit, cursor=cursor)

    async def detections(
        self, query: Query, *, limit: int = 100, cursor: str | None = None
    ) -> Page[DetectionsRecord]:
        """Return frames with what was seen in them."""
        return await (await self._open()).detections(query, limit=limit, cursor=cursor)

    async def traces(self, pipeline: str, since: datetime, until: datetime) -> tuple[TraceRecord, ...]:
        """Return what a pipeline did in each second of a span."""
        return await (await self._open()).traces(pipeline, since, until)

    async def event(self, id_: str) -> EventRecord:
        """Return one event."""
        return await (await self._open()).event(id_)

    async def alert(self, id_: str) -> AlertRecord:
        """Return one alert."""
        return await (await self._open()).alert(id_)

    async def acknowledge(
        self, kind: Literal["event", "alert"], id_: str, *, by: str, at: datetime
    ) -> EventRecord | AlertRecord:
        """Note that somebody has seen to it."""
        return await (await self._open()).acknowledge(kind, id_, by=by, at=at)

    async def changes(
        self, after: int, *, limit: int = 500, kinds: Sequence[Literal["event", "alert"]] = ("event", "alert")
    ) -> tuple[EventRecord | AlertRecord, ...]:
        """Return what has changed since a `seq`."""
        return await (await self._open()).changes(after, limit=limit, kinds=kinds)

    async def last_seq(self) -> int:
        """Return the highest `seq`."""
        return await (await self._open()).last_seq()

    async def counts(self) -> dict[str, int]:
        """Return how many records of each kind there are."""
        return await (await self._open()).counts()

    async def put_run(self, run: Run) -> None:
        """Keep how far a run has come."""
        await (await self._open()).put_run(run)

    async def run(self, id_: str) -> Run | None:
        """Return a run."""
        return await (await self._open()).run(id_)

    async def runs(self, job: str, *, limit: int = 20) -> tuple[Run, ...]:
        """Return the runs of a job."""
        return await (await self._open()).runs(job, limit=limit)

    async def forget_job(self, job: str, *, run: str | None = None) -> tuple[str, ...]:
        """Remove all that a job found."""
        return await (await self._open()).forget_job(job, run=run)

    async def expire(self, kind: str, *, before: datetime | None, keep: int | None) -> tuple[str, ...]:
        """Remove what is old."""
        return await (await self._open()).expire(kind, before=before, keep=keep)

    async def close(self) -> None:
        """Let the database go; idempotent."""
        self._closed = True
        async with self._opening:
            store, self._store = self._store, None
        if store is not None:
            await store.close()
