"""A candidate model that looks at a share of the live frames beside the model in service.

It has a lane and a feed of its own, so it is late or loses frames before it delays anything. What
the two saw is compared in `agreement`.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import structlog

from argus.core.detections import Detections
from argus.vision.engine.agreement import Agreement
from argus.vision.engine.feed import Feed, Taken
from argus.vision.engine.lane import Lane

_REMEMBERED: Final = 8
"""Frames of the live model that wait for the candidate's answer."""


class Shadow:
    """One candidate beside one pipeline; a member of the candidate's lane."""

    def __init__(
        self,
        name: str,
        models: tuple[str, str],
        share: float,
        max_age_s: float | None,
        close: Callable[[Shadow], None],
        clock: Callable[[], float],
    ) -> None:
        """Begin without frames.

        Args:
            name: The pipeline's.
            models: The live model and the candidate, for the report.
            share: Part of its frames to look at, in (0, 1].
            max_age_s: Freshness budget.
            close: Takes it out of its lane.
            clock: Monotonic seconds.
        """
        self.agreement = Agreement(names=models)
        self.max_age_s = max_age_s
        self._feed = Feed(f"{name} (shadow)", max_age_s=max_age_s, clock=clock)
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
        self._due += self._share
        if self._due < 1.0:
            return
        self._due -= 1.0
        with self._lock:
            self._live[taken.frame.index] = (detections, inferred_s - taken.taken_s)
            while len(self._live) > _REMEMBERED:
                self._live.popitem(last=False)
        self._feed.offer(taken.frame)

    def consume(self, taken: Taken, detections: Detections, lane: Lane, inferred_s: float) -> bool:
        """Compare what the candidate saw."""
        with self._lock:
            live = self._live.pop(taken.frame.index, None)
        if live is None:
            return False
        try:
            self.agreement.compare(taken.frame, live[0], detections, live[1], inferred_s - taken.taken_s)
        except Exception:  # noqa: BLE001 - a comparison that fails is no reason for a model to stop looking
            structlog.get_logger().exception("shadow.failed", pipeline=self._feed.name)
            return False
        return True

    def close(self) -> None:
        """Take no further frame."""
        self._feed.close()
        self._close(self)
