"""Watching cameras until somebody says stop, and recordings to their end: what `argus run` does, one or many.

The engine does the work, `desk` takes its results; here is who there is, and when all is over.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from argus.core.errors import OutputError, SourceError, SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.assembly import lower
from argus.vision.engine.engine import Engine
from argus.vision.engine.notices import Notice
from argus.vision.engine.status import EngineStatus
from argus.vision.models.protocols import Detector
from argus.vision.runner.desk import Desk, RecordingDesk
from argus.vision.runner.outputs import Outputs, Paths
from argus.vision.runner.recording import ALWAYS_THERE
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.jsonl import EventLines, JsonLines
from argus.vision.sources.hub import open_by_options
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source, SourceInfo

_LOOK_S: Final = 0.05
"""How soon the end of a run is noticed."""
_FINISH_S: Final = 30.0
"""How long what is under way of a recording is waited for when the run is stopped."""


@dataclass(frozen=True, slots=True)
class Watch:
    """Which cameras to watch, and how."""

    cameras: Mapping[str, CameraSpec]
    """By name."""
    pipeline: PipelineSpec
    model: ModelSpec
    paths: Paths = field(default_factory=Paths)
    """Of the one camera; with several, folders in which each has its own, and one file of all events."""
    live: bool = True
    """False looks at every frame of recordings, as fast as that goes."""
    limit: int | None = None
    """Frames of each camera after which to stop."""
    insists: bool = True
    """False raises where one cannot be opened the first time."""


@dataclass(slots=True)
class Watched:
    """What became of it."""

    summaries: list[RunSummary]
    """One per camera, in the order given."""
    status: EngineStatus
    """The engine's last, before it ended."""
    given_up: dict[str, SourceError] = field(default_factory=dict)
    """Cameras that were not called again, by name, and why; the others went on without them."""


def watch_cameras(
    watch: Watch,
    *,
    detector: Detector | None = None,
    opened: Mapping[str, Source] | None = None,
    onlooker: Callable[[Engine], AbstractContextManager[object]] | None = None,
    on_frame: Callable[[RunSummary], None] | None = None,
    on_notice: Callable[[Notice], None] | None = None,
    stop: threading.Event | None = None,
) -> Watched:
    """Watch cameras until `stop`, the limit or the end of all recordings; the files are complete then.

    Args:
        watch: Which and how.
        detector: Looks instead of the model; becomes the engine's. For one camera.
        opened: Sources that are open already, by name: the first connection is theirs.
        onlooker: Called with the engine when all is running; what it returns is entered, and left before
            anything ends. For whoever shows the cameras.
        on_frame: Called after each result was written, with that camera's sums so far.
        on_notice: Hears what is told besides results.
        stop: Ends the watch when set.

    Raises:
        SpecError: files to write are no folders, each other or a source; nothing was opened then.
        SourceError: no camera is left, since all were given up; or one could not be opened at all.
        ModelError: the model cannot be opened.
        OutputError: a file cannot be written.
    """
    stop = stop or threading.Event()
    files = _files_of(watch)
    opened = opened or {}
    alone = _alone(watch, opened)
    ready: dict[str, Source] = {}
    desks: dict[str, Desk] = {}
    with contextlib.ExitStack() as held:
        for name, source in opened.items():
            held.callback(source.close)
            ready.setdefault(watch.cameras[name].url, source)

        def open_first(url: str, options: SourceOptions) -> Source:
            return ready.pop(url, None) or open_by_options(url, options)

        told = _Told(desks, on_notice)
        held.callback(told.close)
        engine = Engine(
            tell=told.hear,
            model=watch.model,
            open_source=open_first,
            one_thread=alone is not None and alone.info.kind in ALWAYS_THERE,
        )
        held.callback(_conclude, desks.values())
        held.callback(engine.close)
        if detector is None:
            # First, for it takes seconds, in which cameras would run on with nobody looking.
            engine.lanes.open(engine.look_of(watch.pipeline))
        events = told.open(watch.paths.events)
        for name, spec in watch.cameras.items():
            info = opened[name].info if name in opened else None
            summary = RunSummary(info or _unknown(name), watch.model.path)
            outputs = Outputs(
                files[name],
                watch.pipeline,
                kind=summary.source.kind,
                fps=_rate(watch, spec, info),
                events=events,
            )
            if alone is None:
                desk = Desk(summary, outputs, patient=not watch.live, limit=watch.limit, on_frame=on_frame)
            else:
                desk = RecordingDesk(summary, outputs, alone, stop=stop, limit=watch.limit, on_frame=on_frame)
                ready[spec.url] = desk.recording
            desks[name] = desk
            engine.add_camera(name, spec, live=watch.live, insists=watch.insists, held=not watch.live)
            engine.add_pipeline(name, watch.pipeline, camera=name, listener=desk, detector=detector)
            desk.watch(engine, name)
        for desk in desks.values():
            desk.summary.model = engine.lanes.all[0].lane.description
        if onlooker is not None:
            held.enter_context(onlooker(engine))
        for name in watch.cameras:
            engine.release(name)
        failure: Exception | None = None
        while failure is None and not all(desk.over for desk in desks.values()) and not stop.is_set():
            _wait(engine, stop, alone is not None)
            failure = told.error or _failure(engine, watch)
        if alone is not None and stop.is_set():
            # No further frame is taken, and what is under way is written.
            if alone.info.kind not in ALWAYS_THERE:
                alone.close()
            engine.wait(_FINISH_S)
        failure = failure or _failure(engine, watch)
        given_up, status = _given_up(engine), engine.status()
        for desk in desks.values():
            desk.summary.interrupted = desk.interrupted(stop)
    failure = failure or told.error or next((d.error for d in desks.values() if d.error is not None), None)
    if failure is not None:
        raise failure
    return Watched([desk.summary for desk in desks.values()], status, given_up)


