"""A candidate model that looks at a share of the live frames beside the model in service.

It has a lane and a feed of its own, so beside a camera it is late or loses frames before it delays anything.
A recording waits for it, so that every run compares the same frames. What the two saw is compared in
`agreement`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog

from argus.core.detections import Detections
from argus.core.resources.pipeline import DetectSpec
from argus.vision.engine.boxes import Every
from argus.vision.engine.feed import Feed, Taken
from argus.vision.engine.lane import Lane
from argus.vision.pipeline import filtered

_REMEMBERED: Final = 8
"""Frames of the live model that wait for the candidate's answer."""
_FINISH_S: Final = 30.0
"""How long the last frames of a recording are waited for."""


class Shadow:
    """One candidate beside one pipeline; a member of the candidate's lane."""

    def __init__(
        self,
        name: str,
        models: tuple[str, str],
        detect: DetectSpec,
        share: float,
        close: Callable[[Shadow], None],
        *,
        max_age_s: float | None = None,
        patient: bool = False,
        clock: Callable[[], float],
    ) -> None:
        """Begin without frames.

        Args:
            name: The pipeline's.
            models: The live model and the candidate, for the report.
            detect: What the pipeline keeps of what a model sees; nothing else is compared.
            share: Part of its frames to look at, in (0, 1].
            close: Takes it out of its lane.
            max_age_s: Freshness budget.
            patient: True loses no frame, and makes the pipeline wait for the candidate instead.
            clock: Monotonic seconds.
        """
        # What reports need takes long to load, and few pipelines have a candidate.
        from argus.vision.engine.agreement import Agreement

        self._new = Agreement
        self._models = models
        self.agreement = Agreement(names=models)
        self.max_age_s = max_age_s
        self.patient = patient
        box = Every(_REMEMBERED) if patient else None
        self._feed = Feed(f"{name} (shadow)", box=box, max_age_s=max_age_s, patient=patient, clock=clock)
        self._detect = detect
        self._share = share
        self._due = 1.0
        self._close = close
        self._live: OrderedDict[int, tuple[Detections, float]] = OrderedDict()
        self._lock = threading.Lock()

    @property
    def feed(self) -> Feed:
        """Where its frames wait."""
        return self._feed

    def offer(self, taken: Taken, detections: Detections, inferred_s: float) -> None:
        """Take a frame with what the live model saw in it, if its turn has come."""
        if not self._feed.room:  # it has failed, or was closed
            return
        self._due += self._share
        if self._due < 1.0:
            return
        self._due -= 1.0
        with self._lock:
            self._live[taken.frame.index] = (filtered(detections, self._detect), inferred_s - taken.taken_s)
            while len(self._live) > _REMEMBERED and not self.patient:
                self._live.popitem(last=False)
        self._feed.offer(taken.frame)

    def begin_anew(self, model: str) -> None:
        """Compare with another model that is in service now; what was compared is forgotten."""
        with self._lock:
            self._live.clear()
            self.agreement = self._new(names=(model, self._models[1]))

    def consume(self, taken: Taken, detections: Detections, lane: Lane, inferred_s: float) -> bool:
        """Compare what the candidate saw."""
        with self._lock:
            live, agreement = self._live.pop(taken.frame.index, None), self.agreement
        if live is None:
            return False
        try:
            kept = filtered(detections, self._detect)
            agreement.compare(taken.frame, live[0], kept, live[1], inferred_s - taken.taken_s)
        except Exception:  # noqa: BLE001 - a comparison that fails is no reason for a model to stop looking
            structlog.get_logger().exception("shadow.failed", pipeline=self._feed.name)
            return False
        return True

    def fail(self, error: Exception) -> None:
        """Hear that the candidate cannot go on; the pipeline must not wait for it."""
        structlog.get_logger().warning("shadow.ended", pipeline=self._feed.name, error=str(error))
        self._feed.close()

    def close(self) -> None:
        """Take no further frame; what a patient one has taken is compared first."""
        if self.patient:
            self._feed.complete()
            self._feed.wait_over(_FINISH_S)
        self._feed.close()
        self._close(self)
