"""What a pipeline finds, on its way to be kept: records, pictures and clips of one pipeline's results.

A listener of the engine, called in the thread of a model: whatever takes time is handed on. What is kept is
decided in `keeping`; what is told of cameras besides is `bulletin`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from argus.core.resources.pipeline import PipelineSpec
from argus.storage.records import Record, TraceRecord
from argus.stream.album import Album
from argus.stream.clipping import Clips
from argus.stream.entries import (
    Sight,
    alert_record,
    detections_record,
    event_record,
    track_record,
)
from argus.stream.keeping import Keeping
from argus.stream.naming import Named, Names
from argus.stream.scribe import Scribe
from argus.stream.snapshots import Pictures, key_of
from argus.vision.results import Alert, Event, FrameResult

_EARLY_S: Final = 0.05
"""By which detections may be kept early: frames come with jitter."""

Onlooker = Callable[[FrameResult], None]


@dataclass(frozen=True, slots=True)
class Desks:
    """Where records, pictures and clips go; one for a whole worker."""

    scribe: Scribe
    pictures: Pictures
    clips: Clips


class Recorder:
    """Keeps the results of one pipeline, and hears more than an `argus.vision.engine.member.Listener` must.

    It outlives changes of its pipeline: when one begins anew, `finish` is called, and results come again.
    """

    def __init__(self, pipeline: str, camera: str, spec: PipelineSpec, desks: Desks) -> None:
        """Begin without results."""
        self.pipeline = pipeline
        self.camera = camera
        self.events: Counter[str] = Counter()
        """Events that were raised, by type."""
        self.alerts: Counter[str] = Counter()
        """By severity."""
        self.onlookers: tuple[Onlooker, ...] = ()
        """See every result while somebody watches; must be quick."""
        self._desks = desks
        self._keeping = Keeping.of(spec)
        self._names = Names(pipeline)
        self._album = Album(pipeline, desks.pictures.keep)
        self._clipped: set[str] = set()
        self._due_s: float | None = None
        self._index = -1
        self._run = _run_now()
        self._now = datetime.now(UTC)

    @property
    def keeping(self) -> Keeping:
        """What is kept."""
        return self._keeping

    def respec(self, spec: PipelineSpec, camera: str) -> None:
        """Keep what another spec asks for, from the next result on."""
        self._keeping, self.camera = Keeping.of(spec), camera

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        frame = result.frame
        if frame.index <= self._index:  # another connection, whose frames begin at 0 again
            self._run, self._due_s = _run_now(), None
        self._index = frame.index
        if result.events or result.alerts:
            self._now = frame.captured_at
            self._tell(result)
        if self._keeping.every_s is not None and self._is_due(frame.time_s, self._keeping.every_s):
            sight, camera, pipeline = Sight.of(result, self._run), frame.source, self.pipeline
            self._desks.scribe.take(lambda: [detections_record(sight, camera, pipeline)], spare=True)
        for onlooker in self.onlookers:
            onlooker(result)

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Take the last state of open events. Results may come again, of a pipeline that begins anew."""
        told = [self._names.told(event) for event in still_open]
        for event, id_, _ in told:
            self._end_clip(event, id_)
        self._album.end()
        self._keep(told, ())
        self._due_s = None

    def given_up(self, ended: tuple[Event, ...]) -> None:
        """Take the last state of events that ended when the camera was given up; see `HearsGivingUp`."""
        self.finish(ended)

    def failed(self, error: Exception) -> None:
        """Hear what ended the pipeline; its report says so too."""
        structlog.get_logger().error("pipeline.failed", pipeline=self.pipeline, error=str(error))

    def watch(self, onlooker: Onlooker) -> None:
        """Let somebody see every result; once more than once is as once."""
        self.unwatch(onlooker)
        self.onlookers = (*self.onlookers, onlooker)

    def unwatch(self, onlooker: Onlooker) -> None:
        """Let him see them no longer."""
        self.onlookers = tuple(other for other in self.onlookers if other != onlooker)

    def trace(self, at: datetime, data: dict[str, Any]) -> None:
        """Take what the pipeline did within a second."""
        record = TraceRecord(pipeline=self.pipeline, camera=self.camera, at=at, data=data)
        self._desks.scribe.take(lambda: [record], spare=True)

    def _tell(self, result: FrameResult) -> None:
        told = [self._names.told(event) for event in result.events]
        of_engine = {event.id: id_ for event, id_, _ in told}
        alerts = [(alert, of_engine[alert.event.id]) for alert in result.alerts]
        alerted = {id_ for _, id_ in alerts}
        for alert in result.alerts:
            self.alerts[alert.severity] += 1
        for event, id_, new in told:
            if event.phase == "end":
                self._end_clip(event, id_)
            if new and self._keeping.wants_clip(event, alerted=id_ in alerted):
                self._begin_clip(event, id_)
        self._keep(told, alerts)
        for event, id_, new in told:
            if new:
                self.events[event.type] += 1
            grave = id_ in alerted
            self._album.see(
                event,
                id_,
                result.frame,
                wanted=self._keeping.wants_picture(event, alerted=grave),
                grave=grave,
            )

    def _keep(self, told: Sequence[Named], alerts: Sequence[tuple[Alert, str]]) -> None:
        """Hand the records on; they are made elsewhere."""
        keeps_events, pipeline, now = self._keeping.events, self.pipeline, self._now

        def records() -> list[Record]:
            made: list[Record] = []
            for event, id_, _ in told if keeps_events else ():
                made.append(event_record(event, id_, pipeline))
                if event.type == "object.appeared" and event.object_id is not None:
                    made.append(track_record(event, id_, pipeline, now))
            made += [alert_record(alert, id_, now, pipeline) for alert, id_ in alerts]
            return made

        if (told and keeps_events) or alerts:
            self._desks.scribe.take(records)

    def _begin_clip(self, event: Event, id_: str) -> None:
        clip = self._keeping.clip
        assert clip is not None
        key = key_of("clips", self.pipeline, event.started_at, id_, ".mp4")
        end_s = event.end_s if event.phase == "end" else None
        self._desks.clips.begin(id_, key, event.camera, clip, start_s=event.start_s, end_s=end_s)
        if end_s is None:
            self._clipped.add(id_)

    def _end_clip(self, event: Event, id_: str) -> None:
        if id_ in self._clipped:
            self._clipped.discard(id_)
            self._desks.clips.end(id_, event.end_s)

    def _is_due(self, time_s: float, every_s: float) -> bool:
        if self._due_s is not None and time_s < self._due_s - min(_EARLY_S, every_s / 4):
            return False
        late = self._due_s is None or time_s - self._due_s > every_s
        self._due_s = time_s + every_s if late else (self._due_s or 0.0) + every_s
        return True


def _run_now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds")
