"""What a pipeline finds in one recording of a job, as records: the same for the same recording, always.

Ids are made of the job's run, the recording and the event alone, so that a second attempt at a recording
writes the very records of the first. `argus.stream.recorder` does this for cameras, where a moment never
comes again.
"""

from __future__ import annotations

import hashlib
from base64 import b32encode
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final, Protocol

import msgspec

from argus.core.frame import Frame
from argus.core.resources.pipeline import PipelineSpec
from argus.storage.records import Attachment, EventRecord, Record, TrackRecord
from argus.stream.batch_clips import Wanted, wanted_clip
from argus.stream.entries import Sight, alert_record, detections_record, event_record, track_record
from argus.stream.keeping import Keeping
from argus.vision.results import Event, FrameResult
from argus.vision.sinks.pictures import encode_picture

_QUALITY: Final = 85
_BATCH: Final = 500
"""Records that are handed on together."""
_HELD: Final = 4
"""Frames held for pictures of open events: each is a decoded picture. Older ones are encoded."""
_SHOWN: Final = 1024
_EARLY: Final = 0.25
"""Part of the interval by which detections may be kept early: frames come with jitter."""

_Place = tuple[int | None, str | None, int]
"""Object, region and index of the frame that shows it."""


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
class _Best:
    """The best picture of an open event so far."""

    frame: Frame | None
    jpeg: bytes | None = None

    def bytes(self) -> bytes:
        if self.jpeg is None:
            assert self.frame is not None
            self.jpeg, self.frame = encode_picture(self.frame.bgr, quality=_QUALITY), None
        return self.jpeg


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
        self._store = store
        self._on_result = on_result
        self._pending = _Pending()
        self._open: set[str] = set()
        """Ids of events that go on."""
        self._clipped: dict[str, float] = {}
        """Open events that get a clip, with their start."""
        self._best: OrderedDict[str, _Best] = OrderedDict()
        self._shown: OrderedDict[_Place, str] = OrderedDict()
        self._stored: set[str] = set()
        self._now = datetime.fromtimestamp(0, UTC)
        self._due_s: float | None = None
        self._last: tuple[Frame | None, bytes] = (None, b"")

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

    def clip_kept(self, event: str, key: str) -> None:
        """Note that an event's clip is there."""
        self._pending.attached.append(Attachment(event=event, clip=key))

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
        if self._keeping.events:
            record = event_record(event, id_, labels.pipeline)
            self._pending.latest["event", id_] = msgspec.structs.replace(
                record, job=labels.job, run=labels.run
            )
            if event.type == "object.appeared" and event.object_id is not None:
                track = track_record(event, id_, labels.pipeline, self._now)
                self._pending.latest["track", id_] = msgspec.structs.replace(
                    track, job=labels.job, run=labels.run
                )
        self._show(event, id_, frame, wanted=new and self._keeping.wants_picture(event, alerted=alerted))
        self._clip(event, id_, wanted=new and self._keeping.wants_clip(event, alerted=alerted))

    def _alert(self, result: FrameResult) -> None:
        labels = self._labels
        ours = {"job": labels.job, "run": labels.run}
        for alert in result.alerts:
            self.alerts += 1
            record = alert_record(alert, self._id(alert.event), self._now, labels.pipeline)
            self._pending.others.append(msgspec.structs.replace(record, **ours))

    def _detections(self, result: FrameResult) -> Record:
        labels, file = self._labels, result.frame.file
        record = detections_record(Sight.of(result, labels.run), labels.file, labels.pipeline)
        name = labels.file if file is None else f"{labels.file.rstrip('/')}/{file}"
        return msgspec.structs.replace(record, job=labels.job, file=name)

    def _show(self, event: Event, id_: str, frame: Frame | None, *, wanted: bool) -> None:
        """Remember the best picture of an event; store it when the event is over."""
        index = event.snapshot_frame
        if frame is not None and index == frame.index and (wanted or id_ in self._best):
            self._best[id_] = _Best(frame)
            self._best.move_to_end(id_)
            self._shown[event.object_id, event.region, index] = id_
            self._thin_out()
        elif wanted and index is not None:
            self._follow(event, id_, index)
        if event.phase == "end" and id_ in self._best:
            self._keep(id_, self._encoded(self._best.pop(id_)))

    def _follow(self, event: Event, id_: str, index: int) -> None:
        """Give an event that is over at once the picture of the one that it ends, or that of its object."""
        places = ((event.object_id, event.region, index), (event.object_id, None, index))
        owner = next((self._shown[place] for place in places if place in self._shown), None)
        if owner is None:
            return
        if owner in self._best:  # it may come to have a better one
            self._keep(id_, self._encoded(self._best[owner]))
        elif owner in self._stored:
            self._attach(id_, owner)

    def _thin_out(self) -> None:
        held = [best for best in self._best.values() if best.frame is not None]
        for best in held[: max(0, len(held) - _HELD)]:
            self._encoded(best)
        while len(self._shown) > _SHOWN:
            self._stored.discard(self._shown.popitem(last=False)[1])

    def _encoded(self, best: _Best) -> bytes:
        """Return a picture's bytes; several events begin in one frame."""
        if best.jpeg is None:
            last, data = self._last
            if last is not None and last is best.frame:
                best.jpeg, best.frame = data, None
            else:
                frame = best.frame
                self._last = frame, best.bytes()
        return best.bytes()

    def _keep(self, id_: str, data: bytes) -> None:
        self._store(self._picture(id_), data)
        self._stored.add(id_)
        self._attach(id_, id_)

    def _attach(self, id_: str, owner: str) -> None:
        self._pending.attached.append(Attachment(event=id_, snapshot=self._picture(owner)))

    def _picture(self, id_: str) -> str:
        return self.key("snapshots", f"{id_}.jpg")

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
