"""What is told of cameras and models besides results: health and swaps, kept as events and alerts."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import UTC, datetime

import structlog

from argus.storage.records import Record
from argus.stream.entries import alert_record, event_record
from argus.stream.naming import Names
from argus.stream.scribe import Scribe
from argus.stream.snapshots import Pictures, Shot, key_of
from argus.vision.engine.notices import Notice


class Bulletin:
    """Keeps the notices of one engine; `hear` is called in whatever thread meets them."""

    def __init__(self, worker: str, scribe: Scribe, pictures: Pictures) -> None:
        """Begin without any."""
        self.events: Counter[tuple[str, str, str]] = Counter()
        """By camera, pipeline (empty: of the camera) and type."""
        self.alerts: Counter[tuple[str, str, str]] = Counter()
        """By camera, pipeline and severity."""
        self._names = Names(worker)
        self._scribe = scribe
        self._pictures = pictures
        self._lock = threading.Lock()
        self._log = structlog.get_logger()

    def hear(self, notice: Notice) -> None:
        """Keep a notice."""
        pipeline = notice.pipeline
        with self._lock:
            told = [self._names.told(event) for event in notice.events]
            of_engine = {event.id: id_ for event, id_, _ in told}
            alerts = [(alert, of_engine[alert.event.id]) for alert in notice.alerts]
            now = datetime.now(UTC)
            for event, _, new in told:
                if new:
                    self.events[event.camera, pipeline or "", event.type] += 1
            for alert, _ in alerts:
                self.alerts[alert.event.camera, pipeline or "", alert.severity] += 1

            def records() -> list[Record]:
                made: list[Record] = [event_record(event, id_, pipeline) for event, id_, _ in told]
                return made + [alert_record(alert, id_, now, pipeline) for alert, id_ in alerts]

            self._scribe.take(records)
        for event, _, _ in told:
            if event.message is not None:
                self._log.info(
                    event.type,
                    camera=event.camera,
                    pipeline=pipeline,
                    message=event.message,
                    over=event.phase == "end",
                )
        started_at = {event.id: event.started_at for event, _, _ in told}
        for picture in notice.pictures:
            shown = picture.before if picture.after is None else picture.after
            id_ = of_engine.get(picture.event_id)
            if shown is not None and id_ is not None:
                key = key_of("snapshots", notice.camera, started_at[picture.event_id], id_, ".jpg")
                self._pictures.keep(Shot(key, shown, (id_,), grave=bool(alerts)))
