"""In what two versions of a pipeline differ, alert by alert. Pure.

Two alerts are one where they come from the same rule, at about the same time, for the same object: by its
number where both versions see the same objects under the same numbers, else by where it went.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from argus.stream.replay import Found, alert_json
from argus.vision.results import Alert, Event

_APART_S: Final = 2.0
"""Seconds that may lie between two events that are taken for one."""
_AWAY: Final = 0.12
"""How far apart, in parts of the picture, two paths of one object may be on average."""


@dataclass(frozen=True, slots=True)
class Pair:
    """One alert that both versions raise."""

    a: Alert
    b: Alert

    @property
    def differs(self) -> bool:
        """True where one takes it for graver than the other."""
        return self.a.severity != self.b.severity


@dataclass(frozen=True, slots=True)
class Comparison:
    """What became of the alerts of one version in another."""

    only_a: tuple[Alert, ...]
    only_b: tuple[Alert, ...]
    both: tuple[Pair, ...]
    events: dict[str, tuple[int, int]]
    """How many events of each type either version has."""

    @property
    def graver(self) -> tuple[Pair, ...]:
        """Alerts that both raise with another severity."""
        return tuple(pair for pair in self.both if pair.differs)

    @property
    def same(self) -> bool:
        """True where both raise the same alerts with the same severities."""
        return not (self.only_a or self.only_b or self.graver)

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "same": self.same,
            "only_a": [alert_json(alert) for alert in self.only_a],
            "only_b": [alert_json(alert) for alert in self.only_b],
            "both": len(self.both),
            "severity": [
                {"a": pair.a.severity, "b": pair.b.severity, "alert": alert_json(pair.b)}
                for pair in self.graver
            ],
            "events": {type_: list(counts) for type_, counts in self.events.items()},
        }

    def lines(self, a: str = "live", b: str = "changed") -> list[str]:
        """Return the differences in words, a line each, in order of time; none: there are none."""
        said = [(alert.event.start_s, f"only {a}: {told(alert)}") for alert in self.only_a]
        said += [(alert.event.start_s, f"only {b}: {told(alert)}") for alert in self.only_b]
        said += [
            (pair.b.event.start_s, f"{pair.a.severity} → {pair.b.severity}: {told(pair.b)}")
            for pair in self.graver
        ]
        return [line for _, line in sorted(said)]


def told(alert: Alert) -> str:
    """Return an alert in words: `0:12.3 zone yard (high): person 4`."""
    event = alert.event
    minutes, seconds = divmod(event.start_s, 60)
    who = " ".join(str(part) for part in (event.class_name, event.object_id) if part is not None)
    return f"{minutes:.0f}:{seconds:04.1f} {alert.rule} ({alert.severity})" + (f": {who}" if who else "")


def compare(a: Found, b: Found) -> Comparison:
    """Return in what two versions differ."""
    numbered = a.sight == b.sight
    found = sorted(
        (cost, i, j)
        for i, one in enumerate(a.alerts)
        for j, other in enumerate(b.alerts)
        if (cost := _cost(one, a, other, b, numbered=numbered)) is not None
    )
    partner_a: dict[int, int] = {}
    partner_b: dict[int, int] = {}
    for _, i, j in found:
        if i not in partner_a and j not in partner_b:
            partner_a[i], partner_b[j] = j, i
    counts_a, counts_b = (Counter(event.type for event in one.events.values()) for one in (a, b))
    return Comparison(
        only_a=tuple(alert for i, alert in enumerate(a.alerts) if i not in partner_a),
        only_b=tuple(alert for j, alert in enumerate(b.alerts) if j not in partner_b),
        both=tuple(Pair(a.alerts[i], b.alerts[j]) for i, j in sorted(partner_a.items())),
        events={t: (counts_a[t], counts_b[t]) for t in sorted(counts_a.keys() | counts_b.keys())},
    )


def _cost(a: Alert, of_a: Found, b: Alert, of_b: Found, *, numbered: bool) -> tuple[float, float] | None:
    """Return how unlike two alerts are; None where they cannot be one."""
    if a.rule != b.rule:
        return None
    one, other = of_a.events.get(a.event.id, a.event), of_b.events.get(b.event.id, b.event)
    gap_s = max(one.start_s, other.start_s) - min(_end_s(one), _end_s(other))
    if gap_s > _APART_S:
        return None
    away = _away(one, other, numbered=numbered)
    return None if away is None else (away, abs(one.start_s - other.start_s))


def _end_s(event: Event) -> float:
    """Return when an event ended; the end of the recording is never."""
    return event.end_s if event.end_s is not None else math.inf


def _away(a: Event, b: Event, *, numbered: bool) -> float | None:
    """Return how far apart the objects of two events are; None: they are two."""
    if a.object_id is None or b.object_id is None:
        return 0.0 if a.object_id is b.object_id else None
    if numbered:
        return 0.0 if a.object_id == b.object_id else None
    distances = list(_distances(a, b))
    if not distances:
        return _AWAY  # nothing speaks against it but that nothing speaks for it
    mean = sum(distances) / len(distances)
    return mean if mean <= _AWAY else None


def _distances(a: Event, b: Event) -> Iterator[float]:
    """Yield how far the objects of two events are apart, whenever both were seen at about one time."""
    times = [time_s for time_s, _, _ in b.path]
    for time_s, x, y in a.path:
        at = bisect_left(times, time_s)
        near = b.path[max(0, at - 1) : at + 1]
        if near:
            when_s, their_x, their_y = min(near, key=lambda point: abs(point[0] - time_s))
            if abs(when_s - time_s) <= _APART_S:
                yield math.hypot(x - their_x, y - their_y)
