"""Watching cameras until somebody says stop: what `argus run` does with whatever is live, one or many.

The engine does the work; here its results go to files, sums and whoever looks on.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from argus.core.errors import SourceError, SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.engine import Engine
from argus.vision.engine.member import Member
from argus.vision.engine.notices import Notice
from argus.vision.engine.outlet import Outlet
from argus.vision.engine.status import EngineStatus
from argus.vision.health import HealthPicture
from argus.vision.models.protocols import Detector
from argus.vision.results import Event, FrameResult
from argus.vision.runner.outputs import Outputs, Paths
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.jsonl import EventLines, JsonLines
from argus.vision.sinks.pictures import encode_picture, write_file
from argus.vision.sources.hub import open_by_options
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source, SourceInfo

_LOOK_S: Final = 0.05
"""How soon the end of a run is noticed."""


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
    infos = {name: source.info for name, source in (opened or {}).items()}
    ready: dict[str, Source] = {}
    desks: dict[str, _Desk] = {}
    with contextlib.ExitStack() as held:
        for name, source in (opened or {}).items():
            held.callback(source.close)
            ready.setdefault(watch.cameras[name].url, source)

        def open_first(url: str, options: SourceOptions) -> Source:
            return ready.pop(url, None) or open_by_options(url, options)

        lines = JsonLines(watch.paths.events) if watch.paths.events is not None else None
        if lines is not None:
            held.callback(lines.close)
        told = _Told(desks, None if lines is None else EventLines(lines), on_notice)
        engine = Engine(tell=told.hear, model=watch.model, open_source=open_first)
        held.callback(_conclude, desks.values())
        held.callback(engine.close)
        if detector is None:
            # First, for it takes seconds, in which cameras would run on with nobody looking.
            engine.lanes.open(engine.look_of(watch.pipeline))
        for name, spec in watch.cameras.items():
            desk = _Desk(
                name, watch, paths=files[name], info=infos.get(name), events=lines, on_frame=on_frame
            )
            desks[name] = desk
            engine.add_camera(name, spec, live=watch.live, insists=watch.insists)
            engine.add_pipeline(name, watch.pipeline, camera=name, listener=desk, detector=detector)
            desk.watch(engine, name)
        for desk in desks.values():
            desk.summary.model = engine.lanes.all[0].lane.description
        if onlooker is not None:
            held.enter_context(onlooker(engine))
        failure: Exception | None = None
        while failure is None and not all(desk.over for desk in desks.values()) and not stop.wait(_LOOK_S):
            failure = _failure(engine, watch)
        failure = failure or _failure(engine, watch)
        given_up, status = _given_up(engine), engine.status()
        for desk in desks.values():
            desk.summary.interrupted = stop.is_set() and not desk.over
    failure = failure or next((d.outlet.error for d in desks.values() if d.outlet.error is not None), None)
    if failure is not None:
        raise failure
    return Watched([desk.summary for desk in desks.values()], status, given_up)


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


def _conclude(desks: Iterable[_Desk]) -> None:
    # On a stack, so that a report that cannot be written keeps no other from being so.
    with contextlib.ExitStack() as ending:
        for desk in desks:
            ending.callback(desk.conclude)


def _failure(engine: Engine, watch: Watch) -> Exception | None:
    """Return what ends the whole watch: a file that cannot be written, no camera that is left."""
    for member in list(engine.members.values()):
        if member.failure is not None:
            return member.failure
    given_up = _given_up(engine)
    if len(given_up) == len(engine.cameras):
        return next(iter(given_up.values()))
    never = (e for n, e in given_up.items() if engine.stream_of(n).counts.connections == 0)
    return None if watch.insists else next(never, None)


def _given_up(engine: Engine) -> dict[str, SourceError]:
    cameras = list(engine.cameras.items())
    return {name: c.error for name, c in cameras if c.over.is_set() and c.error is not None}


class _Told:
    """What is told besides results: counted, written beside the events, passed on."""

    def __init__(
        self,
        desks: Mapping[str, _Desk],
        events: EventLines | None,
        on_notice: Callable[[Notice], None] | None,
    ) -> None:
        self._desks = desks
        self._events = events
        self._on_notice = on_notice
        self._lock = threading.Lock()

    def hear(self, notice: Notice) -> None:
        with self._lock:
            self._desks[notice.camera].summary.count_events(notice.events, notice.alerts)
        self._desks[notice.camera].keep(notice.pictures)
        if self._events is not None:
            self._events.tell(notice.events)
        if self._on_notice is not None:
            self._on_notice(notice)


class _Desk:
    """Takes the results of one camera: counts, writes, and stops taking at the limit."""

    def __init__(
        self,
        name: str,
        watch: Watch,
        *,
        paths: Paths,
        info: SourceInfo | None,
        events: JsonLines | None,
        on_frame: Callable[[RunSummary], None] | None,
    ) -> None:
        spec = watch.cameras[name]
        nothing = SourceInfo(name, "stream", live=True, width=0, height=0)
        self.full = False
        """True when the limit was reached."""
        self.summary = RunSummary(info or nothing, watch.model.path)
        self._snapshots = paths.snapshots
        self._outputs = Outputs(
            paths,
            watch.pipeline,
            kind=self.summary.source.kind,
            fps=watch.pipeline.fps or spec.fps or self.summary.source.fps,
            events=events,
        )
        self._left = watch.limit
        self._on_frame = on_frame
        self._began_s = time.perf_counter()
        self._member: Member | None = None
        self._camera: EngineCamera | None = None
        self.outlet = Outlet(self._outputs.sinks, patient=not watch.live, on_written=self._written)

    @property
    def over(self) -> bool:
        """True when nothing more is to come, or to be taken."""
        if self.full or self._member is None or self._camera is None:
            return self.full
        return self._camera.over.is_set() and self._member.feed.over

    def watch(self, engine: Engine, name: str) -> None:
        """Remember where the figures are; the model is open now, and time begins to count."""
        self._began_s = time.perf_counter()
        self._member, self._camera = engine.members[name], engine.cameras[name]

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        if self.full:
            return
        left_out = self.outlet.left_out
        self.outlet.write(result)
        if self._left is not None and self.outlet.left_out == left_out:
            self._left -= 1
            self.full = self._left == 0

    def keep(self, pictures: Sequence[HealthPicture]) -> None:
        """Write what the camera showed before and after it fell ill or was well again."""
        if self._snapshots is None:
            return
        for picture in pictures:
            for when, pixels in (("before", picture.before), ("after", picture.after)):
                if pixels is not None:
                    name = f"{picture.type}-{picture.at:%Y%m%dT%H%M%S}-{picture.event_id}-{when}.jpg"
                    write_file(self._snapshots / name, encode_picture(pixels))

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Finish the files."""
        self.outlet.finish(still_open)

    def conclude(self) -> None:
        """Complete the sums, now that nothing changes any more, and write the report."""
        if self._member is None or self._camera is None:
            self.outlet.finish(())
            return
        self._add_up(self._member, self._camera, concluding=True)
        self._outputs.conclude(self.summary)

    def _written(self, result: FrameResult) -> None:
        self.summary.count(result)
        self.summary.wall_s = time.perf_counter() - self._began_s
        if self._on_frame is not None and self._member is not None and self._camera is not None:
            self._add_up(self._member, self._camera)
            self._on_frame(self.summary)

    def _add_up(self, member: Member, camera: EngineCamera, *, concluding: bool = False) -> None:
        summary, counts, meters = self.summary, member.counts, member.meters
        info = camera.info
        if info is not None:
            summary.source = replace(info, name=camera.name)
        summary.decoded, summary.corrupt, summary.skipped = counts.decoded, counts.corrupt, counts.skipped
        summary.dropped_stale, summary.dropped_full = counts.dropped_stale, counts.dropped_full
        summary.gated = counts.gated
        summary.left_out = self.outlet.left_out
        if not (concluding and camera.over.is_set()):  # a recording ended with its last result
            summary.wall_s = time.perf_counter() - self._began_s
        summary.stage_s = {"wait": meters.wait.sum, "infer": meters.infer.sum, "steps": meters.steps.sum}
