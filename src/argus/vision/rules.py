"""From objects to events: what the zones, lines and crowds of a frame say, as events with a life.

Pure state over values: no pixels, no clock but the frames' own, no I/O. Tracking comes before this
and `argus.vision.pipeline` puts both together. What each rule means is in `zones`, `lines`,
`crowds` and `alerts`; why time is the stream's own, in `docs/decisions/0007-events-in-stream-time.md`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.errors import SpecError
from argus.core.frame import Frame
from argus.core.resources.pipeline import EventType, PipelineSpec
from argus.vision.alerts import Alerts, HeldBack
from argus.vision.crowds import CrowdAreas
from argus.vision.events import EventLog, Moment
from argus.vision.gatherings import Gatherings
from argus.vision.lines import Crossing, Lines
from argus.vision.objects import ObjectTable, Slots, widened
from argus.vision.results import Alert, Event
from argus.vision.zones import Visit, Zones

BETTER: Final = 1.3
"""A new best snapshot must be so many times as good: each one costs a picture."""
BETTER_AFTER_S: Final = 1.0
"""And come so long after the last."""

_OBJECT: Final = 0
"""Row of the object's own event among the snapshots; zone z has row z + 1."""

Outcome = tuple[tuple[Event, ...], tuple[Alert, ...], dict[str, int]]
"""Changes of events, alerts, and the objects inside each region."""

_Key = tuple[EventType, int, int]
"""An open event of an object: its type, the zone's number (0 for none) and the object's slot."""


