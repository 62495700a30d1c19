"""What is kept of what was seen: one value per event, alert, track and frame of detections.

Plain data, made by workers from `argus.vision.results`, and all that anybody who asks gets to see. Times are
UTC; boxes are pixels of the full frame; regions and paths are relative coordinates.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

import msgspec

from argus.core.resources.regions import Severity

RecordKind = Literal["event", "alert", "track", "detections", "trace"]


class EventRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=False):
    """A fact with a start, and an end where it has one. Written again, it replaces what had its `id`."""

    id: str
    type: str
    camera: str
    pipeline: str | None = None
    """None for events of a camera's health."""
    job: str | None = None
    """Name of the `BatchJob` that found it; None: live."""
    run: str = ""
    """Id of the job's run; empty: live."""
    open: bool = False
    """True while it goes on."""
    started_at: datetime
    ended_at: datetime | None = None
    """None while it goes on, and where the stream ended first."""
    start_s: float = 0.0
    """Seconds of the stream's clock."""
    end_s: float | None = None
    object_id: int | None = None
    class_name: str | None = None
    confidence: float | None = None
    region: str | None = None
    region_kind: str | None = None
    direction: str | None = None
    count: int | None = None
    severity: Severity | None = None
    message: str | None = None
    xyxy: tuple[float, float, float, float] | None = None
    path: tuple[tuple[float, float, float], ...] = ()
    findings: tuple[dict[str, Any], ...] = ()
    snapshot: str | None = None
    """Key of its picture among the blobs. Once known it stays, also where a later record has none."""
    clip: str | None = None
    """Key of the video around it; likewise."""
    clip_note: str | None = None
    """What of its clip is not there, and why: `missing: …`, `not whole: …`. None: nothing is to be said of
    it. Comes by `Attachment`, and stays until there is a clip of which something else is said."""
    acknowledged_at: datetime | None = None
    """Set by `acknowledge` alone; writers leave it out."""
    acknowledged_by: str | None = None
    seq: int = 0
    """Given by the store at each change; whoever reads in order of `seq` sees every change."""


class AlertRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An event that was made worth a person's time."""

    id: str
    event: str
    """Id of the event."""
    type: str
    camera: str
    pipeline: str | None = None
    job: str | None = None
    run: str = ""
    rule: str
    severity: Severity
    at: datetime
    object_id: int | None = None
    class_name: str | None = None
    confidence: float | None = None
    region: str | None = None
    message: str | None = None
    suppressed: int = 0
    """Equal alerts held back since the last one."""
    snapshot: str | None = None
    clip: str | None = None
    clip_note: str | None = None
    """Of its event's clip."""
    acknowledged_at: datetime | None = None
    acknowledged_by: str | None = None
    seq: int = 0


class TrackRecord(msgspec.Struct, frozen=True, kw_only=True):
    """One object over time."""

    id: str
    """That of its `object.appeared` event."""
    camera: str
    pipeline: str | None = None
    job: str | None = None
    run: str = ""
    object_id: int
    class_name: str | None = None
    confidence: float | None = None
    open: bool = False
    first_seen: datetime
    last_seen: datetime | None = None
    path: tuple[tuple[float, float, float], ...] = ()
    snapshot: str | None = None
    seq: int = 0


class DetectionsRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What a model saw in one frame."""

    camera: str
    pipeline: str
    job: str | None = None
    frame: int
    """Index in its stream."""
    time_s: float
    captured_at: datetime
    model: str = ""
    objects: tuple[dict[str, Any], ...] = ()
    """As `Detections.to_json` has them: xyxy, confidence, class, track_id, findings."""
    file: str | None = None
    run: str = ""
    """Tells connections of one camera apart, whose frames all begin at 0. Pipeline, run, job, file and frame
    together are its key."""


class TraceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What one pipeline did within one second, for those who ask later why there was no alert."""

    pipeline: str
    camera: str
    at: datetime
    """The second, UTC."""
    data: dict[str, Any]
    """As `argus.vision.trace` makes and reads it."""


class Attachment(msgspec.Struct, frozen=True, kw_only=True):
    """What has become of a picture or a clip; belongs to an event, its alerts and its track."""

    event: str
    snapshot: str | None = None
    clip: str | None = None
    clip_note: str | None = None
    """What the clip lacks; without one, why there is none. At most 512 characters."""


Record = EventRecord | AlertRecord | TrackRecord | DetectionsRecord | TraceRecord | Attachment


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """How far one run of a batch job has come; written by the job itself, read by whoever watches it."""

    id: str
    """The job's uid and the number of the run: `UID-3`."""
    job: str
    state: Literal["running", "finished", "failed", "cancelled"] = "running"
    attempt: int = 1
    started_at: datetime
    updated_at: datetime
    finished_at: datetime | None = None
    files: tuple[str, ...] = ()
    """All files, in order."""
    done: tuple[str, ...] = ()
    """Those that are finished: another attempt leaves them out."""
    frames: int = 0
    """Frames looked at, over all files."""
    frames_expected: int | None = None
    progress: float = 0.0
    """0 to 1."""
    left_s: float | None = None
    """Seconds until it will be done, as well as that can be told."""
    events: int = 0
    alerts: int = 0
    message: str = ""
