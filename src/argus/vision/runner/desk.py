"""Where the results of one camera arrive: counted, written, summed up, and refused past the limit.

Which cameras there are and when all is over is `cameras`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace

from argus.vision.engine.camera import EngineCamera
from argus.vision.engine.engine import Engine
from argus.vision.engine.lane import LaneCounts
from argus.vision.engine.member import Member
from argus.vision.engine.outlet import Outlet, Straight, Way
from argus.vision.engine.shadow import Shadow
from argus.vision.health import HealthPicture
from argus.vision.results import Event, FrameResult
from argus.vision.runner.outputs import Outputs
from argus.vision.runner.recording import ALWAYS_THERE, Recording
from argus.vision.runner.summary import RunSummary
from argus.vision.sinks.pictures import encode_picture, write_file
from argus.vision.sources.protocol import Source

Progress = Callable[[RunSummary], None]


class Desk:
    """Takes the results of one of many; see `Listener`."""

    def __init__(
        self,
        summary: RunSummary,
        outputs: Outputs,
        *,
        patient: bool,
        limit: int | None = None,
        on_frame: Progress | None = None,
    ) -> None:
        """Begin to wait for results.

        Args:
            summary: Is completed.
            outputs: Takes them.
            patient: True lets the pipeline wait for slow files, instead of leaving results out.
            limit: Results after which no more are taken.
            on_frame: Called after each was written, with the sums so far.
        """
        self.summary = summary
        self.full = False
        """True when the limit was reached."""
        self._outputs = outputs
        self._left = limit
        self._on_frame = on_frame
        self._began_s = time.perf_counter()
        self._member: Member | None = None
        self._camera: EngineCamera | None = None
        self._way = self._way_to(outputs, patient)

    def _way_to(self, outputs: Outputs, patient: bool) -> Way:
        return Outlet(outputs.sinks, patient=patient, on_written=self._written)

    @property
    def over(self) -> bool:
        """True when nothing more is to come, or to be taken."""
        if self.full or self._member is None or self._camera is None:
            return self.full
        return self._camera.over.is_set() and self._member.feed.over

    @property
    def error(self) -> Exception | None:
        """What broke a file."""
        return self._way.error

    def interrupted(self, stop: threading.Event) -> bool:
        """Return whether a run that ends now was cut short."""
        return stop.is_set() and not self.over

    def watch(self, engine: Engine, name: str) -> None:
        """Remember where the figures are; the model is open now, and time begins to count."""
        self._began_s = time.perf_counter()
        self._member, self._camera = engine.members[name], engine.cameras[name]

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        if self.full:
            return
        left_out = self._way.left_out
        self._way.write(result)
        if self._left is not None and self._way.left_out == left_out:
            self._left -= 1
            self.full = self._left == 0

    def keep(self, pictures: Sequence[HealthPicture]) -> None:
        """Write what the camera showed before and after it fell ill or was well again."""
        folder = self._outputs.paths.snapshots
        if folder is None:
            return
        for picture in pictures:
            for when, pixels in (("before", picture.before), ("after", picture.after)):
                if pixels is not None:
                    name = f"{picture.type}-{picture.at:%Y%m%dT%H%M%S}-{picture.event_id}-{when}.jpg"
                    write_file(folder / name, encode_picture(pixels))

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Finish the files."""
        self._way.finish(still_open)

    def failed(self, error: Exception) -> None:
        """Leave it to the end of the watch to say so; see `HearsFailure`."""

    def conclude(self) -> None:
        """Complete the sums, now that nothing changes any more, and write the reports."""
        if self._member is None or self._camera is None:
            self._way.finish(())
            return
        self._add_up(self._member, self._camera, concluding=True)
        shadow = self._member.comparison
        agreement = shadow.agreement.report() if isinstance(shadow, Shadow) else None
        self._outputs.conclude(self.summary, agreement)

    def _written(self, result: FrameResult) -> None:
        self.summary.count(result)
        self.summary.wall_s = time.perf_counter() - self._began_s
        if self._on_frame is not None and self._member is not None and self._camera is not None:
            self._add_up(self._member, self._camera)
            self._on_frame(self.summary)

    def _add_up(self, member: Member, camera: EngineCamera, *, concluding: bool = False) -> None:
        summary, counts, meters = self.summary, member.counts, member.meters
        if camera.info is not None:
            summary.source = replace(camera.info, name=camera.name)
        summary.decoded, summary.corrupt, summary.skipped = counts.decoded, counts.corrupt, counts.skipped
        summary.dropped_stale, summary.dropped_full = counts.dropped_stale, counts.dropped_full
        summary.gated = counts.gated
        summary.left_out = self._way.left_out
        if not (concluding and camera.over.is_set()):  # a recording ended with its last result
            summary.wall_s = time.perf_counter() - self._began_s
        summary.stage_s = {"wait": meters.wait.sum, "infer": meters.infer.sum, "steps": meters.steps.sum}


