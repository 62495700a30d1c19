"""The figures for `capacity`: one engine with more and more cameras like one, and each part alone."""

from __future__ import annotations

import tempfile
import time
from collections import deque
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path
from typing import Final, Self

from argus.core.allowance import core_share, memory_bytes
from argus.core.detections import Detections
from argus.core.errors import SourceUnreachable, SourceUnreadable
from argus.core.frame import Frame, Picture
from argus.core.metrics import HistogramSnapshot
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.core.urls import mask_url
from argus.vision.bench.capacity import Alone, Capacity, Goal, Load, find_capacity
from argus.vision.bench.machine_load import rss_bytes, shared_busy_s
from argus.vision.bench.playing import Played
from argus.vision.engine.accounting import FrameCounts
from argus.vision.engine.engine import Engine
from argus.vision.engine.member import Member
from argus.vision.models import load_detector
from argus.vision.models.protocols import AsyncDetector, Detector, Pending
from argus.vision.results import FrameResult
from argus.vision.sinks.video import AnnotatedVideo
from argus.vision.sources import open_source
from argus.vision.sources.hub import open_by_options
from argus.vision.sources.options import SourceOptions
from argus.vision.sources.protocol import Source

_FILM_S: Final = 30
"""Length of the recording that a synthetic scene is made into."""
_SAMPLE: Final = 60
_SAMPLE_S: Final = 3.0
"""Frames, and seconds at most, over which decoding and inference are measured alone."""
_ONLINE_S: Final = 20.0
"""How long cameras may take to come online."""
_SETTLE_S: Final = 2.0

Say = Callable[[str], None]


def measure_capacity(
    source: str,
    model: ModelSpec,
    *,
    fps: float | None = None,
    goal: Goal | None = None,
    most: int = 64,
    seconds: float = 5.0,
    say: Say = lambda _: None,
) -> tuple[Capacity, Alone]:
    """Return how many cameras like `source` this machine holds, and what each part can do alone.

    Args:
        source: A recording, which is repeated; a synthetic scene, which is encoded first, for a camera's
            frames are decoded and not drawn; or a camera, connected to so many times.
        model: Looks at all frames; objects are tracked.
        fps: Frames per second and camera that are wanted; None: as many as the source has.
        goal: What must hold.
        most: Cameras to try at most.
        seconds: How long each number of cameras is measured, once it has settled; longer where frames are
            so rare that less than two of each would be due.
        say: Hears how it goes.

    Raises:
        SourceError: the source cannot be opened, or not often enough.
        ModelError: the model cannot be opened.
    """
    goal = goal or Goal()
    with ExitStack() as held:
        if source.startswith("synthetic:"):
            say("encoding the scene")
            folder = held.enter_context(tempfile.TemporaryDirectory())
            source = _film(source, Path(folder) / "scene.mp4")
        say("each part alone")
        alone = _alone(source, model, fps)
        say(
            f"decoding alone: {1000 * alone.decode_s:.1f} ms of processor time per frame; "
            f"inference alone: {alone.inference_fps:.0f} frames/s; wanted: {alone.fps:g} frames/s per camera"
        )
        fleet = held.enter_context(_Fleet(source, model, fps, alone.fps, seconds))

        def measure(cameras: int) -> Load:
            load = fleet.measure(cameras)
            say(
                f"{cameras} camera{'s' if cameras > 1 else ''}: {load.looked_share:.0%} looked at, "
                f"p95 age {1000 * load.p95_age_s:.0f} ms, model busy {load.busy:.0%}, "
                f"{load.cores:.1f} cores: {'holds' if load.holds(goal) else 'does not hold'}"
            )
            return load

        return find_capacity(measure, goal, alone, most), alone


