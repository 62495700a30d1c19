"""Records to keep, with everything that does not matter filled in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from argus.storage.records import (
    AlertRecord,
    DetectionsRecord,
    EventRecord,
    Run,
    TraceRecord,
    TrackRecord,
)

NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def at(seconds: float) -> datetime:
    """The moment so many seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def event(id_: str = "e1", seconds: float = 0.0, **fields: Any) -> EventRecord:
    given: dict[str, Any] = {"type": "zone.entered", "camera": "gate", "started_at": at(seconds)}
    return EventRecord(id=id_, **(given | fields))


def alert(id_: str = "a1", seconds: float = 0.0, **fields: Any) -> AlertRecord:
    given: dict[str, Any] = {
        "event": "e1", "type": "zone.entered", "camera": "gate", "rule": "zone restricted",
        "severity": "high", "at": at(seconds),
    }  # fmt: skip
    return AlertRecord(id=id_, **(given | fields))


def track(id_: str = "e1", seconds: float = 0.0, **fields: Any) -> TrackRecord:
    given: dict[str, Any] = {"camera": "gate", "object_id": 1, "first_seen": at(seconds)}
    return TrackRecord(id=id_, **(given | fields))


def frame(number: int = 0, seconds: float = 0.0, **fields: Any) -> DetectionsRecord:
    given: dict[str, Any] = {
        "camera": "gate", "pipeline": "safety", "time_s": seconds, "captured_at": at(seconds),
        "objects": ({"xyxy": [1.0, 2.0, 3.0, 4.0], "confidence": 0.5, "class": "person", "track_id": 7},),
    }  # fmt: skip
    return DetectionsRecord(frame=number, **(given | fields))


def trace(seconds: float = 0.0, **fields: Any) -> TraceRecord:
    given: dict[str, Any] = {"pipeline": "safety", "camera": "gate", "at": at(seconds), "data": {}}
    return TraceRecord(**(given | fields))


def run(id_: str = "uid-1", seconds: float = 0.0, **fields: Any) -> Run:
    given: dict[str, Any] = {"job": "nightly", "started_at": at(seconds), "updated_at": at(seconds)}
    return Run(id=id_, **(given | fields))
