"""What was told within one second of a trace: events, alerts, and alerts held back; as plain JSON."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, Final

from argus.vision.alerts import INSTANTS, HeldBack
from argus.vision.results import Event, FrameResult

_MOST: Final = 20
"""Of each kind."""


@dataclass(slots=True)
class Told:
    """Collects it, frame by frame."""

    events: list[dict[str, Any]] = field(default_factory=list)
    alerts: list[dict[str, Any]] = field(default_factory=list)
    held: list[dict[str, Any]] = field(default_factory=list)

    def add(self, result: FrameResult, held_back: Iterable[HeldBack]) -> None:
        """Take what a frame raised, and what was held back."""
        for event in result.events:
            if event.phase == "start" or event.type in INSTANTS:
                self.events.append(
                    {"id": event.id}
                    | _facts(event)
                    | _present({"class": event.class_name, "severity": event.severity})
                )
        for alert in result.alerts:
            self.alerts.append(
                {"event": alert.event.id}
                | _facts(alert.event)
                | {"rule": alert.rule, "severity": alert.severity}
            )
        for held in held_back:
            self.held.append(
                {"event": held.event.id}
                | _facts(held.event)
                | {"rule": held.rule, "severity": held.severity}
                | {"left": round(held.left_s, 2), "since": held.since}
            )

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        """Return the first of each kind."""
        return {"events": self.events[:_MOST], "alerts": self.alerts[:_MOST], "held": self.held[:_MOST]}


def _facts(event: Event) -> dict[str, Any]:
    return {"type": event.type} | _present({"region": event.region, "object": event.object_id})


def _present(facts: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in facts.items() if value is not None}
