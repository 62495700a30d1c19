"""Handing frames to a detector of any kind, and what is got for it: a promise of detections."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.models.protocols import AsyncDetector, Detector, Pending


@dataclass(frozen=True, slots=True)
class Submitted:
    """A frame and the detections it will have."""

    frame: Frame
    detections: Pending[list[Detections]]


class Engine:
    """Any detector as an asynchronous one.

    A detector without `submit` gets a single thread that works off the frames in order: in order,
    because a detector such as background subtraction remembers the frames before.
    """

    def __init__(self, detector: Detector) -> None:
        self._detector = detector
        self._asynchronous = detector if isinstance(detector, AsyncDetector) else None
        self._pool: ThreadPoolExecutor | None = None
        if self._asynchronous is None:
            self._pool = ThreadPoolExecutor(1, thread_name_prefix="argus-detect")

    @property
    def depth(self) -> int:
        """How many submissions in flight keep it busy; at least 1."""
        return 2 if self._asynchronous is None else max(1, self._asynchronous.depth)

    def submit(self, frame: Frame) -> Submitted:
        """Start on a frame and return at once."""
        if self._asynchronous is not None:
            return Submitted(frame, self._asynchronous.submit([frame]))
        assert self._pool is not None
        return Submitted(frame, self._pool.submit(self._detector.detect, [frame]))

    def close(self) -> None:
        """End the thread, if there is one; the detector stays open: it is the caller's. Idempotent."""
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
