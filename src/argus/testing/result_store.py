"""A store of results in memory: small, and held to the same suite of tests as the databases.

Keeps nothing when its process ends. For tests of ours and of users; nothing imports it at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal, TypeVar

from argus.core.errors import UnknownName
from argus.storage.matching import fits, time_of
from argus.storage.protocol import Page, Query, ResultNotFound
from argus.storage.records import (
    AlertRecord,
    Attachment,
    DetectionsRecord,
    EventRecord,
    Record,
    Run,
    TraceRecord,
    TrackRecord,
)
from argus.storage.results.cursors import Place, cursor_of, page_size, place_of
from argus.storage.results.folding import Folding, Known, Prepared
from argus.storage.results.rows import microseconds, normal, record_of

L = TypeVar("L", EventRecord, AlertRecord, TrackRecord, DetectionsRecord)
Key = tuple[Any, ...]


class MemoryResults:
    """See `argus.storage.protocol.ResultStore`."""

    def __init__(self) -> None:
        """Begin empty."""
        self._known = Known()
        self._detections: dict[Key, DetectionsRecord] = {}
        self._traces: dict[Key, TraceRecord] = {}
        self._runs: dict[str, Run] = {}
        self._numbers: dict[tuple[str, object], int] = {}
        self._seq = 0

    @property
    def restored(self) -> str:
        """Nothing is ever damaged here."""
        return ""

    async def write(self, records: Sequence[Record]) -> None:
        """Keep records; see the protocol."""
        prepared = Prepared.of(records)
        folding = Folding(self._known)
        folding.take(prepared.folded)
        self._keep(folding)
        for row in prepared.detections:
            detections = record_of(DetectionsRecord, row["body"])
            key = detections.pipeline, detections.job, detections.run, detections.file, detections.frame
            self._number("detections", key)
            self._detections[key] = detections
        for row in prepared.traces:
            trace = record_of(TraceRecord, row["body"])
            self._traces[trace.pipeline, trace.camera, trace.at] = trace

    async def events(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[EventRecord]:
        """Return events, the latest start first."""
        return self._page("event", self._known.events.items(), query, limit, cursor)

    async def alerts(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[AlertRecord]:
        """Return alerts, the latest first."""
        return self._page("alert", self._known.alerts.items(), query, limit, cursor)

    async def tracks(self, query: Query, *, limit: int = 100, cursor: str | None = None) -> Page[TrackRecord]:
        """Return tracks, the latest first seen first."""
        return self._page("track", self._known.tracks.items(), query, limit, cursor)

    async def detections(
        self, query: Query, *, limit: int = 100, cursor: str | None = None
    ) -> Page[DetectionsRecord]:
        """Return frames with what was seen in them, the latest first."""
        return self._page("detections", self._detections.items(), query, limit, cursor)

    async def traces(self, pipeline: str, since: datetime, until: datetime) -> tuple[TraceRecord, ...]:
        """Return what a pipeline did in each second of a span, the earliest first."""
        found = [
            trace
            for trace in self._traces.values()
            if trace.pipeline == pipeline
            and microseconds(since) <= microseconds(trace.at) < microseconds(until)
        ]
        return tuple(sorted(found, key=lambda trace: (trace.at, trace.camera))[:3600])

    async def event(self, id_: str) -> EventRecord:
        """Return one event."""
        try:
            return self._known.events[id_]
        except KeyError:
            raise ResultNotFound(f"there is no event {id_!r}") from None

    async def alert(self, id_: str) -> AlertRecord:
        """Return one alert."""
        try:
            return self._known.alerts[id_]
        except KeyError:
            raise ResultNotFound(f"there is no alert {id_!r}") from None

    async def acknowledge(
        self, kind: Literal["event", "alert"], id_: str, *, by: str, at: datetime
    ) -> EventRecord | AlertRecord:
        """Note that somebody has seen to it; the first one stays."""
        folding = Folding(self._known)
        if folding.acknowledge(kind, id_, by, at) is None:
            raise ResultNotFound(f"there is no {kind} {id_!r}")
        self._keep(folding)
        return self._known.events[id_] if kind == "event" else self._known.alerts[id_]

    async def changes(
        self, after: int, *, limit: int = 500, kinds: Sequence[Literal["event", "alert"]] = ("event", "alert")
    ) -> tuple[EventRecord | AlertRecord, ...]:
        """Return events and alerts that have changed since a `seq`, in its order, as they are now."""
        found: list[EventRecord | AlertRecord] = []
        if "event" in kinds:
            found += [event for event in self._known.events.values() if event.seq > after]
        if "alert" in kinds:
            found += [alert for alert in self._known.alerts.values() if alert.seq > after]
        return tuple(sorted(found, key=lambda one: one.seq)[: page_size(limit)])

    async def last_seq(self) -> int:
        """Return the highest `seq`; 0 where nothing was ever written."""
        return self._seq

    async def counts(self) -> dict[str, int]:
        """Return how many records of each kind there are."""
        return {
            "event": len(self._known.events),
            "alert": len(self._known.alerts),
            "track": len(self._known.tracks),
            "detections": len(self._detections),
            "trace": len(self._traces),
            "run": len(self._runs),
        }

    async def put_run(self, run: Run) -> None:
        """Keep how far a run has come."""
        self._runs[run.id] = normal(run)

    async def run(self, id_: str) -> Run | None:
        """Return a run; None where it has not said anything."""
        return self._runs.get(id_)

    async def runs(self, job: str, *, limit: int = 20) -> tuple[Run, ...]:
        """Return the runs of a job, the latest first."""
        found = [run for run in self._runs.values() if run.job == job]
        return tuple(sorted(found, key=lambda run: (run.started_at, run.id), reverse=True)[:limit])

    async def forget_job(self, job: str, *, run: str | None = None) -> tuple[str, ...]:
        """Remove all that a job found, or one run of it, and its runs."""
        keys: set[str] = set()
        found: tuple[dict[Any, Any], ...] = (
            self._known.events, self._known.alerts, self._known.tracks, self._detections,
        )  # fmt: skip
        for records in found:
            keys |= self._remove(
                records, [key for key, one in records.items() if one.job == job and run in {None, one.run}]
            )
        for id_ in [one.id for one in self._runs.values() if one.job == job and run in {None, one.id}]:
            del self._runs[id_]
        return self._unneeded(keys)

    async def expire(self, kind: str, *, before: datetime | None, keep: int | None) -> tuple[str, ...]:
        """Remove records of a kind that are older than a moment, or beyond the newest so many."""
        by_kind: dict[str, dict[Any, Any]] = {
            "event": self._known.events,
            "alert": self._known.alerts,
            "track": self._known.tracks,
            "detections": self._detections,
            "trace": self._traces,
        }
        if kind not in by_kind:
            raise UnknownName("kind of results", kind, by_kind)
        records = {key: one for key, one in by_kind[kind].items() if not getattr(one, "job", None)}
        places = {
            key: (one.at if kind == "trace" else time_of(one), self._numbers.get((kind, key), 0))
            for key, one in records.items()
        }
        newest = sorted(records, key=places.__getitem__, reverse=True)
        late = set() if keep is None else set(newest[keep:])
        if before is not None:
            line = before if before.tzinfo else before.replace(tzinfo=UTC)
            late |= {key for key in newest if places[key][0] < line}
        return self._unneeded(
            self._remove(by_kind[kind], [key for key in newest if key in late and not _is_open(records[key])])
        )

    async def close(self) -> None:
        """Do nothing; what is kept stays."""

    def _keep(self, folding: Folding) -> None:
        for record in folding.changes(self._seq):
            self._seq = record.seq
            match record:
                case EventRecord():
                    self._known.events[record.id] = record
                    self._number("event", record.id)
                case AlertRecord():
                    self._known.alerts[record.id] = record
                    self._number("alert", record.id)
                case TrackRecord():
                    self._known.tracks[record.id] = record
                    self._number("track", record.id)
        self._known.attachments.update(folding.attachments)

    def _number(self, kind: str, key: object) -> int:
        return self._numbers.setdefault((kind, key), len(self._numbers))

    def _page(
        self, kind: str, records: Iterable[tuple[object, L]], query: Query, limit: int, cursor: str | None
    ) -> Page[L]:
        after = place_of(kind, cursor)
        placed = [
            ((microseconds(time_of(one)), self._number(kind, key)), one)
            for key, one in records
            if fits(query, one)
        ]
        if after is not None:
            placed = [item for item in placed if item[0] < (after.at_us, after.tie)]
        placed.sort(key=lambda item: item[0], reverse=True)
        size = page_size(limit)
        more = len(placed) > size
        return Page(
            items=tuple(one for _, one in placed[:size]),
            cursor=cursor_of(kind, Place(*placed[size - 1][0])) if more else None,
        )

    def _remove(self, records: dict[Any, Any], keys: Iterable[object]) -> set[str]:
        blobs: set[str] = set()
        for key in keys:
            one = records.pop(key)
            blobs |= {blob for name in ("snapshot", "clip") if (blob := getattr(one, name, None))}
            if isinstance(one, EventRecord):
                attached = self._known.attachments.pop(one.id, None)
                blobs |= {key for key in (attached and attached.snapshot, attached and attached.clip) if key}
        return blobs

    def _unneeded(self, keys: set[str]) -> tuple[str, ...]:
        needed: set[str | None] = set()
        holders: Iterable[EventRecord | AlertRecord | TrackRecord | Attachment] = [
            *self._known.events.values(),
            *self._known.alerts.values(),
            *self._known.tracks.values(),
        ]
        for one in holders:
            needed |= {one.snapshot, getattr(one, "clip", None)}
        return tuple(sorted(keys - needed))


def _is_open(record: object) -> bool:
    return bool(getattr(record, "open", False))
