"""Whether a record is one that was asked for: what a store's filters do, for one record at hand.

For streams of changes, and for the store in memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from argus.storage.protocol import Query
from argus.storage.records import AlertRecord, DetectionsRecord, EventRecord, TrackRecord


def time_of(record: EventRecord | AlertRecord | TrackRecord | DetectionsRecord) -> datetime:
    """Return when it began, which lists are sorted by."""
    match record:
        case EventRecord():
            at = record.started_at
        case AlertRecord():
            at = record.at
        case TrackRecord():
            at = record.first_seen
        case DetectionsRecord():
            at = record.captured_at
    return at if at.tzinfo else at.replace(tzinfo=UTC)


def fits(query: Query, record: EventRecord | AlertRecord | TrackRecord | DetectionsRecord) -> bool:
    """Return whether a store would list this record for this query."""
    at = time_of(record)
    return (
        (not query.camera or record.camera in query.camera)
        and (not query.pipeline or record.pipeline in query.pipeline)
        and (query.job is None or (record.job in query.job if query.job else record.job is None))
        and (not query.type or fits_type(query.type, getattr(record, "type", None)))
        and (not query.region or getattr(record, "region", None) in query.region)
        and (not query.severity or getattr(record, "severity", None) in query.severity)
        and (query.since is None or at >= _utc(query.since))
        and (query.until is None or at < _utc(query.until))
        and (query.open is None or getattr(record, "open", None) is query.open)
        and (query.acknowledged is None or _acknowledged(record) is query.acknowledged)
        and _fits_object(query, record)
    )


def fits_type(patterns: Sequence[str], type_: str | None) -> bool:
    """Return whether a type is one of these; `zone.*` stands for all that begin with `zone.`."""
    return type_ is not None and any(
        type_.startswith(pattern[:-1]) if pattern.endswith("*") else type_ == pattern for pattern in patterns
    )


def _fits_object(query: Query, record: EventRecord | AlertRecord | TrackRecord | DetectionsRecord) -> bool:
    classes, number = query.class_name, query.object_id
    if isinstance(record, DetectionsRecord):
        return (not classes or any(item.get("class") in classes for item in record.objects)) and (
            number is None or any(item.get("track_id") == number for item in record.objects)
        )
    return (not classes or record.class_name in classes) and (number is None or record.object_id == number)


def _acknowledged(record: object) -> bool | None:
    return record.acknowledged_at is not None if isinstance(record, EventRecord | AlertRecord) else None


def _utc(at: datetime) -> datetime:
    return at if at.tzinfo else at.replace(tzinfo=UTC)
