"""Several versions of a pipeline's rules over one recording, before the changed one goes live.

The recording is decoded once, and versions that look in the same way share each look. Nothing is stored: what
each version would have found is returned, and `replay_compare` says in what they differ.
"""

from __future__ import annotations

import contextlib
import threading
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from argus.core.errors import SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.stream.batch_files import recorded_at
from argus.stream.batch_reading import Reread, fitted
from argus.stream.replay_looking import Looks
from argus.vision.engine.engine import Engine
from argus.vision.engine.member import Member
from argus.vision.engine.models import LaneSpec, open_detector
from argus.vision.results import Alert, Event, FrameResult
from argus.vision.sources import open_source
from argus.vision.sources.protocol import SourceInfo

_LOOK_S: Final = 0.1
_CAMERA: Final = "replay"
_MOTION: Final = "builtin:motion"

Progress = Callable[[int, int | None], None]
"""Hears frames read so far, and how many there will be, as well as that is known."""


@dataclass(slots=True)
class Found:
    """What one version found."""

    spec: PipelineSpec
    """As it ran."""
    sight: str
    """The same for versions that see the same objects under the same numbers."""
    model: str = ""
    events: dict[str, Event] = field(default_factory=dict)
    """The last state of each, by id, in order of their start."""
    alerts: list[Alert] = field(default_factory=list)
    frames: int = 0
    """Looked at."""
    gated: int = 0
    """Held back by the motion gate."""
    objects: set[int] = field(default_factory=set)
    """Tracks."""
    error: str | None = None
    """What ended it before the recording did."""

    def write(self, result: FrameResult) -> None:
        """Take one frame's result; see `Listener`."""
        self.model = result.model
        self.alerts.extend(result.alerts)
        for event in result.events:
            self.events[event.id] = event
            if event.object_id is not None:
                self.objects.add(event.object_id)

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Take the events that the end of the recording cut off."""
        for event in still_open:
            self.events[event.id] = event

    def failed(self, error: Exception) -> None:
        """Hear what ended it."""
        self.error = str(error)

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "model": self.model,
            "frames": self.frames,
            "gated": self.gated,
            "objects": len(self.objects),
            "events": [event.to_json() for event in self.events.values()],
            "alerts": [alert_json(alert) for alert in self.alerts],
            "error": self.error,
        }


@dataclass(frozen=True, slots=True)
class Replay:
    """What all versions found in one recording."""

    source: SourceInfo
    versions: dict[str, Found]
    """By name, in the order given."""
    looks: int
    """Frames that models looked at, all versions together: shared looks count once."""
    seconds: float
    """Of the recording, that were seen."""
    interrupted: bool = False

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "source": self.source.name,
            "seconds": round(self.seconds, 3),
            "looks": self.looks,
            "interrupted": self.interrupted,
            "versions": {name: found.to_json() for name, found in self.versions.items()},
        }

    def table(self) -> list[list[str]]:
        """Return rows of cells for people, the first with the versions' names."""
        found = list(self.versions.values())
        rows = [["", *self.versions], ["frames looked at", *(str(f.frames) for f in found)]]
        if any(f.gated for f in found):
            rows.append(["frames held back", *(str(f.gated) for f in found)])
        rows.append(["objects", *(str(len(f.objects)) for f in found)])
        counts = [Counter[str](event.type for event in f.events.values()) for f in found]
        rows += _counted(counts)
        rows += _counted([Counter(f"alert: {alert.rule}" for alert in f.alerts) for f in found])
        rows.append(["alerts", *(str(len(f.alerts)) for f in found)])
        return rows


def _counted(counts: Sequence[Counter[str]]) -> list[list[str]]:
    """Return a row for each thing that any version counts."""
    things = sorted({thing for count in counts for thing in count})
    return [[thing, *(str(count[thing]) for count in counts)] for thing in things]


def alert_json(alert: Alert) -> dict[str, Any]:
    """Return an alert as one JSON object."""
    return {
        "rule": alert.rule,
        "severity": alert.severity,
        "suppressed": alert.suppressed,
        "event": alert.event.to_json(),
    }


