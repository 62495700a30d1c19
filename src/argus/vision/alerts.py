"""Which events are worth a person's time, and how often at most.

A region with a `severity`, or an entry of `alerts`, makes an alert of an event when it is raised.
The same alert (camera, rule, object) is raised once per cooldown; how many were held back is told
by the next one. A region is one rule: who enters a zone and then dwells there raises one alert.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from argus.core.resources.pipeline import EventType, PipelineSpec
from argus.core.resources.regions import Severity
from argus.vision.results import Alert, Event

INSTANTS: Final[frozenset[EventType]] = frozenset(
    {"object.left", "zone.exited", "line.crossed", "crowd.dispersed"}
)
"""Events that are over when they are raised."""

_REGION_ALERTS: Final[frozenset[EventType]] = frozenset(
    {"zone.entered", "zone.dwelled", "line.crossed", "crowd.formed"}
)
_RANK: Final[dict[Severity, int]] = {"low": 0, "medium": 1, "high": 2, "critical": 3}
_REMEMBERED: Final = 1000


@dataclass(frozen=True, slots=True)
class HeldBack:
    """An alert that was not raised, for the same one was raised lately."""

    event: Event
    """What it would have told."""
    rule: str
    severity: Severity
    left_s: float
    """Seconds until it can be raised again."""
    since: str
    """Id of the event of the alert that was raised."""


class Alerts:
    """The alert rules of one camera, and what they raised lately."""

    def __init__(self, spec: PipelineSpec) -> None:
        """Begin with nothing raised."""
        self._rules = spec.alerts
        self._cooldown_s = spec.cooldown
        regions = {**spec.zones, **spec.lines, **spec.crowds}
        self._regions = {name: region.severity for name, region in regions.items() if region.severity}
        self._raised: dict[tuple[str, int | None], tuple[float, int, str]] = {}
        self.held_back: list[HeldBack] = []
        """What the last step held back."""

    def severity(self, type_: EventType, region: str | None, class_name: str | None) -> Severity | None:
        """Return how grave such an event is; None if no rule speaks of it."""
        found = self._match(type_, region, None, class_name)
        return found[0] if found else None

    def step(self, events: Iterable[Event], time_s: float) -> tuple[Alert, ...]:
        """Return the alerts that a frame's events raise.

        Args:
            events: What changed; only what was raised counts, neither updates nor ends.
            time_s: The frame's time.
        """
        self.held_back = []
        return tuple(
            alert
            for event in events
            if event.severity is not None and (event.phase == "start" or event.type in INSTANTS)
            for alert in self._alert(event, time_s)
        )

    def _alert(self, event: Event, time_s: float) -> Iterable[Alert]:
        found = self._match(event.type, event.region, event.region_kind, event.class_name)
        if found is None:
            return
        severity, rule = found
        key = (rule, event.object_id)
        last_s, held_back, since = self._raised.get(key, (None, 0, ""))
        if last_s is not None and time_s - last_s < self._cooldown_s:
            self._raised[key] = (last_s, held_back + 1, since)
            left_s = self._cooldown_s - (time_s - last_s)
            self.held_back.append(HeldBack(event, rule, severity, left_s, since))
            return
        if len(self._raised) >= _REMEMBERED:
            self._forget(time_s)
        self._raised[key] = (time_s, 0, event.id)
        yield Alert(event, severity, rule, held_back)

    def _match(
        self, type_: EventType, region: str | None, kind: str | None, class_name: str | None
    ) -> tuple[Severity, str] | None:
        """Return the gravest rule for an event; of equals the region's own, then the first."""
        found: list[tuple[Severity, str]] = []
        if type_ in _REGION_ALERTS and region in self._regions:
            found.append((self._regions[region], f"{kind} {region}"))
        for rule in self._rules:
            fits = type_ in rule.on and (rule.regions is None or region in rule.regions)
            if fits and (rule.classes is None or class_name in rule.classes):
                found.append((rule.severity, type_ if region is None else f"{type_} {region}"))
        return max(found, key=lambda match: _RANK[match[0]]) if found else None

    def _forget(self, time_s: float) -> None:
        """Drop what is past its cooldown: objects that are gone raise no further alert."""
        self._raised = {k: v for k, v in self._raised.items() if time_s - v[0] < self._cooldown_s}
