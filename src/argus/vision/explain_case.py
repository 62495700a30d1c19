"""What one explanation is about, and what it is made of: the case, and reasons. Values only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from argus.core.resources.pipeline import EventType, PipelineSpec
from argus.vision.alerts import Alerts
from argus.vision.explain_window import Place, Window, places, region_of

Row = Mapping[str, Any]
"""One entry of a trace's lists."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One thing that stood in the way."""

    code: str
    message: str
    """What happened, for people; no full stop."""
    remedy: str
    """What to change, where something is to be changed."""
    evidence: dict[str, Any] = field(default_factory=dict)
    """The figures it is read from."""

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "code": self.code,
            "message": self.message,
            "remedy": self.remedy,
            "evidence": self.evidence,
        }


@dataclass(frozen=True, slots=True)
class Case:
    """What is asked about."""

    spec: PipelineSpec
    window: Window
    at: datetime
    zone: str | None
    """The one zone, line or crowd that is asked about."""
    places: list[Place]
    """The zones that are."""
    alerts: Alerts

    @classmethod
    def of(cls, spec: PipelineSpec, window: Window, at: datetime, zone: str | None) -> Case:
        """Return the case of a pipeline, its trace, a moment and perhaps a place."""
        return cls(spec, window, at, zone, places(spec, window.size, zone), Alerts(spec))

    def concerns(self, region: str | None) -> bool:
        """Return whether a region is asked about."""
        return self.zone is None or region == self.zone

    def wanted(self, class_name: str) -> bool:
        """Return whether objects of a class count in any region that is asked about."""
        if self.zone is not None:
            region = region_of(self.spec, self.zone)
            return region is None or region.classes is None or class_name in region.classes
        regions = [*self.spec.zones.values(), *self.spec.lines.values(), *self.spec.crowds.values()]
        return not regions or any(r.classes is None or class_name in r.classes for r in regions)

    def speaks(self, type_: EventType, region: str | None, class_name: str | None) -> bool:
        """Return whether any rule makes an alert of such an event."""
        return self.alerts.severity(type_, region, class_name) is not None

    def followed(self) -> int:
        """Return how many objects were followed."""
        return len({row["id"] for _, row in self.window.rows("objects")})
