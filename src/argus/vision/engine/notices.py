"""What an engine has to say besides results: cameras that fall ill, models that change, rungs of a ladder.

Values only.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from argus.core.resources.pipeline import EventType
from argus.vision.events import event_id
from argus.vision.health import HealthPicture
from argus.vision.results import Alert, Event


@dataclass(frozen=True, slots=True, eq=False)
class Notice:
    """Events of one camera that come from no frame's result."""

    camera: str
    events: tuple[Event, ...] = ()
    alerts: tuple[Alert, ...] = ()
    pictures: tuple[HealthPicture, ...] = ()
    """Before and after, for events of a camera's health."""
    pipeline: str | None = None
    """For events of a pipeline or of its model."""


Tell = Callable[[Notice], None]


def unharmed(tell: Tell | None) -> Tell:
    """Return what passes a notice on; whoever hears it cannot hurt the camera that it speaks of."""

    def told(notice: Notice) -> None:
        if tell is None:
            return
        try:
            tell(notice)
        except Exception:  # noqa: BLE001 - it is called from decoding threads, which must go on
            structlog.get_logger().exception("engine.notice_not_heard", camera=notice.camera)

    return told


class Facts:
    """Makes events that are over at once, with ids of their own. Safe from any thread."""

    def __init__(self, clock: Callable[[], float], stream: str) -> None:
        """Count time from now; `stream` tells this run from others."""
        self._clock = clock
        self._begin_s = clock()
        self._stream = stream
        self._count = 0
        self._lock = threading.Lock()

    def instant(self, type_: EventType, camera: str, pipeline: str, message: str) -> Notice:
        """Return the notice of something that happened to a pipeline just now."""
        with self._lock:
            self._count += 1
            number = self._count
        time_s = self._clock() - self._begin_s
        event = Event(
            id=event_id(f"{self._stream}\n{camera}\n{pipeline}\n{number}", type_, None, None, time_s),
            type=type_,
            camera=camera,
            phase="end",
            start_s=time_s,
            started_at=datetime.now(UTC),
            end_s=time_s,
            message=message,
        )
        return Notice(camera, (event,), pipeline=pipeline)
