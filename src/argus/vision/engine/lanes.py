"""Which models are open, who uses them, and how another takes over.

A lane is opened for the first pipeline that wants its model and closed after the last. To swap a
model is to open another lane beside it and to move the feeds over between two batches; where the
new one cannot be opened, nothing has changed.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np

from argus.core.errors import ModelUnavailable
from argus.core.frame import Frame
from argus.vision.engine.lane import Lane, Member
from argus.vision.engine.models import LaneSpec
from argus.vision.engine.turned_lane import TurnedLane
from argus.vision.models.protocols import Detector
from argus.vision.pictures import ArrayPicture

OpenModel = Callable[[LaneSpec], Detector]
Broken = Callable[[Lane, ModelUnavailable], None]


@dataclass(eq=False, slots=True)
class OpenLane:
    """A lane and what it was opened for."""

    lane: Lane
    spec: LaneSpec


class Lanes:
    """The open models of one engine. Safe from any thread; opening one blocks only who wants it."""

    def __init__(
        self,
        open_: OpenModel,
        on_failure: Broken,
        *,
        turned: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none; `turned` gives them no threads, see `turned_lane`."""
        self._open = open_
        self._turned = turned
        self._kind = TurnedLane if turned else Lane
        self._on_failure = on_failure
        self._clock = clock
        self._lanes: dict[str, OpenLane] = {}
        self._closing: list[threading.Thread] = []
        # Held while a model is opened: two pipelines that start together share it.
        self._opening = threading.RLock()

    @property
    def all(self) -> tuple[OpenLane, ...]:
        """Those that are open."""
        return tuple(self._lanes.values())

    def of(self, member: Member) -> OpenLane | None:
        """Return the one that looks for a pipeline."""
        return next((o for o in self.all if member in o.lane.members), None)

    def open(self, spec: LaneSpec) -> OpenLane:
        """Return the lane of a model, opened and warmed up if it is not yet.

        Raises:
            ModelError: it cannot be opened.
        """
        key = spec.key
        with self._opening:
            known = self._lanes.get(key)
            if known is not None and known.lane.failure is None:
                return known
            detector = self._open(spec)
            if not self._turned:  # a recording does not age while the first inference takes longer
                try:
                    warm_up(detector)
                except BaseException:
                    detector.close()
                    raise
            lane = self._kind(detector, name=spec.model.path, on_failure=self._on_failure, clock=self._clock)
            opened = OpenLane(lane, spec)
            if known is not None:
                self._lanes[f"{key} failed at {self._clock()}"] = known
            self._lanes[key] = opened
            lane.start()
            return opened

    def adopt(self, detector: Detector, spec: LaneSpec) -> OpenLane:
        """Take over a detector that somebody else has opened."""
        lane = self._kind(detector, on_failure=self._on_failure, clock=self._clock)
        opened = OpenLane(lane, spec)
        with self._opening:
            self._lanes[f"{spec.key} {id(detector)}"] = opened
        lane.start()
        return opened

    def attach(self, member: Member, spec: LaneSpec) -> OpenLane:
        """Let a pipeline be looked at by a model, opened if need be, and no longer by the one before.

        Raises:
            ModelError: it cannot be opened; the pipeline stays where it was.
        """
        with self._opening:
            opened = self.open(spec)
            self.move([member], opened)
            return opened

    def move(self, members: Iterable[Member], to: OpenLane) -> None:
        """Let pipelines be looked at by another lane, from their next frame on."""
        with self._opening:
            for member in members:
                before = self.of(member)
                if before is to:
                    continue
                to.lane.attach(member)
                if before is not None:
                    before.lane.detach(member)
            self._retire()

    def release(self, member: Member) -> None:
        """Look for a pipeline no longer."""
        with self._opening:
            before = self.of(member)
            if before is not None:
                before.lane.detach(member)
            self._retire()

    def close(self) -> None:
        """Finish what is under way and close all models."""
        with self._opening:
            lanes = [opened.lane for opened in self._lanes.values()]
            self._lanes.clear()
            closing, self._closing = self._closing, []
        for lane in lanes:
            lane.close()
        for thread in closing:
            thread.join()

    def _retire(self) -> None:
        """Close the models that nobody uses any more."""
        for key, opened in list(self._lanes.items()):
            if not opened.lane.members:
                del self._lanes[key]
                # Beside, for closing waits for what is under way.
                closing = threading.Thread(target=opened.lane.close, name="argus-close-model", daemon=True)
                self._closing = [*(t for t in self._closing if t.is_alive()), closing]
                closing.start()


def warm_up(detector: Detector, size: tuple[int, int] = (480, 640)) -> None:
    """Let a model look at grey pictures once, so that its first real look is no slower than the others.

    Raises:
        ModelUnavailable: the engine fails at it.
    """
    grey = ArrayPicture(np.full((*size, 3), 114, np.uint8))
    frame = Frame(grey, "warm-up", 0, 0.0, datetime.now(UTC))
    detector.detect([frame] * max(1, int(getattr(detector, "batch", 1))))