class _Fleet:
    """So many cameras in an engine as are asked for."""

    def __init__(
        self, source: str, model: ModelSpec, fps: float | None, wanted_fps: float, seconds: float
    ) -> None:
        self._source = source
        self._fps = fps
        self._wanted_fps = wanted_fps
        # Two frames of each are due in it, whatever the rate: of none it could not be told whether it comes.
        self._seconds = max(seconds, 2 / wanted_fps)
        self._opened = 0
        self._engine = Engine(model=model, open_source=self._open)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *ended: object) -> None:
        self._engine.close()

    def measure(self, cameras: int) -> Load:
        """Return how the engine does with so many cameras.

        Raises:
            SourceError: one of them cannot be opened.
        """
        self._become(cameras)
        time.sleep(min(_SETTLE_S, self._seconds))
        members = list(self._engine.members.values())
        lane = self._engine.lanes.all[0].lane
        before = [_Before(member) for member in members]
        began_s, cpu_s, all_s, busy_s = (
            time.perf_counter(), time.process_time(), shared_busy_s(), lane.counts.busy_s
        )  # fmt: skip
        time.sleep(self._seconds)
        wall_s = time.perf_counter() - began_s
        cores = (time.process_time() - cpu_s) / wall_s
        everyone = (shared_busy_s() - all_s) / wall_s
        counts = [one.counts() for one in before]
        ages = HistogramSnapshot().merged(one.ages() for one in before)
        looked = sum(count.processed + count.gated for count in counts)
        # A frame that was due just outside of the window is nobody's fault.
        wanted = cameras * max(1.0, self._wanted_fps * wall_s - 1)
        return Load(
            cameras=cameras,
            looked_share=min(1.0, looked / wanted),
            p95_age_s=ages.quantile(0.95) if ages.count else float("inf"),
            busy=min(1.0, (lane.counts.busy_s - busy_s) / wall_s),
            cores=cores,
            other_cores=max(0.0, everyone - cores),
            rss_bytes=rss_bytes(),
        )

    def _become(self, cameras: int) -> None:
        engine = self._engine
        spec = PipelineSpec.read({"track": {}} | ({} if self._fps is None else {"fps": self._fps}), "bench")
        for number in range(len(engine.cameras), cameras):
            name = f"cam{number}"
            # A fragment makes each address its own: readers of one address would share one decode.
            address = f"{self._source}#{name}"
            engine.add_camera(name, CameraSpec(url=address), insists=False)
            engine.add_pipeline(name, spec, camera=name)
        for name in list(engine.cameras)[cameras:]:
            engine.remove_camera(name)
        within_s = _ONLINE_S + 1 / self._wanted_fps  # they do not begin at one moment; see `_open`
        until = time.monotonic() + within_s
        while not all(camera.decoded for camera in engine.cameras.values()):
            for name, camera in engine.cameras.items():
                if camera.over.is_set():
                    raise camera.error or SourceUnreadable(f"{mask_url(self._source)} ended as {name}")
                if time.monotonic() > until:
                    raise SourceUnreachable(
                        f"{mask_url(self._source)} gives {name} no frame in {within_s:.0f} s: it may not "
                        "serve so many readers; try --max, or a recording of it"
                    )
            time.sleep(0.05)

    def _open(self, url: str, options: SourceOptions) -> Source:
        source = open_by_options(url.rpartition("#")[0], replace(options, loop=True))
        if source.info.live:
            return source
        self._opened += 1
        # The golden ratio spreads any number of cameras evenly over the time between two frames.
        return Played(source, begins_in_s=(0.618 * self._opened % 1.0) / self._wanted_fps)


class _Before:
    """Where a pipeline's figures stood when a measurement began."""

    def __init__(self, member: Member) -> None:
        self._member = member
        self._counts, self._ages = member.counts, member.meters.age.snapshot()

    def counts(self) -> FrameCounts:
        return self._member.counts.minus(self._counts)

    def ages(self) -> HistogramSnapshot:
        return self._member.meters.age.snapshot().minus(self._ages)


def _alone(source: str, model: ModelSpec, fps: float | None) -> Alone:
    """Measure decoding and inference, one after the other, with nothing beside them."""
    pictures: deque[Picture] = deque(maxlen=16)
    with open_source(source, fps=fps, loop=True) as opened:
        if opened.info.kind in ("image", "folder"):
            raise SourceUnreadable(f"{mask_url(source)} is made of single pictures: give a video or a camera")
        nominal_fps, live = opened.info.fps, opened.info.live
        frames = iter(opened)
        pictures.append(next(frames).picture)  # opening is not to be counted
        began_s, cpu_s, count = time.perf_counter(), time.process_time(), 0
        for frame in islice(frames, _SAMPLE):
            pictures.append(frame.picture)
            count += 1
            if time.perf_counter() - began_s > _SAMPLE_S:
                break
        cpu_s, wall_s = time.process_time() - cpu_s, time.perf_counter() - began_s
    if not count:
        raise SourceUnreadable(f"{mask_url(source)} is a single picture: give a video or a camera")
    own_fps = nominal_fps or (count / wall_s if live else 25.0)
    detector = load_detector(model)
    try:
        alone_fps = inference_fps(detector, list(pictures))
    finally:
        detector.close()
    return Alone(
        fps=own_fps if fps is None else min(fps, own_fps),
        decode_s=cpu_s / count,
        inference_fps=alone_fps,
        cores=core_share(),
        free_bytes=memory[1] if (memory := memory_bytes()) else 1 << 62,
    )


def inference_fps(detector: Detector, pictures: list[Picture]) -> float:
    """Return the frames per second that a detector prepares and looks at, kept as busy as it can be."""
    batch = max(1, int(getattr(detector, "batch", 1)))
    frames = [Frame(pictures[i % len(pictures)], "bench", i, i / 30, datetime.now(UTC)) for i in range(batch)]
    detector.detect(frames)
    flying: deque[Pending[list[Detections]]] = deque()
    count, began_s = 0, time.perf_counter()
    while count < 2 * batch or time.perf_counter() - began_s < _SAMPLE_S / 2:
        if isinstance(detector, AsyncDetector):
            flying.append(detector.submit(frames))
            if len(flying) >= max(1, detector.depth):
                flying.popleft().result()
        else:
            detector.detect(frames)
        count += batch
    while flying:
        flying.popleft().result()
    return count / (time.perf_counter() - began_s)


def _film(scene: str, path: Path) -> str:
    """Encode some seconds of a synthetic scene and return where they are."""
    with open_source(scene) as source:
        fps = source.info.fps or 25.0
        video = AnnotatedVideo(path, lambda result: result.frame.bgr, fps=fps)
        try:
            for frame in islice(source, max(2, round(_FILM_S * fps))):
                video.write(FrameResult(frame, Detections.empty()))
            video.finish(())
        finally:
            video.close()
    return str(path)
