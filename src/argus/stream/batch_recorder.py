"""What a pipeline finds in one recording of a job, as records: the same for the same recording, always.

Ids are made of the job's run, the recording and the event alone, so that a second attempt at a recording
writes the very records of the first. `argus.stream.recorder` does this for cameras, where a moment never
comes again.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from argus.core.frame import Frame
from argus.core.resources.pipeline import PipelineSpec
from argus.storage.records import Attachment, EventRecord, Record, TrackRecord
from argus.stream.batch_clips import Wanted, wanted_clip
from argus.stream.batch_pictures import BatchPictures
from argus.stream.entries import Sight, alert_record, detections_record, event_record, track_record
from argus.stream.keeping import Keeping
from argus.stream.promises import cut_short, missing
from argus.vision.results import Event, FrameResult

_BATCH: Final = 500
"""Records that are handed on together."""
_EARLY: Final = 0.25
"""Part of the interval by which detections may be kept early: frames come with jitter."""


class Put(Protocol):
    """Takes records; returns when they are safe."""

    def __call__(self, records: Sequence[Record]) -> None:
        """Take them."""
        ...


def record_id(run: str, file: str, event: str) -> str:
    """Return the 16 letters and digits (80 bits) under which an event of a recording is kept."""
    digest = hashlib.blake2b(f"{run}\n{file}\n{event}".encode(), digest_size=10).digest()
    return b32encode(digest).decode().lower()


@dataclass(frozen=True, slots=True)
class Labels:
    """What stands in every record of one recording."""

    job: str
    run: str
    """Id of the run."""
    pipeline: str
    file: str
    """Name of the recording."""
    folder: str
    """What keys of its pictures and clips begin with: `jobs/NAME/RUN`."""


@dataclass(slots=True)
class _Pending:
    """Records that were not handed on yet; of an event or a track the latest state alone."""

    latest: dict[tuple[str, str], EventRecord | TrackRecord] = field(default_factory=dict)
    others: list[Record] = field(default_factory=list)
    attached: list[Record] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.latest) + len(self.others) + len(self.attached)

    def take(self) -> list[Record]:
        # Pictures belong to events, which come first.
        records: list[Record] = [*self.latest.values(), *self.others, *self.attached]
        self.latest, self.others, self.attached = {}, [], []
        return records


class BatchRecorder:
    """Keeps the results of one recording; see `argus.vision.engine.member.HearsFailure`.

    Used by the thread that reads the recording, and by nobody else before that has ended.
    """

    def __init__(
        self,
        labels: Labels,
        spec: PipelineSpec,
        put: Put,
        store: Callable[[str, bytes], None],
        *,
        on_result: Callable[[FrameResult], None] | None = None,
    ) -> None:
        """Begin without results.

        Args:
            labels: What stands in every record.
            spec: What is kept.
            put: Takes records.
            store: Takes the bytes of a blob, by key.
            on_result: Sees every result first.
        """
        self.events = 0
        """Events that were raised."""
        self.alerts = 0
        self.clips: list[Wanted] = []
        """Clips that are to be cut, when all of the recording was seen."""
        self.still_open: tuple[Event, ...] = ()
        """Events that its end cut off."""
        self.last_s = 0.0
        """Time of its last frame, seconds."""
        self._labels = labels
        self._keeping = Keeping.of(spec)
        self._put = put
        self._on_result = on_result
        self._pending = _Pending()
        self._open: set[str] = set()
        """Ids of events that go on."""
        self._clipped: dict[str, float] = {}
        """Open events that get a clip, with their start."""
        self._pictures = BatchPictures(
            lambda id_, data: store(self.key("snapshots", f"{id_}.jpg"), data), self._picture_kept
        )
        self._now = datetime.fromtimestamp(0, UTC)
        self._due_s: float | None = None

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        if self._on_result is not None:
            self._on_result(result)
        frame = result.frame
        self._now, self.last_s = frame.captured_at, frame.time_s
        if result.events or result.alerts:
            alerted = {alert.event.id for alert in result.alerts}
            for event in result.events:
                self._tell(event, frame, alerted=event.id in alerted)
            if result.alerts:
                self._alert(result)
        if self._keeping.every_s is not None and self._is_due(frame.time_s, self._keeping.every_s):
            self._pending.others.append(self._detections(result))
        if len(self._pending) >= _BATCH:
            self.flush()

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Take the last state of the events that the end of the recording cuts off."""
        self.still_open = still_open
        for event in still_open:
            self._tell(event, None, alerted=False)
        self.flush()

    def failed(self, error: Exception) -> None:
        """Leave it to the job to say so; see `HearsFailure`."""

    def flush(self) -> None:
        """Hand on what waits."""
        records = self._pending.take()
        if records:
            self._put(records)

    def clip_kept(self, event: str, key: str, lack: str | None) -> None:
        """Note that an event's clip is there; `lack`: what of it is not, and why."""
        note = None if lack is None else cut_short(lack)
        self._pending.attached.append(Attachment(event=event, clip=key, clip_note=note))

    def clip_lost(self, event: str, why: str) -> None:
        """Note that it will never be there: the event and its alerts say so."""
        self._pending.attached.append(Attachment(event=event, clip_note=missing(why)))

    def key(self, kind: str, name: str) -> str:
        """Return the key of a blob of this recording's: `jobs/NAME/RUN/snapshots/abc.jpg`."""
        return f"{self._labels.folder}/{kind}/{name}"

    def _tell(self, event: Event, frame: Frame | None, *, alerted: bool) -> None:
        labels = self._labels
        id_ = self._id(event)
        new = id_ not in self._open and event.phase != "update"
        if event.phase == "end":
            self._open.discard(id_)
        else:
            self._open.add(id_)
        self.events += new
        wants_clip = new and self._keeping.wants_clip(event, alerted=alerted)
        if self._keeping.events:
            record = event_record(event, id_, labels.pipeline)
            record = msgspec.structs.replace(record, job=labels.job, run=labels.run)
            self._pending.latest["event", id_] = record
            if event.type == "object.appeared" and event.object_id is not None:
                track = track_record(event, id_, labels.pipeline, self._now)
                self._pending.latest["track", id_] = msgspec.structs.replace(
                    track, job=labels.job, run=labels.run
                )
        wants_picture = new and self._keeping.wants_picture(event, alerted=alerted)
        self._pictures.see(event, id_, frame, wanted=wants_picture)
        self._clip(event, id_, wanted=wants_clip)

    def _alert(self, result: FrameResult) -> None:
        labels = self._labels
        ours = {"job": labels.job, "run": labels.run}
        for alert in result.alerts:
            self.alerts += 1
            id_ = self._id(alert.event)
            record = alert_record(alert, id_, self._now, labels.pipeline)
            record = msgspec.structs.replace(record, **ours)
            self._pending.others.append(record)

    def _picture_kept(self, event: str, owner: str) -> None:
        key = self.key("snapshots", f"{owner}.jpg")
        self._pending.attached.append(Attachment(event=event, snapshot=key))

    def _detections(self, result: FrameResult) -> Record:
        labels, file = self._labels, result.frame.file
        record = detections_record(Sight.of(result, labels.run), labels.file, labels.pipeline)
        name = labels.file if file is None else f"{labels.file.rstrip('/')}/{file}"
        return msgspec.structs.replace(record, job=labels.job, file=name)

    def _clip(self, event: Event, id_: str, *, wanted: bool) -> None:
        """Note a clip when its event is over."""
        if wanted:
            self._clipped[id_] = event.start_s
        if event.phase != "end" or id_ not in self._clipped:
            return
        clip = self._keeping.clip
        assert clip is not None
        start_s = self._clipped.pop(id_)
        self.clips.append(wanted_clip(id_, start_s, event.end_s, before=clip.before, after=clip.after))

    def _is_due(self, time_s: float, every_s: float) -> bool:
        if self._due_s is not None and time_s < self._due_s - _EARLY * every_s:
            return False
        late = self._due_s is None or time_s - self._due_s > every_s
        self._due_s = time_s + every_s if late else (self._due_s or 0.0) + every_s
        return True

    def _id(self, event: Event) -> str:
        return record_id(self._labels.run, self._labels.file, event.id)
