"""How new records meet what is kept: pure, and the same for every engine.

A later record replaces an earlier one with its `id`, except for what is never unset: a picture, a clip, and
that somebody has seen to it. Pictures and clips reach an event's alerts and its track in any order of
arrival, and whoever has seen to an event has seen to its alerts.

An engine looks at records with `Prepared`, loads what they need under a lock that keeps other writers out,
and writes what a `Folding` gives.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeVar

from msgspec.structs import replace

from argus.storage.protocol import ResultRefused
from argus.storage.records import (
    AlertRecord,
    Attachment,
    DetectionsRecord,
    EventRecord,
    Record,
    TraceRecord,
    TrackRecord,
)
from argus.storage.results.rows import (
    DETECTIONS_KEY,
    TRACE_KEY,
    Row,
    changed_row,
    detections_row,
    normal,
    possible,
    trace_row,
)

Changed = EventRecord | AlertRecord | TrackRecord
Pictured = TypeVar("Pictured", EventRecord, AlertRecord)
Seen = tuple[datetime, str | None]
"""When somebody has seen to it, and who."""


@dataclass(frozen=True, slots=True)
class Needs:
    """What must be known before records are folded in."""

    groups: frozenset[str]
    """Ids of events: they, their alerts and their attachments."""
    alerts: frozenset[str]
    """Ids of alerts."""
    tracks: frozenset[str]
    """Ids of tracks, and of their attachments."""

    def __bool__(self) -> bool:
        """Say whether anything is needed."""
        return bool(self.groups or self.alerts or self.tracks)


@dataclass(slots=True)
class Known:
    """What is kept already, of all that is needed."""

    events: dict[str, EventRecord] = field(default_factory=dict)
    alerts: dict[str, AlertRecord] = field(default_factory=dict)
    tracks: dict[str, TrackRecord] = field(default_factory=dict)
    attachments: dict[str, Attachment] = field(default_factory=dict)
    """By event."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """Records that have been looked at, before any lock is taken: sound, and rows where nothing is folded."""

    folded: tuple[EventRecord | AlertRecord | TrackRecord | Attachment, ...]
    """In order; as they would be read again."""
    detections: tuple[Row, ...]
    traces: tuple[Row, ...]
    needs: Needs

    @classmethod
    def of(cls, records: Iterable[Record]) -> Prepared:
        """Look at records.

        Raises:
            ResultRefused: one can never be kept.
        """
        folded: list[EventRecord | AlertRecord | TrackRecord | Attachment] = []
        detections: dict[tuple[object, ...], Row] = {}
        traces: dict[tuple[object, ...], Row] = {}
        for record in records:
            match record:
                case DetectionsRecord():
                    row = detections_row(record)
                    detections[tuple(row[name] for name in DETECTIONS_KEY)] = row
                case TraceRecord():
                    row = trace_row(record)
                    traces[tuple(row[name] for name in TRACE_KEY)] = row
                case EventRecord() | AlertRecord() | TrackRecord():
                    sound = normal(record)
                    changed_row(sound)
                    folded.append(sound)
                case Attachment():
                    _expect_keys(record)
                    folded.append(record)
                case _:
                    raise ResultRefused(f"{type(record).__name__} is no record that a store keeps")
        return cls(tuple(folded), tuple(detections.values()), tuple(traces.values()), _needs_of(folded))


def _needs_of(records: Iterable[EventRecord | AlertRecord | TrackRecord | Attachment]) -> Needs:
    groups: set[str] = set()
    alerts: set[str] = set()
    tracks: set[str] = set()
    for record in records:
        match record:
            case EventRecord():
                groups.add(record.id)
            case AlertRecord():
                groups.add(record.event)
                alerts.add(record.id)
            case TrackRecord():
                tracks.add(record.id)
            case Attachment():
                groups.add(record.event)
                tracks.add(record.event)
    return Needs(frozenset(groups), frozenset(alerts), frozenset(tracks))


class Folding:
    """Takes records in order; holds what has to be written in the end."""

    def __init__(self, known: Known) -> None:
        """Begin with what is kept, which stays as it is."""
        self._known = known
        self._events = dict(known.events)
        self._tracks = dict(known.tracks)
        self._alerts = dict(known.alerts)
        self._alerts_of: dict[str, list[str]] = {}
        for alert in known.alerts.values():
            self._alerts_of.setdefault(alert.event, []).append(alert.id)
        self._attachments = dict(known.attachments)
        self._touched: dict[tuple[type[Changed], str], None] = {}
        self.attachments: dict[str, Attachment] = {}
        """To be written, by event."""

    def take(self, records: Iterable[EventRecord | AlertRecord | TrackRecord | Attachment]) -> None:
        """Fold prepared records in."""
        for record in records:
            match record:
                case EventRecord():
                    self._event(record)
                case AlertRecord():
                    self._alert(record)
                case TrackRecord():
                    self._track(record)
                case Attachment():
                    self._attachment(record)

    def acknowledge(
        self, kind: Literal["event", "alert"], id_: str, by: str, at: datetime
    ) -> EventRecord | AlertRecord | None:
        """Note that somebody has seen to one, and with it to its event and alerts; return it, or None."""
        one = self._events.get(id_) if kind == "event" else self._alerts.get(id_)
        if one is None:
            return None
        group = one.id if isinstance(one, EventRecord) else one.event
        seen = self._seen(group) or (at, by)
        self._see(group, seen)
        return self._events[id_] if kind == "event" else self._alerts[id_]

    def changes(self, after: int) -> tuple[Changed, ...]:
        """Return what has changed, the last change last, numbered from `after` + 1 on."""
        out: list[Changed] = []
        for kind, id_ in self._touched:
            was: Changed | None
            now: Changed
            if kind is EventRecord:
                was, now = self._known.events.get(id_), self._events[id_]
            elif kind is AlertRecord:
                was, now = self._known.alerts.get(id_), self._alerts[id_]
            else:
                was, now = self._known.tracks.get(id_), self._tracks[id_]
            if was is None or replace(now, seq=0) != replace(was, seq=0):
                out.append(replace(now, seq=after + len(out) + 1))
        return tuple(out)

    def _event(self, record: EventRecord) -> None:
        old = self._events.get(record.id)
        record = self._pictured(record, old, record.id)
        seen = self._seen(record.id)
        self._put(replace(record, acknowledged_at=seen and seen[0], acknowledged_by=seen and seen[1]))

    def _alert(self, record: AlertRecord) -> None:
        old = self._alerts.get(record.id)
        record = self._pictured(record, old, record.event)
        seen = self._seen(record.event)
        if seen is None and old is not None and old.acknowledged_at is not None:
            seen = old.acknowledged_at, old.acknowledged_by
        if record.id not in self._alerts_of.setdefault(record.event, []):
            self._alerts_of[record.event].append(record.id)
        self._put(replace(record, acknowledged_at=seen and seen[0], acknowledged_by=seen and seen[1]))

    def _track(self, record: TrackRecord) -> None:
        old = self._tracks.get(record.id)
        attached = self._attachments.get(record.id)
        snapshot = record.snapshot or (old and old.snapshot) or (attached and attached.snapshot) or None
        self._put(replace(record, snapshot=snapshot))

    def _attachment(self, record: Attachment) -> None:
        _expect_keys(record)
        old = self._attachments.get(record.event)
        merged = replace(record, **_shown(record, old))
        self._attachments[record.event] = merged
        if merged != old:
            self.attachments[record.event] = merged
        event = self._events.get(record.event)
        if event is not None:
            self._put(replace(event, **_shown(record, event)))
        for id_ in self._alerts_of.get(record.event, ()):
            alert = self._alerts[id_]
            self._put(replace(alert, **_shown(record, alert)))
        track = self._tracks.get(record.event)
        if track is not None:
            self._put(replace(track, snapshot=record.snapshot or track.snapshot))

    def _pictured(self, record: Pictured, old: Pictured | None, group: str) -> Pictured:
        return replace(record, **_shown(record, old, self._attachments.get(group)))

    def _seen(self, group: str) -> Seen | None:
        event = self._events.get(group)
        of_group: list[EventRecord | AlertRecord] = [] if event is None else [event]
        of_group += [self._alerts[id_] for id_ in self._alerts_of.get(group, ())]
        found = [
            (one.acknowledged_at, one.acknowledged_by) for one in of_group if one.acknowledged_at is not None
        ]
        return min(found, key=lambda seen: seen[0]) if found else None

    def _see(self, group: str, seen: Seen) -> None:
        event = self._events.get(group)
        if event is not None and event.acknowledged_at is None:
            self._put(replace(event, acknowledged_at=seen[0], acknowledged_by=seen[1]))
        for id_ in self._alerts_of.get(group, ()):
            alert = self._alerts[id_]
            if alert.acknowledged_at is None:
                self._put(replace(alert, acknowledged_at=seen[0], acknowledged_by=seen[1]))

    def _put(self, record: Changed) -> None:
        key = type(record), record.id
        self._touched.pop(key, None)  # moves to the end: the last change is the last to be told
        self._touched[key] = None
        match record:
            case EventRecord():
                self._events[record.id] = record
            case AlertRecord():
                self._alerts[record.id] = record
            case TrackRecord():
                self._tracks[record.id] = record


def _shown(*ones: EventRecord | AlertRecord | Attachment | None) -> dict[str, str | None]:
    """Return the picture, and the clip with its note, of the first that has one.

    A note without a clip says that there is none, and counts where nobody has one.
    """
    there = [one for one in ones if one is not None]
    clipped = [one for one in there if one.clip] or [one for one in there if one.clip_note]
    return {
        "snapshot": next((one.snapshot for one in there if one.snapshot), None),
        "clip": clipped[0].clip if clipped else None,
        "clip_note": clipped[0].clip_note if clipped else None,
    }


def _expect_keys(record: Attachment) -> None:
    for name in ("event", "snapshot", "clip", "clip_note"):
        value = getattr(record, name)
        if (value is None and name != "event") or (isinstance(value, str) and possible((value,))):
            continue
        raise ResultRefused(f"an attachment cannot be kept: its {name} is {value!r:.80}")
