"""A pipeline stage by stage: how much came to each around a moment, and how much passed. Pure values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from argus.core.resources.pipeline import PipelineSpec
from argus.vision.explain_window import Window


@dataclass(frozen=True, slots=True)
class Stage:
    """One step of a pipeline."""

    name: str
    """`camera`, `frames`, `model`, `tracks`, `zones`, `events`, `alerts`."""
    passed: int
    """What went on."""
    of: int
    """What came."""
    unit: str
    """What is counted."""

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "name": self.name,
            "passed": self.passed,
            "of": self.of,
            "unit": self.unit,
            "ok": self.passed > 0,
        }


def stages_of(spec: PipelineSpec, window: Window, zone: str | None) -> list[Stage]:
    """Return the stages of a pipeline in order, those that it has."""
    seconds, silent = len(window.seconds), len(window.silent)
    objects = {row["id"]: row for _, row in window.rows("objects")}
    followed = len(objects)
    loose = {row["class"] for _, row in window.rows("loose")}
    doubts = {row["class"] for _, row in window.rows("doubts")}
    found = [
        Stage("camera", seconds - silent, seconds, "seconds with frames"),
        Stage("frames", window.frames["processed"], window.frames["decoded"], "frames looked at"),
        Stage("model", followed + len(loose), followed + len(loose) + len(doubts), "objects let through"),
    ]
    if spec.track is not None:
        found.append(Stage("tracks", followed, followed + len(loose), "objects followed"))
    if spec.zones:
        names = set(spec.zones) if zone is None else {zone}
        inside = {
            row["id"]
            for _, row in window.rows("objects")
            if any(name in names and counted for name, (_, counted) in (row.get("zones") or {}).items())
        }
        found.append(Stage("zones", len(inside), followed, "objects inside long enough"))
    events = [row for _, row in window.rows("events") if zone is None or row.get("region") == zone]
    graves = [row for row in events if row.get("severity")]
    alerts = [row for _, row in window.rows("alerts") if zone is None or row.get("region") == zone]
    found.append(Stage("rules", len(graves), len(events), "events that a rule speaks of"))
    found.append(Stage("alerts", len(alerts), len(graves), "alerts, the others held back by the cooldown"))
    return found
