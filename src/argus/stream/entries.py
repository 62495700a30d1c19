"""What the engine tells, as it is kept: events, alerts, tracks and detections as records.

Pure conversion of values: who keeps them, and which, is for `recorder` to say.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from argus.core.detections import Detections
from argus.storage.records import AlertRecord, DetectionsRecord, EventRecord, TrackRecord
from argus.vision.branches.finding import Finding
from argus.vision.results import Alert, Event, FrameResult


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """What a model saw in one frame, without the frame's picture, which is let go."""

    detections: Detections
    findings: Mapping[int, tuple[Finding, ...]]
    frame: int
    time_s: float
    captured_at: datetime
    model: str
    run: str
    """See `DetectionsRecord.run`."""

    @classmethod
    def of(cls, result: FrameResult, run: str) -> Sight:
        """Return what a result holds of it."""
        frame = result.frame
        return cls(
            result.detections,
            result.findings,
            frame.index,
            frame.time_s,
            frame.captured_at,
            result.model,
            run,
        )


def wall(event: Event, time_s: float) -> datetime:
    """Return a moment of an event's clock as wall-clock time."""
    return event.started_at + timedelta(seconds=time_s - event.start_s)


def event_record(event: Event, id_: str, pipeline: str | None) -> EventRecord:
    """Return an event as it is kept under an id."""
    return EventRecord(
        id=id_,
        type=event.type,
        camera=event.camera,
        pipeline=pipeline,
        open=event.phase != "end",
        started_at=event.started_at,
        ended_at=None if event.end_s is None else wall(event, event.end_s),
        start_s=event.start_s,
        end_s=event.end_s,
        object_id=event.object_id,
        class_name=event.class_name,
        confidence=event.confidence,
        region=event.region,
        region_kind=event.region_kind,
        direction=event.direction,
        count=event.count,
        severity=event.severity,
        message=event.message,
        xyxy=event.xyxy,
        path=event.path,
        findings=tuple(finding.to_json(embedding=False) for finding in event.findings),
    )


def alert_record(alert: Alert, event_id: str, at: datetime, pipeline: str | None) -> AlertRecord:
    """Return an alert as it is kept; an event raises one at most, so its id is made of the event's."""
    event = alert.event
    return AlertRecord(
        id=f"{event_id}-a",
        event=event_id,
        type=event.type,
        camera=event.camera,
        pipeline=pipeline,
        rule=alert.rule,
        severity=alert.severity,
        at=at,
        object_id=event.object_id,
        class_name=event.class_name,
        confidence=event.confidence,
        region=event.region,
        message=event.message,
        suppressed=alert.suppressed,
    )


def track_record(event: Event, id_: str, pipeline: str, now: datetime) -> TrackRecord:
    """Return the object of an `object.appeared` event as a track; `now` is the time of its frame."""
    assert event.object_id is not None
    over = event.phase == "end"
    ended = None if event.end_s is None else wall(event, event.end_s)
    return TrackRecord(
        id=id_,
        camera=event.camera,
        pipeline=pipeline,
        object_id=event.object_id,
        class_name=event.class_name,
        confidence=event.confidence,
        open=not over,
        first_seen=event.started_at,
        last_seen=ended or now,
        path=event.path,
    )


def detections_record(sight: Sight, camera: str, pipeline: str) -> DetectionsRecord:
    """Return what was seen in one frame as it is kept."""
    objects: list[dict[str, Any]] = sight.detections.to_json()
    for row, found in sight.findings.items():
        objects[row]["findings"] = [finding.to_json(embedding=False) for finding in found]
    return DetectionsRecord(
        camera=camera,
        pipeline=pipeline,
        frame=sight.frame,
        time_s=sight.time_s,
        captured_at=sight.captured_at,
        model=sight.model,
        objects=tuple(objects),
        run=sight.run,
    )
