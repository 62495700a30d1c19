"""Lists and single records by their kind: the part of a store that no engine does in a way of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TypeVar

from argus.storage.protocol import Page, Query, ResultNotFound
from argus.storage.records import AlertRecord, DetectionsRecord, EventRecord, TrackRecord

L = TypeVar("L", EventRecord, AlertRecord, TrackRecord, DetectionsRecord)


class Listing(ABC):
    """Says for each method of the protocol which kind it is about."""

    async def events(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[EventRecord]:
        """Return events, the latest start first."""
        return await self._page("event", EventRecord, query, limit, cursor)

    async def alerts(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[AlertRecord]:
        """Return alerts, the latest first."""
        return await self._page("alert", AlertRecord, query, limit, cursor)

    async def tracks(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[TrackRecord]:
        """Return tracks, the latest first seen first."""
        return await self._page("track", TrackRecord, query, limit, cursor)

    async def detections(
        self, query: Query, *, limit: int = 100, cursor: str | None = None
    ) -> Page[DetectionsRecord]:
        """Return frames with what was seen in them, the latest first."""
        return await self._page("detections", DetectionsRecord, query, limit, cursor)

    async def event(self, id_: str) -> EventRecord:
        """Return one event."""
        return await self._existing("event", EventRecord, id_)

    async def alert(self, id_: str) -> AlertRecord:
        """Return one alert."""
        return await self._existing("alert", AlertRecord, id_)

    async def _existing(self, kind: str, of: type[L], id_: str) -> L:
        one = await self._one(kind, of, id_)
        if one is None:
            raise not_found(kind, id_)
        return one

    @abstractmethod
    async def _page(self, kind: str, of: type[L], query: Query, limit: int, cursor: str | None) -> Page[L]:
        """Return some of a list."""

    @abstractmethod
    async def _one(self, kind: str, of: type[L], id_: str) -> L | None:
        """Return a record by its id; None: there is none."""


def not_found(kind: str, id_: str) -> ResultNotFound:
    """Return the error that there is no such record."""
    return ResultNotFound(f"there is no {kind} {id_[:80]!r}")