def _alone(watch: Watch, opened: Mapping[str, Source]) -> Source | None:
    """Return the recording, where a single one is all that is looked at."""
    return next(iter(opened.values())) if len(watch.cameras) == len(opened) == 1 and not watch.live else None


def _unknown(name: str) -> SourceInfo:
    return SourceInfo(name, "stream", live=True, width=0, height=0)


def _rate(watch: Watch, spec: CameraSpec, info: SourceInfo | None) -> float | None:
    """Return the frames per second of an annotated video, nominally."""
    if info is not None and not watch.live:
        return lower(info.fps, lower(watch.pipeline.fps, spec.fps))
    return watch.pipeline.fps or spec.fps or (None if info is None else info.fps)


def _wait(engine: Engine, stop: threading.Event, alone: bool) -> None:
    """Wait a moment for the end of a watch, that of a recording to the point."""
    if alone:
        [name] = engine.cameras
        engine.stream_of(name).wait(_LOOK_S)
    else:
        stop.wait(_LOOK_S)


def _files_of(watch: Watch) -> dict[str, Paths]:
    """Return what is written of each camera, besides the one file of all events.

    Raises:
        SpecError: that cannot be.
    """
    if len(watch.cameras) == 1:
        return {name: replace(watch.paths, events=None) for name in watch.cameras}
    files = {name: watch.paths.of_camera(name) for name in watch.cameras}
    written = [Path(path) for paths in files.values() for path in paths.written()]
    if watch.paths.events is not None:
        written.append(watch.paths.events)
    sources = {Path(spec.url).absolute() for spec in watch.cameras.values()}
    seen: set[Path] = set()
    for path in written:
        if path.absolute() in sources:
            raise SpecError(f"{path} is a source: writing over it would destroy it; choose another folder")
        if path.absolute() in seen:
            raise SpecError(f"two outputs name the same file, {path}: give each its own")
        seen.add(path.absolute())
    return files


def _conclude(desks: Iterable[Desk]) -> None:
    # On a stack, so that a report that cannot be written keeps no other from being so.
    with contextlib.ExitStack() as ending:
        for desk in desks:
            ending.callback(desk.conclude)


def _failure(engine: Engine, watch: Watch) -> Exception | None:
    """Return what ends the whole watch: a file that cannot be written, no model or camera that is left."""
    for member in list(engine.members.values()):
        if member.failure is not None:
            return member.failure
    if not engine.replaces:
        broken = (opened.lane.failure for opened in engine.lanes.all if not opened.spec.candidate)
        failure = next((error for error in broken if error is not None), None)
        if failure is not None:
            return failure
    given_up = _given_up(engine)
    if len(given_up) == len(engine.cameras):
        return next(iter(given_up.values()))
    never = (e for n, e in given_up.items() if engine.stream_of(n).counts.connections == 0)
    return None if watch.insists else next(never, None)


def _given_up(engine: Engine) -> dict[str, SourceError]:
    cameras = list(engine.cameras.items())
    return {
        name: camera.error
        for name, camera in cameras
        if camera.over.is_set() and camera.error is not None and all(feed.over for feed in camera.feeds)
    }


class _Told:
    """What is told besides results: counted, written beside the events, passed on."""

    def __init__(self, desks: Mapping[str, Desk], on_notice: Callable[[Notice], None] | None) -> None:
        self._desks = desks
        self._lines: JsonLines | None = None
        self._events: EventLines | None = None
        self._on_notice = on_notice
        self._lock = threading.Lock()
        self.error: OutputError | None = None
        """What broke a file that something was to be written into."""

    def open(self, path: Path | None) -> JsonLines | None:
        """Begin the file of all events; nothing has been told before."""
        if path is not None:
            self._lines = JsonLines(path)
            self._events = EventLines(self._lines)
        return self._lines

    def hear(self, notice: Notice) -> None:
        with self._lock:
            self._desks[notice.camera].summary.count_events(notice.events, notice.alerts)
        try:
            self._desks[notice.camera].keep(notice.pictures)
            if self._events is not None:
                self._events.tell(notice.events)
        except OutputError as error:  # raised at the end of the watch, which it brings about
            self.error = self.error or error
        if self._on_notice is not None:
            self._on_notice(notice)

    def close(self) -> None:
        """Close the file."""
        if self._lines is not None:
            self._lines.close()
