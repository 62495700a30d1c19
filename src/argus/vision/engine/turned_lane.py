"""A lane that is turned by the thread that brings it frames, for an engine that looks at one recording.

Handing frames from a decoding thread to a model's costs 0.3 ms of processor time each, which buys nothing
where one recording is all there is: its thread decodes, submits, and takes the oldest result when the engine
is full. Many cameras need `lane`'s own thread, for the model must not wait for any one of them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import cast

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable
from argus.core.frame import Frame
from argus.vision.engine.flight import Member
from argus.vision.engine.lane import Lane
from argus.vision.models.protocols import AsyncDetector, Detector, Pending


class TurnedLane(Lane):
    """See the module. One thread at a time does a step; who comes meanwhile leaves it word and goes on."""

    def __init__(
        self,
        detector: Detector,
        *,
        name: str | None = None,
        on_failure: Callable[[Lane, ModelUnavailable], None] | None = None,
        clock: Callable[[], float],
    ) -> None:
        """Begin without members; see `Lane`."""
        beside = detector if isinstance(detector, AsyncDetector) else Beside(detector)
        super().__init__(beside, name=name, on_failure=on_failure, clock=clock)
        self._turning = threading.Lock()

    def start(self) -> None:
        """Wait for who brings frames."""

    def notify(self) -> None:
        """Hear that a frame waits, or that none will come, and do what follows from that."""
        super().notify()
        self._work()

    def detach(self, member: Member) -> None:
        """Look at it no longer, and finish what was taken."""
        super().detach(member)
        self._work()

    def close(self) -> None:
        """Finish what was taken, and close the model; idempotent."""
        with self._turning:
            super().close()

    def _work(self) -> None:
        # Word that is left while somebody works is found before or after the lock is given back.
        while self._wake.is_set() and self._turning.acquire(blocking=False):
            try:
                self._wake.clear()
                self._advance()
            finally:
                self._turning.release()

    def _advance(self) -> None:
        """Submit all that is due; hand results on while the engine is full, or nothing else is to come."""
        while True:
            self._fill()
            if not self._flying or (len(self._flying) < self._room.depth and self._more_will_come()):
                return
            self._land()

    def _more_will_come(self) -> bool:
        return self.failure is None and any(member.feed.room for member in self.members)

    def _due(self, members: Sequence[Member]) -> float | None:
        """Return 0 where a batch is full, or can come to hold no more; time plays no part in it."""
        waiting = [(m.feed.waiting, m.feed.room) for m in members]
        full = sum(count for count, _ in waiting) >= self.batch
        return 0.0 if full or any(count and count >= room for count, room in waiting) else None


class Beside:
    """A detector that cannot work beside its caller, made to, by a thread of its own.

    It sees the frames in order: background subtraction, say, remembers those before.
    """

    depth = 2

    def __init__(self, detector: Detector) -> None:
        """Start nothing yet; the detector becomes this one's."""
        self.name, self.labels = detector.name, detector.labels
        self.batch = max(1, int(getattr(detector, "batch", 1)))
        self.description = cast("str", getattr(detector, "description", ""))
        self._detector = detector
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="argus-detect")

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` per frame, in the order given."""
        return self.submit(frames).result()

    def submit(self, frames: Sequence[Frame]) -> Pending[list[Detections]]:
        """Let the thread look at the frames, after those before."""
        return self._pool.submit(self._detector.detect, frames)

    def close(self) -> None:
        """End the thread and close the detector; idempotent."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._detector.close()
