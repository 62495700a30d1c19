"""What the engine's tests are made of: frames without a camera, a detector without a network."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable, ModelUnreadable
from argus.core.frame import Frame
from argus.vision.engine.feed import Taken
from argus.vision.engine.lane import Lane
from argus.vision.engine.models import LaneSpec
from argus.vision.pictures import ArrayPicture
from argus.vision.results import Event, FrameResult
from tests.sources.settling import comes_true

_PIXELS = ArrayPicture(np.full((32, 48, 3), 80, np.uint8))


def frame(index: int, *, source: str = "cam", fps: float = 10.0, received_s: float | None = None) -> Frame:
    """A grey frame."""
    return Frame(_PIXELS, source, index, index / fps, datetime.now(UTC), None, received_s)


class Clock:
    """Monotonic seconds that pass when told."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


class Finder:
    """A detector that finds one object in each frame and remembers its batches; it can be held and broken."""

    labels: tuple[str, ...] = ("thing",)

    def __init__(
        self, name: str = "finder", *, batch: int = 1, clock: Clock | None = None, takes_s: float = 0.0
    ) -> None:
        self.name = name
        self.batch = batch
        self.batches: list[list[Frame]] = []
        self.broken = False
        self.closed = False
        self.free = threading.Event()
        self.free.set()
        self._clock = clock
        self._takes_s = takes_s

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.free.wait()
        if self.closed:
            raise ModelUnavailable(f"{self.name} was closed")
        if self.broken:
            raise ModelUnavailable(f"{self.name} has vanished")
        if frames[0].source != "warm-up":
            self.batches.append(list(frames))
        if self._clock is not None:
            self._clock.now_s += self._takes_s
        box = np.array([[4, 4, 20, 28]], np.float32)
        return [
            Detections(box, np.array([0.9], np.float32), np.array([0], np.int32), self.labels) for _ in frames
        ]

    def close(self) -> None:
        self.closed = True


@dataclass(frozen=True)
class Flying:
    """An inference that is done when somebody waits for it."""

    detector: AsyncFinder
    frames: list[Frame]

    def result(self) -> list[Detections]:
        return self.detector.detect(self.frames)


class AsyncFinder(Finder):
    """The same, with several inferences under way at once."""

    depth = 2

    def __init__(
        self, name: str = "finder", *, batch: int = 1, clock: Clock | None = None, takes_s: float = 0.0
    ) -> None:
        super().__init__(name, batch=batch, clock=clock, takes_s=takes_s)
        self.submitted: list[list[Frame]] = []

    def submit(self, frames: Sequence[Frame]) -> Flying:
        if self.broken:
            raise ModelUnavailable(f"{self.name} has vanished")
        self.submitted.append(list(frames))
        return Flying(self, list(frames))


@dataclass(frozen=True)
class SlowFlying(Flying):
    """One that can be waited for: it is done when its detector says that it has landed."""

    detector: SlowFinder

    def ready(self, timeout_s: float) -> bool:
        return self.detector.landed.wait(timeout_s)

    def result(self) -> list[Detections]:
        assert self.detector.landed.wait(10), "nobody let it land"
        return super().result()


class SlowFinder(AsyncFinder):
    """An asynchronous one whose inferences last until `landed` is set."""

    def __init__(
        self, name: str = "slow", *, depth: int = 3, batch: int = 1, clock: Clock | None = None
    ) -> None:
        super().__init__(name, batch=batch, clock=clock)
        self.depth = depth
        self.landed = threading.Event()

    def submit(self, frames: Sequence[Frame]) -> SlowFlying:
        super().submit(frames)
        return SlowFlying(self, list(frames))

    @property
    def under_way(self) -> list[list[int]]:
        """The frames of each inference that nobody has asked the result of."""
        return [[f.index for f in batch] for batch in self.submitted[len(self.batches) :]]


class Watcher:
    """A member of a lane that remembers what it was given."""

    def __init__(self, feed: object, *, max_age_s: float | None = None) -> None:
        from argus.vision.engine.feed import Feed

        assert isinstance(feed, Feed)
        self.feed = feed
        self.max_age_s = max_age_s
        self.seen: list[int] = []
        self.models: list[str] = []
        self.ages_s: list[float] = []

    def consume(self, taken: Taken, detections: Detections, lane: Lane, inferred_s: float) -> bool:
        assert len(detections) == 1
        self.seen.append(taken.frame.index)
        self.models.append(lane.name)
        self.ages_s.append(taken.taken_s - taken.born_s)
        return True


class Models:
    """Opens finders by name and remembers them."""

    def __init__(self) -> None:
        self.opened: list[AsyncFinder] = []
        self.refused: set[str] = set()
        self.batch = 1

    def open(self, spec: LaneSpec) -> AsyncFinder:
        if spec.model.path in self.refused:
            raise ModelUnreadable(f"model {spec.model.path}: no such file")
        finder = AsyncFinder(f"{spec.model.path} on {spec.model.device}", batch=self.batch)
        self.opened.append(finder)
        return finder


class Listener:
    """Remembers what a pipeline found."""

    def __init__(self) -> None:
        self.results: list[FrameResult] = []
        self.finished: list[tuple[Event, ...]] = []

    def write(self, result: FrameResult) -> None:
        self.results.append(result)

    def finish(self, still_open: tuple[Event, ...]) -> None:
        self.finished.append(still_open)

    @property
    def models(self) -> list[str]:
        """Who looked, in order, each once in a row."""
        names: list[str] = []
        for result in self.results:
            if not names or names[-1] != result.model:
                names.append(result.model)
        return names

    def waits_for(self, more: int) -> bool:
        goal = len(self.results) + more
        return comes_true(lambda: len(self.results) >= goal)