def replay(
    specs: Mapping[str, PipelineSpec],
    video: str | Path,
    *,
    model: ModelSpec | None = None,
    on_progress: Progress | None = None,
    stop: threading.Event | None = None,
) -> Replay:
    """Return what several versions of a pipeline find in a recording.

    Args:
        specs: By name: `live` and `changed`, say; models written out, or paths.
        video: A video, a picture, or a folder of pictures.
        model: Looks for versions that name none; None: `builtin:people`.
        on_progress: Called some times a second.
        stop: Ends it when set; what was found until then is returned.

    Raises:
        SpecError: a version cannot run on such a recording, or it is none.
        SourceError: it cannot be opened.
        ModelError: a model cannot be opened, or failed.
    """
    if not specs:
        raise SpecError("nothing to replay: give at least one version of a pipeline")
    stop = stop or threading.Event()
    with contextlib.ExitStack() as held:
        source = held.enter_context(open_source(video))
        info = source.info
        if info.live:
            raise SpecError(f"{info.name} is live: a replay needs a recording")
        began = recorded_at(Path(video)) if info.kind == "file" else None
        read = Reread(source, began, stop.is_set)
        engine = Engine(model=model, open_source=lambda *_: read, one_thread=True)
        looks = _Shared()
        held.callback(looks.close)
        held.enter_context(engine)  # which lets go of the detectors before they are closed
        camera = CameraSpec.read({"url": "recording", "reconnect": {"max_retries": 0}}, "the recording")
        engine.add_camera(_CAMERA, camera, live=False, insists=False, held=True)
        versions: dict[str, Found] = {}
        for name, spec in specs.items():
            fit = fitted(spec, info)
            look = engine.look_of(fit)
            versions[name] = Found(fit, _sight(fit, look))
            face = looks.of(fit, look).face()
            engine.add_pipeline(name, fit, camera=_CAMERA, listener=versions[name], detector=face)
        members = dict(engine.members)
        _watch(engine, members, info, on_progress)
        seen_s = 0.0 if engine.cameras[_CAMERA].latest is None else engine.cameras[_CAMERA].latest.time_s
        failure = engine.cameras[_CAMERA].error or _model_failure(engine)
        engine.remove_camera(_CAMERA)
        if failure is not None:
            raise failure
        for name, member in members.items():
            counts = member.counts
            versions[name].frames, versions[name].gated = counts.processed, counts.gated
            versions[name].events = dict(sorted(versions[name].events.items(), key=_start))
        return Replay(info, versions, looks.looked, seen_s, stop.is_set())


def _watch(
    engine: Engine, members: Mapping[str, Member], info: SourceInfo, on_progress: Progress | None
) -> None:
    """Read the recording to its end, or to that of all who look."""
    camera = engine.cameras[_CAMERA]
    engine.release(_CAMERA)
    while not (camera.over.is_set() and all(member.feed.over for member in members.values())):
        engine.stream_of(_CAMERA).wait(_LOOK_S)
        if on_progress is not None:
            on_progress(camera.decoded, info.frame_count)
        if _model_failure(engine) is not None or all(m.failure for m in members.values()):
            return


def _model_failure(engine: Engine) -> Exception | None:
    failures = (opened.lane.failure for opened in engine.lanes.all)
    return next((error for error in failures if error is not None), None)


def _start(item: tuple[str, Event]) -> tuple[float, str]:
    return item[1].start_s, item[0]


class _Shared:
    """The detectors of all versions: one for those that look in the same way at the same part."""

    def __init__(self) -> None:
        self._looks: dict[str, Looks] = {}

    @property
    def looked(self) -> int:
        return sum(looks.looked for looks in self._looks.values())

    def of(self, spec: PipelineSpec, look: LaneSpec) -> Looks:
        key = f"{look.key} {spec.crop}"
        if look.model.path == _MOTION:  # it remembers: whoever sees other frames sees other things move
            key += f" {spec.fps} {spec.motion_gate}"
        if key not in self._looks:
            self._looks[key] = Looks(open_detector(look))
        return self._looks[key]

    def close(self) -> None:
        for looks in self._looks.values():
            looks.close()


def _sight(spec: PipelineSpec, look: LaneSpec) -> str:
    """Return what decides which objects a version sees, and what numbers they get."""
    detect = None if spec.detect is None else (spec.detect.classes, spec.detect.confidence)
    gate = None if spec.motion_gate is None else spec.motion_gate.model_dump_json()
    track = None if spec.track is None else spec.track.model_dump_json()
    return f"{look.key} {detect} {spec.crop} {spec.fps} {gate} {track}"
