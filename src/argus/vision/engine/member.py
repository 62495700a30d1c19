"""One pipeline of an engine: what the model saw in a frame goes through its steps to its listener.

The steps are `argus.vision.pipeline`; which model looks, and when, is `lane`. Whatever goes wrong
here ends this pipeline and no other.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol, runtime_checkable

import structlog

from argus.core.detections import Detections
from argus.core.errors import ArgusError
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.track import TrackSpec
from argus.vision.branches.runner import Branches
from argus.vision.engine.accounting import FrameCounts
from argus.vision.engine.feed import Feed, Taken
from argus.vision.engine.ladder import Ladder, Rung
from argus.vision.engine.lane import Lane
from argus.vision.engine.meters import Meters
from argus.vision.engine.models import LaneSpec
from argus.vision.pipeline import Pipeline
from argus.vision.results import Event, FrameResult
from argus.vision.trace import Tracer


class Listener(Protocol):
    """Takes what a pipeline makes of its frames, in order, in the thread of its model: it must be quick.

    What writes files or calls servers goes behind an `argus.vision.engine.outlet.Outlet`.
    """

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        ...

    def finish(self, still_open: tuple[Event, ...]) -> None:
        """Take the last state of open events; once, after the last frame."""
        ...


@runtime_checkable
class HearsFailure(Listener, Protocol):
    """A listener that sees to it that somebody learns what ended its pipeline; else that is logged."""

    def failed(self, error: Exception) -> None:
        """Hear it; once, before `finish`, or after where that failed itself."""
        ...


@runtime_checkable
class HearsGivingUp(Listener, Protocol):
    """A listener that is told when its camera is given up; else open events are told by `finish`."""

    def given_up(self, ended: tuple[Event, ...]) -> None:
        """Take the last state of events that ended with the last frame; results may come again."""
        ...


class Comparison(Protocol):
    """Sees what the model saw, to compare a candidate with it; see `shadow`."""

    def offer(self, taken: Taken, detections: Detections, inferred_s: float) -> None:
        """Take a frame with what the model saw in it."""
        ...

    def begin_anew(self, model: str) -> None:
        """Hear that another model is in service."""
        ...

    def close(self) -> None:
        """End."""
        ...


class Member:
    """A pipeline, its feed and its figures; see `argus.vision.engine.flight.Member`."""

    def __init__(
        self,
        name: str,
        spec: PipelineSpec,
        camera: str,
        pipeline: Pipeline,
        feed: Feed,
        listener: Listener | None,
        *,
        look: LaneSpec,
        live: bool,
        branches: Branches | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Put the parts together.

        Args:
            name: The pipeline's.
            spec: What it is to do.
            camera: Whose frames it takes.
            pipeline: The steps; used by one thread at a time.
            feed: Where its frames wait.
            listener: Takes the results; None: nobody.
            look: What looks at its frames in full service.
            live: True where old frames are worth nothing, and what the spec says is given up when the
                pipeline comes to be late. A recording is never late.
            branches: Those of the pipeline, which are closed with it; None: it has none.
            clock: Monotonic seconds.
        """
        self.name = name
        self.spec = spec
        self.camera = camera
        self.meters = Meters()
        self.error: str | None = None
        """What ended it, in words."""
        self.failure: Exception | None = None
        """The same, as it was raised."""
        self.look = look
        self.ladder: Ladder | None
        self.rung: Rung
        """Where it stands on its ladder."""
        self.before = FrameCounts()
        """What became of the frames of the pipelines that this one took over from."""
        self.comparison: Comparison | None = None
        self.last: FrameResult | None = None
        self.tracer: Tracer | None = None
        """Collects what it does, where somebody wants to know."""
        self._pipeline = pipeline
        self._feed = feed
        self.listener = listener
        self._live = live
        self._branches = branches
        self._clock = clock
        self._finished = False
        self._broken_off: FrameResult | None = None
        self._ending = threading.Lock()
        self._set_ladder()

    @property
    def feed(self) -> Feed:
        """Where its frames wait."""
        return self._feed

    @property
    def track(self) -> TrackSpec | None:
        """How its objects are followed; see `argus.vision.engine.assembly.followed_at`."""
        return self._pipeline.spec.track

    @property
    def max_age_s(self) -> float | None:
        """Its freshness budget; None for recordings."""
        return self.spec.max_age if self._live else None

    @property
    def fps(self) -> float | None:
        """Frames per second that it shall take at most, where it stands on its ladder."""
        return self.spec.fps if self.ladder is None else self.rung.fps

    @property
    def patient(self) -> bool:
        """True where every frame counts, and none is late: a recording."""
        return not self._live

    @property
    def matches_live(self) -> bool:
        """True where live objects are matched: followed, or those of two models compared."""
        return self._live and (self.spec.track is not None or self.comparison is not None)

    @property
    def counts(self) -> FrameCounts:
        """What became of its frames."""
        return self._feed.counts.plus(self.before)

    def respec(self, spec: PipelineSpec, look: LaneSpec) -> None:
        """Take another model, filter, rate, freshness budget and ladder, and go on with the tracks."""
        self.spec = spec
        self._pipeline.spec = spec.model_copy(update={"track": self.track})
        self._feed.set_max_age(spec.max_age if self._live else None)
        self._set_ladder()
        self.look_with(look)

    def look_with(self, look: LaneSpec) -> None:
        """Take another model for full service."""
        before, self.look = self.look, look
        tracer, comparison = self.tracer, self.comparison
        if tracer is not None:
            tracer.respec(self.spec, look.model)
        if comparison is not None and look != before:
            comparison.begin_anew(look.model.path)

    def consume(self, taken: Taken, detections: Detections, lane: Lane, inferred_s: float) -> bool:
        """Take what the model saw in one frame; return whether the steps could be run."""
        if self.error is not None:
            return False
        try:
            result = self._pipeline.process(taken.frame, detections, model=lane.name)
            if self._feed.gate is not None:
                self._feed.gate.saw(max(self._pipeline.followed, len(result.detections)))
            self.last = result
            if self.tracer is not None:
                self._trace(self.tracer, detections, result)
            if self.listener is not None:
                self.listener.write(result)
        except Exception as error:  # noqa: BLE001 - one pipeline's trouble must not reach another's
            self._fail(error)
            return False
        done_s = self._clock()
        meters = self.meters
        meters.wait.observe(taken.taken_s - taken.born_s)
        meters.infer.observe(inferred_s - taken.taken_s)
        meters.steps.observe(done_s - inferred_s)
        meters.age.observe(done_s - taken.born_s)
        if result.events:
            meters.event.observe(done_s - taken.born_s)
        if self.comparison is not None and not self.rung.looks_otherwise:
            self.comparison.offer(taken, detections, inferred_s)
        return True

    @property
    def finished(self) -> bool:
        """True when the last state of open events was told."""
        return self._finished

    @property
    def broken_off(self) -> bool:
        """True where `break_off` was called since the last frame."""
        return self.last is self._broken_off

    def break_off(self, why: str) -> None:
        """End open events with the last frame: its camera was given up. No lane may have a frame of it.

        A listener that cannot hear of it is told of them by `finish`.
        """
        with self._ending:
            self._broken_off = self.last
            if self._finished or not isinstance(self.listener, HearsGivingUp):
                return
            try:
                self.listener.given_up(self._pipeline.break_off(why))
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(error)

    def finish(self) -> None:
        """Tell the last state of open events; once, when no lane has a frame of it any more."""
        with self._ending:
            if self._finished:
                return
            self._finished = True
        if self.comparison is not None:
            self.comparison.close()
        still_open = self._pipeline.finish()
        self.discard()
        if self.listener is not None:
            try:
                self.listener.finish(still_open)
            except Exception as error:  # noqa: BLE001 - as above
                self._fail(error)

    def discard(self) -> None:
        """Give back what was opened for it, and tell nobody; `finish` does so too."""
        branches, self._branches = self._branches, None
        if branches is not None:
            branches.close()

    def _trace(self, tracer: Tracer, detections: Detections, result: FrameResult) -> None:
        try:
            tracer.frame(detections, result, self._pipeline.rules)
        except Exception:  # noqa: BLE001 - a second that cannot be explained is no harm to the alerts
            self.tracer = None
            structlog.get_logger().exception("pipeline.not_traced", pipeline=self.name)

    def _set_ladder(self) -> None:
        spec = self.spec
        self.ladder = None
        if self._live and spec.degrade:
            self.ladder = Ladder(spec.degrade, max_age_s=spec.max_age, fps=spec.fps)
        self.rung = Rung() if self.ladder is None else self.ladder.rung

    def _fail(self, error: Exception) -> None:
        self.error = str(error) if isinstance(error, ArgusError) else repr(error)
        self.failure = error
        self._feed.close()
        if isinstance(self.listener, HearsFailure):
            try:
                self.listener.failed(error)
            except Exception:  # noqa: BLE001 - as above
                structlog.get_logger().exception("pipeline.failure_not_heard", pipeline=self.name)
            else:
                return
        structlog.get_logger().error(
            "pipeline.failed",
            pipeline=self.name,
            camera=self.camera,
            error=self.error,
            exc_info=not isinstance(error, ArgusError),
        )
