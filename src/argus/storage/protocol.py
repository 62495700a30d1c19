"""What keeps results must promise; `argus.storage.opening` chooses one by URL.

SQL through SQLAlchemy (SQLite, PostgreSQL) and MongoDB are held to one suite of tests.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Generic, Literal, Protocol, TypeVar

import msgspec

from argus.core.errors import ArgusError
from argus.storage.records import (
    AlertRecord,
    DetectionsRecord,
    EventRecord,
    Record,
    Run,
    TraceRecord,
    TrackRecord,
)

T = TypeVar("T")


class ResultsUnavailable(ArgusError, ConnectionError):
    """The database does not answer, is locked or full; the same call may work later."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0]) if self.args else ""


class ResultsTooNew(ArgusError):
    """The database was written by a newer Argus, whose tables this one does not know."""


class ResultRefused(ArgusError, ValueError):
    """Records that no database could take, now or later: a value of a wrong type or beyond all measure."""


class ResultNotFound(ArgusError, LookupError):
    """There is no such event or alert."""


class BadCursor(ArgusError, ValueError):
    """This is no cursor that a page before gave out."""

    exit_code = 2


class Query(msgspec.Struct, frozen=True, kw_only=True):
    """Which results are asked for; what is None or empty does not matter.

    What a kind of record does not have, such as a track's region, fits nothing that is asked for.
    """

    camera: tuple[str, ...] = ()
    pipeline: tuple[str, ...] = ()
    job: tuple[str, ...] | None = None
    """None: live and from jobs; empty: live alone."""
    type: tuple[str, ...] = ()
    """Types of events, `zone.*` for all of zones."""
    region: tuple[str, ...] = ()
    class_name: tuple[str, ...] = ()
    """Of detections: any object of the frame; `object_id` likewise."""
    severity: tuple[str, ...] = ()
    object_id: int | None = None
    since: datetime | None = None
    """Began at or after."""
    until: datetime | None = None
    """Began before."""
    acknowledged: bool | None = None
    open: bool | None = None


class Page(msgspec.Struct, Generic[T], frozen=True, kw_only=True):
    """Some of a list."""

    items: tuple[T, ...]
    cursor: str | None
    """Give it back for the next page; None: this is the last. Nothing that was there before the first page is
    left out or told twice, whatever is written meanwhile."""


class ResultStore(Protocol):
    """Keeps results. Safe from any task of one event loop, and from other processes at the same time.

    What a call returned is on the disk. Every method may raise `ResultsUnavailable`.
    """

    @property
    def restored(self) -> str:
        """What was damaged and has been put right since it was opened, for people; empty: nothing."""
        ...

    async def write(self, records: Sequence[Record]) -> None:
        """Keep records, all or none; written twice is as written once.

        Of events, alerts and tracks each change gets a `seq` above all that anybody could have read before:
        whoever has read up to a number never finds a new record below it.

        Raises:
            ResultRefused: one of them can never be kept; none was.
        """
        ...

    async def events(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[EventRecord]:
        """Return events, the latest start first.

        Raises:
            BadCursor: see there.
        """
        ...

    async def alerts(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[AlertRecord]:
        """Return alerts, the latest first."""
        ...

    async def tracks(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[TrackRecord]:
        """Return tracks, the latest first seen first."""
        ...

    async def detections(
        self, query: Query, *, limit: int = 100, cursor: str | None = None
    ) -> Page[DetectionsRecord]:
        """Return frames with what was seen in them, the latest first."""
        ...

    async def traces(self, pipeline: str, since: datetime, until: datetime) -> tuple[TraceRecord, ...]:
        """Return what a pipeline did in each second of a span, the earliest first; at most 3,600 of them."""
        ...

    async def event(self, id_: str) -> EventRecord:
        """Return one event.

        Raises:
            ResultNotFound: there is none.
        """
        ...

    async def alert(self, id_: str) -> AlertRecord:
        """Return one alert; raises likewise."""
        ...

    async def acknowledge(
        self, kind: Literal["event", "alert"], id_: str, *, by: str, at: datetime
    ) -> EventRecord | AlertRecord:
        """Note that somebody has seen to it; the first one stays.

        An event's alerts go with it, and it with them.

        Raises:
            ResultNotFound: there is none.
        """
        ...

    async def changes(
        self, after: int, *, limit: int = 500, kinds: Sequence[Literal["event", "alert"]] = ("event", "alert")
    ) -> tuple[EventRecord | AlertRecord, ...]:
        """Return events and alerts that have changed since a `seq`, in its order, as they are now."""
        ...

    async def last_seq(self) -> int:
        """Return the highest `seq`; 0 where nothing was ever written."""
        ...

    async def counts(self) -> dict[str, int]:
        """Return how many records of each kind there are, as well as that can be told at once."""
        ...

    async def put_run(self, run: Run) -> None:
        """Keep how far a run has come; the same id replaces."""
        ...

    async def run(self, id_: str) -> Run | None:
        """Return a run; None where it has not said anything."""
        ...

    async def runs(self, job: str, *, limit: int = 20) -> tuple[Run, ...]:
        """Return the runs of a job, the latest first."""
        ...

    async def forget_job(self, job: str, *, run: str | None = None) -> tuple[str, ...]:
        """Remove all that a job found, or one run of it, and its runs.

        Returns:
            Keys of blobs that nobody needs any more.
        """
        ...

    async def expire(self, kind: str, *, before: datetime | None, keep: int | None) -> tuple[str, ...]:
        """Remove records of a kind that are older than a moment, or beyond the newest so many.

        Open events and tracks stay, and what jobs found: that goes with them. Works in portions, so that
        writers get their turn.

        Returns:
            Keys of blobs that nobody needs any more.
        """
        ...

    async def close(self) -> None:
        """Let the database go; idempotent."""
        ...
