"""One look at each frame for several pipelines: whoever asks second is given what the first one got.

Each pipeline has a face of the same detector and knows nothing of the others; a frame that only one of them
wants (the others' gates hold it back, say) is looked at for that one alone.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Sequence
from typing import Final, cast

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.engine.turned_lane import Beside
from argus.vision.models.protocols import AsyncDetector, Detector, Pending

_REMEMBERED: Final = 512
"""Frames whose detections are remembered for those who have not asked yet; they are never far apart."""


class Looks:
    """A detector, and what it saw lately. Used by one thread; close it when all faces are."""

    def __init__(self, detector: Detector) -> None:
        """Take a detector over."""
        self.looked = 0
        """Frames that it looked at."""
        self._detector = detector if isinstance(detector, AsyncDetector) else Beside(detector)
        self._seen: OrderedDict[int, tuple[_Once, int]] = OrderedDict()
        self._flying: deque[_Once] = deque()

    @property
    def detector(self) -> AsyncDetector:
        """Who looks."""
        return self._detector

    def face(self) -> Face:
        """Return the detector as one more pipeline has it."""
        return Face(self)

    def ask(self, frames: Sequence[Frame]) -> list[tuple[_Once, int]]:
        """Return where the detections of frames will be, having started what nobody has asked for before."""
        new = [frame for frame in frames if frame.index not in self._seen]
        if new:
            # One who waits for company with what he has taken must not keep the others from their turn.
            self._flying = deque(once for once in self._flying if not once.done)
            while len(self._flying) >= max(1, self._detector.depth):
                self._flying.popleft().result()
            once = _Once(self._detector.submit(new))
            self._flying.append(once)
            self.looked += len(new)
            for position, frame in enumerate(new):
                self._seen[frame.index] = (once, position)
        answer = [self._seen[frame.index] for frame in frames]
        while len(self._seen) > _REMEMBERED:
            self._seen.popitem(last=False)
        return answer

    def close(self) -> None:
        """Close the detector."""
        self._detector.close()


class _Once:
    """Work whose result may be asked for again."""

    def __init__(self, pending: Pending[list[Detections]]) -> None:
        self._pending: Pending[list[Detections]] | None = pending
        self._result: list[Detections] = []
        self._error: Exception | None = None

    @property
    def done(self) -> bool:
        return self._pending is None

    def result(self) -> list[Detections]:
        if self._pending is not None:
            pending, self._pending = self._pending, None
            try:
                self._result = pending.result()
            except Exception as error:
                self._error = error
                raise
        if self._error is not None:
            raise self._error
        return self._result


class _Answer:
    def __init__(self, parts: Sequence[tuple[_Once, int]]) -> None:
        self._parts = parts

    def result(self) -> list[Detections]:
        return [once.result()[position] for once, position in self._parts]


class Face:
    """A shared detector as one pipeline has it; see `AsyncDetector`."""

    def __init__(self, looks: Looks) -> None:
        """Ask nothing yet."""
        detector = looks.detector
        self.name, self.labels = detector.name, detector.labels
        self.depth = detector.depth
        self.batch = max(1, int(getattr(detector, "batch", 1)))
        self.description = cast("str", getattr(detector, "description", ""))
        self._looks = looks

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` per frame, in the order given."""
        return self.submit(frames).result()

    def submit(self, frames: Sequence[Frame]) -> Pending[list[Detections]]:
        """Start looking at what nobody has asked for yet, and return at once."""
        return _Answer(self._looks.ask(frames))

    def close(self) -> None:
        """Leave it to the others."""
