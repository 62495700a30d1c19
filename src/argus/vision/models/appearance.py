"""A detector whose detections say what each object looks like, for trackers that match by appearance.

Two models made one: any detector finds, an embedder looks at what it found.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.models.doubts import Doubting
from argus.vision.models.protocols import AsyncDetector, Detector, Embedder, Pending, Waitable

LEAST_SIDE = 4
"""Crops with a shorter side, in pixels, are not looked at; their vector is zero."""


class DetectorWithAppearance:
    """Finds as `detector` does, and adds the embedding of every object's crop."""

    def __init__(self, detector: Detector, embedder: Embedder) -> None:
        """Take over both: closing this closes them."""
        self._detector = detector
        self._embedder = embedder

    @property
    def name(self) -> str:
        """The detector's name."""
        return self._detector.name

    @property
    def labels(self) -> tuple[str, ...]:
        """The detector's labels."""
        return self._detector.labels

    @property
    def doubts(self) -> float | None:
        """The detector's; see `argus.vision.models.doubts`."""
        return self._detector.doubts if isinstance(self._detector, Doubting) else None

    @doubts.setter
    def doubts(self, least: float | None) -> None:
        if isinstance(self._detector, Doubting):
            self._detector.doubts = least

    @property
    def description(self) -> str:
        """Both models in words."""
        return f"{getattr(self._detector, 'description', self.name)}, appearance by {self._embedder.name}"

    @property
    def depth(self) -> int:
        """How many submissions in flight keep the detector busy."""
        return self._detector.depth if isinstance(self._detector, AsyncDetector) else 1

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` with embeddings per frame, in the order given."""
        return self._seen(frames, self._detector.detect(frames))

    def submit(self, frames: Sequence[Frame]) -> Waitable[list[Detections]]:
        """Start the detector; its objects are looked at by whoever waits for the result."""
        if isinstance(self._detector, AsyncDetector):
            return _Looking(self._detector.submit(frames), frames, self._seen)
        return _Looking(_Asked(self._detector, frames), frames, self._seen)

    def close(self) -> None:
        """Free both models; idempotent."""
        self._detector.close()
        self._embedder.close()

    def _seen(self, frames: Sequence[Frame], found: list[Detections]) -> list[Detections]:
        return [
            replace(detections, embedding=self._look(frame, detections))
            for frame, detections in zip(frames, found, strict=True)
        ]

    def _look(self, frame: Frame, detections: Detections) -> NDArray[np.float32] | None:
        corners = np.empty(detections.xyxy.shape, np.intp)
        corners[:, :2] = np.floor(detections.xyxy[:, :2])
        corners[:, 2:] = np.ceil(detections.xyxy[:, 2:])
        corners.clip(0, (frame.width, frame.height) * 2, out=corners)
        sides = corners[:, 2:] - corners[:, :2]
        large = np.flatnonzero((sides >= LEAST_SIDE).all(axis=1))
        if not len(large):
            return None
        crops = [frame.bgr[y1:y2, x1:x2] for x1, y1, x2, y2 in corners[large].tolist()]
        vectors = self._embedder.embed(crops)
        every = np.zeros((len(detections), vectors.shape[1]), np.float32)
        every[large] = vectors
        return every


@dataclass(frozen=True, slots=True)
class _Asked:
    """A detector that looks when it is asked what it saw."""

    detector: Detector
    frames: Sequence[Frame]

    def result(self) -> list[Detections]:
        return self.detector.detect(self.frames)


class _Looking:
    """Detections that are looked at when they are asked for, once."""

    def __init__(
        self,
        found: Pending[list[Detections]],
        frames: Sequence[Frame],
        look: Callable[[Sequence[Frame], list[Detections]], list[Detections]],
    ) -> None:
        self._found = found
        self._frames = frames
        self._look = look
        self._result: list[Detections] | None = None

    def ready(self, timeout_s: float) -> bool:
        """Wait so long for the detector at most; return whether it is done. What follows takes its time."""
        found = self._found
        return self._result is not None or not isinstance(found, Waitable) or found.ready(timeout_s)

    def result(self) -> list[Detections]:
        """Wait for the detector, then look."""
        if self._result is None:
            self._result = self._look(self._frames, self._found.result())
        return self._result
