"""What one frame gave: the values that steps, writers, drawings and reports pass on.

Plain data; nothing here decides anything.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Literal

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.resources.pipeline import EventType
from argus.core.resources.regions import Severity
from argus.vision.branches.finding import Finding

Phase = Literal["start", "update", "end"]


@dataclass(frozen=True, slots=True)
class Event:
    """A fact with a start, an end where it has one, an object, a place and a best snapshot.

    An event is a value: its life is told by several of them with one `id`, each replacing the last.
    """

    id: str
    """Stable: the same input gives the same ids, and no two facts share one."""
    type: EventType
    camera: str
    phase: Phase
    """`start` when it is raised; `update` when a better snapshot was seen; `end` when it is over.
    An instant (a crossing, an exit) is raised with `end` at once. Told once with `end` whatever happens:
    an event that its stream cuts off ends with `end_s` None."""
    start_s: float
    """Seconds of the stream's clock."""
    started_at: datetime
    """The same moment as wall-clock time, UTC."""
    end_s: float | None = None
    object_id: int | None = None
    """Track id; None for crowds and cameras."""
    class_name: str | None = None
    confidence: float | None = None
    region: str | None = None
    """Name of the zone, line or crowd."""
    region_kind: Literal["zone", "line", "crowd"] | None = None
    direction: Literal["in", "out"] | None = None
    """For a line."""
    count: int | None = None
    """For a crowd: the most objects seen at once so far."""
    severity: Severity | None = None
    """Set where a rule made it an alert-worthy event."""
    xyxy: tuple[float, float, float, float] | None = None
    """The object's box in the best snapshot, in pixels of the full frame."""
    snapshot_frame: int | None = None
    """Index of the frame that shows the object best so far; the frame at hand whenever that changed, so that
    who wants the picture can keep it now."""
    message: str | None = None
    """For cameras, pipelines and models: what happened, in words."""
    path: tuple[tuple[float, float, float], ...] = ()
    """Where the object's anchor went: time (s), x, y in relative coordinates; thinned."""
    findings: tuple[Finding, ...] = ()
    """What the pipeline's branches know of the object by now."""

    def to_json(self) -> dict[str, Any]:
        """Return the event as one flat JSON object; absent facts are left out, `end` may be None."""
        out: dict[str, Any] = {
            "id": self.id,
            "type": self.type,
            "camera": self.camera,
            "object": self.object_id,
            "class": self.class_name,
        }
        if self.region_kind is not None:
            out[self.region_kind] = self.region
        out |= {
            "start": round(self.start_s, 3),
            "end": None if self.end_s is None else round(self.end_s, 3),
            "started_at": self.started_at.isoformat(timespec="milliseconds"),
            "severity": self.severity,
        }
        optional = {
            "direction": self.direction,
            "count": self.count,
            "confidence": None if self.confidence is None else round(self.confidence, 4),
            "xyxy": None if self.xyxy is None else [round(v, 1) for v in self.xyxy],
            "snapshot_frame": self.snapshot_frame,
            "message": self.message,
            "path": [[round(t, 2), round(x, 4), round(y, 4)] for t, x, y in self.path] or None,
            "findings": [finding.to_json(embedding=False) for finding in self.findings] or None,
        }
        return out | {k: v for k, v in optional.items() if v is not None}


@dataclass(frozen=True, slots=True)
class Alert:
    """An event that a rule made worth a person's time, once per cooldown."""

    event: Event
    severity: Severity
    rule: str
    """What raised it, for people: `zone restricted`, `line door`, `crowd meeting`, or an event type with its
    place, such as `zone.dwelled desk`."""
    suppressed: int = 0
    """How many equal alerts were held back since the last one was raised."""


@dataclass(frozen=True, slots=True, eq=False)
class FrameResult:
    """Everything that the steps of a pipeline made of one frame."""

    frame: Frame
    detections: Detections
    """All that the detector gave, with track ids where tracking runs."""
    events: tuple[Event, ...] = ()
    """Changes of events in this frame: raised, updated, ended."""
    alerts: tuple[Alert, ...] = ()
    zone_counts: dict[str, int] = field(default_factory=dict)
    """Objects inside each zone (and each crowd's area) in this frame."""
    model: str = ""
    """Name of the model that looked at it."""
    findings: Mapping[int, tuple[Finding, ...]] = field(default_factory=dict)
    """Row of `detections` → what the pipeline's branches know of that object by now; rows of which nothing is
    known are left out."""
