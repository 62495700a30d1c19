"""The models that look at frames: opened for the first pipeline that wants one, closed after the last.

How they are shared, and how another takes over between two batches, is `argus.vision.branches.sharing`.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from argus.core.errors import ModelUnavailable
from argus.vision.branches.sharing import OpenLane, SharedLanes
from argus.vision.branches.warming import warm_up
from argus.vision.engine.flight import Member
from argus.vision.engine.lane import Lane
from argus.vision.engine.models import LaneSpec
from argus.vision.engine.turned_lane import TurnedLane
from argus.vision.models.protocols import Detector

OpenModel = Callable[[LaneSpec], Detector]
Broken = Callable[[Lane, ModelUnavailable], None]


class Lanes(SharedLanes[LaneSpec, Lane, Member]):
    """Those of one engine."""

    def __init__(
        self,
        open_: OpenModel,
        on_failure: Broken,
        *,
        turned: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin with none; `turned` gives them no threads, see `turned_lane`."""
        super().__init__(self._make_lane)
        self._open = open_
        self._turned = turned
        self._kind = TurnedLane if turned else Lane
        self._on_failure = on_failure
        self._clock = clock

    def adopt(self, detector: Detector, spec: LaneSpec) -> OpenLane[LaneSpec, Lane]:
        """Take over a detector that somebody else has opened; nobody else shares it."""
        lane = self._kind(detector, on_failure=self._on_failure, clock=self._clock)
        with self.changing:
            opened = self._add(OpenLane(lane, spec, shared=False))
        lane.start()
        return opened

    def _make_lane(self, spec: LaneSpec) -> Lane:
        detector = self._open(spec)
        if not self._turned:  # a recording does not age while the first inference takes longer
            warm_up(detector)
        lane = self._kind(detector, name=spec.model.path, on_failure=self._on_failure, clock=self._clock)
        lane.start()
        return lane