class RecordingDesk(Desk):
    """Takes the results of a recording that is looked at alone; see `recording`.

    The limit is kept before frames are decoded, and the sums say what the source met.
    """

    def __init__(
        self,
        summary: RunSummary,
        outputs: Outputs,
        source: Source,
        *,
        stop: threading.Event,
        limit: int | None = None,
        on_frame: Progress | None = None,
    ) -> None:
        """Begin to wait for results.

        Args:
            summary: Is completed.
            outputs: Takes them.
            source: The recording, opened.
            stop: When set, no further frame is taken.
            limit: Frames to look at, at most.
            on_frame: Called after each was written, with the sums so far.
        """
        self.recording = Recording(source, self._enough)
        """To be read instead of the source."""
        self._straight = source.info.kind in ALWAYS_THERE
        self._stop = stop
        self._most = limit
        self._lane: LaneCounts | None = None
        self._sinks_s = self._told_s = 0.0
        super().__init__(summary, outputs, patient=True, on_frame=on_frame)

    def _way_to(self, outputs: Outputs, patient: bool) -> Way:
        return Straight(outputs.sinks) if self._straight else super()._way_to(outputs, patient)

    def interrupted(self, stop: threading.Event) -> bool:
        """Return whether a run that ends now was cut short."""
        return stop.is_set()

    def watch(self, engine: Engine, name: str) -> None:
        """Remember where the figures are."""
        opened = engine.lanes.of(engine.members[name])
        self._lane = None if opened is None else opened.lane.counts
        super().watch(engine, name)

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        clock = time.perf_counter
        began_s = clock()
        self._way.write(result)
        written_s = clock()
        self._sinks_s += written_s - began_s
        if self._straight:
            self._written(result)
            self._told_s += clock() - written_s

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Finish the files."""
        super().finish(still_open)
        self.summary.wall_s = time.perf_counter() - self._began_s

    def _enough(self) -> bool:
        if self._stop.is_set() or self._member is None or self._most is None:
            return self._stop.is_set()
        counts = self._member.feed.counts
        return counts.on_the_way + counts.processed >= self._most

    def _add_up(self, member: Member, camera: EngineCamera, *, concluding: bool = False) -> None:
        summary, met = self.summary, self.recording.counters
        counts = member.feed.counts
        summary.decoded, summary.skipped, summary.problems = met.decoded, met.skipped, list(met.problems)
        summary.corrupt = counts.corrupt if concluding else met.corrupt
        summary.gated = counts.gated
        steps_s = member.meters.steps.sum
        summary.stage_s = {
            "decode": self.recording.decode_s,
            "submit": 0.0 if self._lane is None else self._lane.submit_s,
            "wait": 0.0 if self._lane is None else self._lane.wait_s,
            "rules": max(0.0, steps_s - self._sinks_s - self._told_s),
            "sinks": self._sinks_s,
        }
