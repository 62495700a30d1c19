"""A store of results in memory: small, and held to the same suite of tests as the databases.

Keeps nothing when its process ends. For tests of ours and of users; nothing imports it at run time.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

from argus.core.errors import UnknownName
from argus.storage.matching import fits, time_of
from argus.storage.protocol import Page, Query
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
from argus.storage.results.listing import L, Listing, not_found
from argus.storage.results.rows import microseconds, normal, record_of

Key = tuple[Any, ...]


class MemoryResults(Listing):
    """See `argus.storage.protocol.ResultStore`."""

    def __init__(self) -> None:
        """Begin empty."""
        self._known = Known()
        self._detections: dict[Key, DetectionsRecord] = {}
        self._traces: dict[Key, TraceRecord] = {}
        self._runs: dict[str, Run] = {}
        self._numbers: dict[tuple[str, object], int] = {}
        self._attached_at: dict[str, datetime] = {}
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

    async def traces(self, pipeline: str, since: datetime, until: datetime) -> tuple[TraceRecord, ...]:
        """Return what a pipeline did in each second of a span, the earliest first."""
        found = [
            trace
            for trace in self._traces.values()
            if trace.pipeline == pipeline
            and microseconds(since) <= microseconds(trace.at) < microseconds(until)
        ]
        return tuple(sorted(found, key=lambda trace: (trace.at, trace.camera))[:3600])

    async def acknowledge(
        self, kind: Literal["event", "alert"], id_: str, *, by: str, at: datetime
    ) -> EventRecord | AlertRecord:
        """Note that somebody has seen to it; the first one stays."""
        folding = Folding(self._known)
        if folding.acknowledge(kind, id_, by, at) is None:
            raise not_found(kind, id_)
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
        found = self._records(kind)
        records = {key: one for key, one in found.items() if not getattr(one, "job", None)}
        places = {
            key: (one.at if kind == "trace" else time_of(one), self._numbers.get((kind, key), 0))
            for key, one in records.items()
        }
        newest = sorted(records, key=places.__getitem__, reverse=True)
        late = set() if keep is None else set(newest[keep:])
        if before is not None:
            line = before if before.tzinfo else before.replace(tzinfo=UTC)
            late |= {key for key in newest if places[key][0] < line}
        blobs = self._remove(found, [key for key in newest if key in late and not _is_open(records[key])])
        if kind == "event" and before is not None:
            blobs |= self._remove_lone_attachments(line)
        return self._unneeded(blobs)

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
        self._attached_at |= dict.fromkeys(folding.attachments, datetime.now(UTC))

    def _number(self, kind: str, key: object) -> int:
        return self._numbers.setdefault((kind, key), len(self._numbers))

    async def _page(self, kind: str, of: type[L], query: Query, limit: int, cursor: str | None) -> Page[L]:
        records: dict[Any, L] = self._records(kind)
        after = place_of(kind, cursor)
        placed = [
            ((microseconds(time_of(one)), self._number(kind, key)), one)
            for key, one in records.items()
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

    async def _one(self, kind: str, of: type[L], id_: str) -> L | None:
        return self._records(kind).get(id_)

    def _records(self, kind: str) -> dict[Any, Any]:
        by_kind: dict[str, dict[Any, Any]] = {
            "event": self._known.events,
            "alert": self._known.alerts,
            "track": self._known.tracks,
            "detections": self._detections,
            "trace": self._traces,
        }
        if kind not in by_kind:
            raise UnknownName("kind of results", kind, by_kind)
        return by_kind[kind]

    def _remove(self, records: dict[Any, Any], keys: Iterable[object]) -> set[str]:
        blobs: set[str] = set()
        for key in keys:
            one = records.pop(key)
            blobs |= {blob for name in ("snapshot", "clip") if (blob := getattr(one, name, None))}
            if isinstance(one, EventRecord):
                attached = self._known.attachments.pop(one.id, None)
                blobs |= {key for key in (attached and attached.snapshot, attached and attached.clip) if key}
        return blobs

    def _remove_lone_attachments(self, before: datetime) -> set[str]:
        attachments = self._known.attachments
        lone = [
            attachments.pop(event)
            for event in attachments.keys() - self._known.events.keys()
            if self._attached_at[event] < before
        ]
        return {key for one in lone for key in (one.snapshot, one.clip) if key}

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