class Rules:
    """The zones, lines, crowds, events and alerts of one camera."""

    def __init__(
        self,
        spec: PipelineSpec,
        camera: str,
        *,
        stream: str = "",
        lost_after_s: float = 2.0,
        after: Rules | None = None,
    ) -> None:
        """Begin with nobody in view.

        Args:
            spec: Zones, lines, crowds and alerts.
            camera: Stands in every event.
            stream: Tells runs of a live stream apart; see `EventLog`.
            lost_after_s: Seconds unseen after which an object is gone; what the tracker may still find again
                must not be.
            after: Whose place they take, with nobody in view: what these raised of late is held back on, and
                regions stay where they lay.
        """
        self._spec = spec
        self._camera = camera
        self._size: tuple[int, int] | None = None
        self._time_s = 0.0
        self._told = False
        self._objects = ObjectTable(lost_after_s)
        self._log = EventLog(camera, stream=stream)
        self._slot_of: dict[_Key, int] = {}
        self._alerts: Alerts = Alerts(spec) if after is None else after._alerts
        self._zones: Zones | None = None
        self._lines: Lines | None = None
        self._crowds: CrowdAreas | None = None
        self._gatherings = Gatherings(spec.crowds, self._log, self._alerts, lost_after_s)
        self._best: NDArray[np.float64] = np.full((len(spec.zones) + 1, self._objects.capacity), np.inf)
        self._best_s: NDArray[np.float64] = np.zeros(self._best.shape)
        if after is not None and after._size is not None:
            self._fit(*after._size)

    def step(self, frame: Frame, detections: Detections) -> Outcome:
        """Take one frame and return the changes of events, the alerts and the objects inside each region.

        A frame whose time lies before the last one's counts as simultaneous with it.

        Args:
            frame: Only its size, time and index are looked at.
            detections: Its objects; with `track_id` where tracking runs. Without, crowds alone are counted.

        Raises:
            SpecError: a region given in pixels does not lie in this camera's picture.
        """
        if self._size is None:
            self._fit(frame.width, frame.height)
        self._time_s = max(frame.time_s, self._time_s)
        now = Moment(self._time_s, frame.captured_at, frame.index)
        tracked = detections.track_id is not None
        if tracked:
            self._lose(now)
            new = self._objects.observe(detections, now.time_s, frame.width, frame.height)
            self._appear(new, now)
            self._visit(now)
            self._cross(now)
            self._improve(now)
        counts = self._zones.counts() if self._zones is not None else {}
        if self._crowds is not None:
            counted = (
                self._crowds.tracked(self._objects, now.time_s)
                if tracked
                else self._crowds.untracked(detections, frame.width, frame.height)
            )
            counts |= self._gatherings.step(counted, now)
        events = self._log.take()
        self._told = bool(events)
        return events, self._alerts.step(events, now.time_s) if events else (), counts

    @property
    def objects(self) -> ObjectTable:
        """Who is in view; to be looked at, by the thread that steps."""
        return self._objects

    @property
    def zones(self) -> Zones | None:
        """Who is inside where; likewise. None before the first frame, and where there are none."""
        return self._zones

    @property
    def held_back(self) -> Sequence[HeldBack]:
        """Alerts that the last step held back."""
        return self._alerts.held_back if self._told else ()

    def finish(self, why: str | None = None) -> tuple[Event, ...]:
        """Return the last state of every open event, `phase` end; nothing is open then.

        The stream ended before they did: nobody left and nothing dispersed. `end_s` is None, but for a stream
        that broke off: they end with its last frame then, and `message` says `why`.
        """
        for key, slot in self._slot_of.items():
            self._log.amend(key, **self._last_facts(key, slot))
        self._slot_of.clear()
        return self._log.close() if why is None else self._log.close(end_s=self._time_s, message=why)

    def _fit(self, width: int, height: int) -> None:
        """Place the regions in a picture of this size; they stay there, in parts of it, if it changes."""
        capacity = self._objects.capacity
        try:
            if self._spec.zones:
                self._zones = Zones(self._spec.zones, width, height, capacity)
            if self._spec.lines:
                self._lines = Lines(self._spec.lines, width, height, capacity)
            if self._spec.crowds:
                self._crowds = CrowdAreas(self._spec.crowds, width, height)
        except SpecError as error:
            raise SpecError(f"camera {self._camera!r}: {error}") from None
        self._size = width, height

    def _lose(self, now: Moment) -> None:
        """End what objects did that are gone, as of when they were last seen."""
        slots = self._objects.gone(now.time_s)
        if not len(slots):
            return
        if self._lines is not None:
            for crossing in self._lines.release(slots, self._objects):
                self._raise_crossing(crossing, now)
        if self._zones is not None:
            for visit in self._zones.release(slots):
                self._raise_exit(visit, now)
        for slot in slots.tolist():
            last_s = float(self._objects.last_s[slot])
            key: _Key = ("object.appeared", 0, slot)
            facts = self._last_facts(key, slot)
            left = facts | self._snapshot(key)
            self._end(key, last_s, facts)
            self._instant(now, "object.left", last_s, left)
        self._best[:, slots] = np.inf
        self._objects.release(slots)

    def _appear(self, new: Slots, now: Moment) -> None:
        if self._best.shape[1] != self._objects.capacity:
            self._best = widened(self._best, self._objects.capacity, np.inf)
            self._best_s = widened(self._best_s, self._objects.capacity, 0.0)
        for slot in new.tolist():
            self._start(("object.appeared", 0, slot), _OBJECT, now, now.time_s, {})

    def _visit(self, now: Moment) -> None:
        if self._zones is None:
            return
        changes = self._zones.step(self._objects, now.time_s)
        for visit in changes.entered:
            key: _Key = ("zone.entered", visit.zone, visit.slot)
            self._start(key, visit.zone + 1, now, visit.start_s, self._zone(visit.zone))
        for visit in changes.dwelled:
            name = self._zones.names[visit.zone]
            start_s = visit.start_s + (self._spec.zones[name].dwell or 0.0)
            key = ("zone.dwelled", visit.zone, visit.slot)
            self._start(key, visit.zone + 1, now, start_s, self._zone(visit.zone))
        for visit in changes.exited:
            self._raise_exit(visit, now)

    def _raise_exit(self, visit: Visit, now: Moment) -> None:
        """End a visit, its dwelling with it, and say that the object is outside."""
        entered: _Key = ("zone.entered", visit.zone, visit.slot)
        facts = self._last_facts(entered, visit.slot)
        left = facts | self._snapshot(entered) | self._zone(visit.zone)
        self._end(("zone.dwelled", visit.zone, visit.slot), visit.last_s)
        self._end(entered, visit.last_s, facts)
        self._instant(now, "zone.exited", visit.last_s, left)
        self._best[visit.zone + 1, visit.slot] = np.inf

    def _cross(self, now: Moment) -> None:
        if self._lines is not None:
            for crossing in self._lines.step(self._objects, now.time_s):
                self._raise_crossing(crossing, now)

    def _raise_crossing(self, crossing: Crossing, now: Moment) -> None:
        assert self._lines is not None
        name, slot = self._lines.names[crossing.line], crossing.slot
        seen = bool(self._objects.seen[slot]) and self._objects.last_s[slot] == now.time_s
        facts = self._sight(slot, now) if seen else self._snapshot(("object.appeared", 0, slot))
        facts |= {
            "object_id": int(self._objects.id[slot]),
            "class_name": self._objects.class_name(slot),
            "region": name,
            "region_kind": "line",
            "direction": crossing.direction,
            "path": self._objects.path(
                slot, float(self._objects.first_s[slot]), self._spec.lines[name].anchor
            ),
        }
        self._instant(now, "line.crossed", crossing.time_s, facts)

    def _improve(self, now: Moment) -> None:
        """Tell of events whose object is shown clearly better than before."""
        better = self._objects.score > self._best * BETTER
        better &= self._objects.seen
        if not better.any():
            return
        better &= now.time_s - self._best_s >= BETTER_AFTER_S
        for row, slot in np.argwhere(better).tolist():
            self._best[row, slot], self._best_s[row, slot] = self._objects.score[slot], now.time_s
            keys: list[_Key] = [("object.appeared", 0, slot)]
            if row != _OBJECT:
                keys = [("zone.entered", row - 1, slot), ("zone.dwelled", row - 1, slot)]
            for key in keys:
                if key in self._slot_of:
                    facts = self._last_facts(key, slot) | self._sight(slot, now)
                    self._log.update(key, **facts)

    def _start(self, key: _Key, row: int, now: Moment, start_s: float, place: dict[str, Any]) -> None:
        type_, _, slot = key
        facts = self._sight(slot, now) | place
        facts["class_name"] = self._objects.class_name(slot)
        self._slot_of[key] = slot
        self._log.start(
            key,
            now,
            type_,
            start_s,
            object_id=int(self._objects.id[slot]),
            severity=self._alerts.severity(type_, facts.get("region"), facts["class_name"]),
            path=self._objects.path(slot, start_s, self._anchor(key)),
            **facts,
        )
        self._best[row, slot], self._best_s[row, slot] = self._objects.score[slot], now.time_s

    def _instant(self, now: Moment, type_: EventType, start_s: float, facts: dict[str, Any]) -> None:
        grave = self._alerts.severity(type_, facts.get("region"), facts.get("class_name"))
        self._log.instant(now, type_, start_s, **facts | {"severity": grave})

    def _end(self, key: _Key, end_s: float, facts: dict[str, Any] | None = None) -> None:
        slot = self._slot_of.pop(key, None)
        if slot is not None:
            self._log.end(key, end_s, **(self._last_facts(key, slot) if facts is None else facts))

    def _sight(self, slot: int, now: Moment) -> dict[str, Any]:
        """What this frame shows of an object that is in it."""
        return {
            "confidence": float(self._objects.confidence[slot]),
            "xyxy": self._objects.box(slot),
            "snapshot_frame": now.frame,
        }

    def _snapshot(self, key: _Key) -> dict[str, Any]:
        """The best that was seen of an object during an open event."""
        event = self._log.get(key)
        if event is None:
            return {}
        return {"confidence": event.confidence, "xyxy": event.xyxy, "snapshot_frame": event.snapshot_frame}

    def _last_facts(self, key: _Key, slot: int) -> dict[str, Any]:
        """What is known of an open event's object by now."""
        event = self._log.get(key)
        start_s = float(self._objects.first_s[slot]) if event is None else event.start_s
        return {
            "object_id": int(self._objects.id[slot]),
            "class_name": self._objects.class_name(slot),
            "path": self._objects.path(slot, start_s, self._anchor(key)),
        }

    def _zone(self, zone: int) -> dict[str, Any]:
        return {"region": list(self._spec.zones)[zone], "region_kind": "zone"}

    def _anchor(self, key: _Key) -> Any:
        if key[0] == "object.appeared":
            return "bottom"
        return self._spec.zones[list(self._spec.zones)[key[1]]].anchor
