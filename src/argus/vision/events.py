"""The life of events: raised, updated, ended, each with an id that the same input gives again.

A log of values: whoever knows that something happened (`argus.vision.rules`, a camera's health)
says so here, and takes out what changed, in order. Nothing is decided, drawn or stored.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final

from argus.core.resources.pipeline import EventType
from argus.vision.results import Event

_REMEMBERED: Final = 1000
"""Kinds of facts (a type, a place and an object) whose latest is remembered."""


def event_id(stream: str, type_: EventType, region: str | None, object_id: int | None, start_s: float) -> str:
    """Return the 16 letters and digits (80 bits) that stand for one fact.

    Args:
        stream: The camera, and what tells this run of it from others where that matters.
        type_: What happened.
        region: The place's name, or None.
        object_id: The track, or None.
        start_s: When it began, by the stream's clock; counted in microseconds.
    """
    fact = (stream, type_, region, object_id, round(start_s * 1e6))
    digest = hashlib.blake2b(repr(fact).encode(), digest_size=10).digest()
    return b32encode(digest).decode().lower()


@dataclass(frozen=True, slots=True)
class Moment:
    """Now: the frame at which things are noticed."""

    time_s: float
    at: datetime
    """The same moment as wall-clock time, UTC."""
    frame: int

    def wall(self, time_s: float) -> datetime:
        """Return another moment of the stream as wall-clock time."""
        return self.at + timedelta(seconds=time_s - self.time_s)


class EventLog:
    """The events of one camera: those that are open, and the changes that nobody has taken yet."""

    def __init__(self, camera: str, *, stream: str = "") -> None:
        """Begin without events.

        Args:
            camera: Stands in every event.
            stream: Tells runs of a live stream apart, whose clocks and tracks all start at zero (the time of
                connection, say). Empty for files: their events have the same ids at every run.
        """
        self.camera = camera
        self._stream = f"{camera}\n{stream}" if stream else camera
        self._open: dict[Hashable, Event] = {}
        self._changes: list[Event] = []
        self._latest: OrderedDict[tuple[Any, ...], tuple[int, int]] = OrderedDict()
        """When the latest fact of its kind began, in microseconds, and how many before it began just then."""

    def start(self, key: Hashable, now: Moment, type_: EventType, start_s: float, **facts: Any) -> Event:
        """Raise an event that goes on; `key` names it until `end`."""
        event = self._new("start", now, type_, start_s, facts)
        self._open[key] = event
        return event

    def instant(self, now: Moment, type_: EventType, start_s: float, **facts: Any) -> Event:
        """Raise an event that is over at once."""
        return self._new("end", now, type_, start_s, facts | {"end_s": start_s})

    def update(self, key: Hashable, **facts: Any) -> Event:
        """Tell more of an open event."""
        event = replace(self._open[key], phase="update", **facts)
        self._open[key] = event
        self._changes.append(event)
        return event

    def end(self, key: Hashable, end_s: float, **facts: Any) -> Event | None:
        """End an open event and return its last state; None where `key` names none."""
        event = self._open.pop(key, None)
        if event is None:
            return None
        event = replace(event, phase="end", end_s=max(end_s, event.start_s), **facts)
        self._changes.append(event)
        return event

    def get(self, key: Hashable) -> Event | None:
        """Return an open event."""
        return self._open.get(key)

    def take(self) -> tuple[Event, ...]:
        """Return what changed since the last call, in order."""
        if not self._changes:
            return ()
        changes, self._changes = tuple(self._changes), []
        return changes

    def amend(self, key: Hashable, **facts: Any) -> None:
        """Correct an open event without telling of it yet."""
        self._open[key] = replace(self._open[key], **facts)

    def close(self, **facts: Any) -> tuple[Event, ...]:
        """Return the last state of the open events, `phase` end, and forget them.

        Args:
            facts: What else is known of all of them; without an `end_s` they have none.
        """
        left, self._open = self._open, {}
        return tuple(replace(event, phase="end", **facts) for event in left.values())

    def _new(self, phase: Any, now: Moment, type_: EventType, start_s: float, facts: dict[str, Any]) -> Event:
        region, object_id = facts.get("region"), facts.get("object_id")
        # A stream whose clock stands still can show one object crossing twice at one time, or leaving a zone
        # twice, which may be noticed when the clock goes on.
        kind, began_us = (type_, region, object_id), round(start_s * 1e6)
        latest_us, before = self._latest.pop(kind, (None, 0))
        again = before + 1 if latest_us == began_us else 0
        self._latest[kind] = began_us, again
        if len(self._latest) > _REMEMBERED:
            self._latest.popitem(last=False)
        stream = f"{self._stream}\n{again}" if again else self._stream
        event = Event(
            id=event_id(stream, type_, region, object_id, start_s),
            type=type_,
            camera=self.camera,
            phase=phase,
            start_s=start_s,
            started_at=now.wall(start_s),
            **facts,
        )
        self._changes.append(event)
        return event
