"""Handing frames to a detector of any kind, and what is got for it: a promise of detections."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator
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


class Submissions:
    """Frames handed to a detector one after the other; iterate once, in one thread."""

    def __init__(
        self,
        frames: Iterable[Frame],
        detector: Detector,
        *,
        limit: int | None = None,
        stop: threading.Event | None = None,
    ) -> None:
        """Take nothing yet.

        Args:
            frames: Where they come from.
            detector: Submitted to.
            limit: End after so many frames; None takes all.
            stop: When set, no further frame is taken.
        """
        self.decode_s = 0.0
        """Time spent waiting for frames so far."""
        self.submit_s = 0.0
        """Time spent preparing and handing over so far."""
        self._frames = frames
        self._engine = _Engine(detector)
        self._limit = limit
        self._stop = stop or threading.Event()

    @property
    def depth(self) -> int:
        """How many of them in flight keep the engine busy; at least 1."""
        return self._engine.depth

    @property
    def stopping(self) -> bool:
        """True once no further frame will be taken."""
        return self._stop.is_set()

    def __iter__(self) -> Iterator[Submitted]:
        """Yield each frame as soon as the engine has it; raises what breaks the frames or the engine."""
        clock = time.perf_counter
        begin = clock()
        for taken, frame in enumerate(self._frames, start=1):
            if self.stopping:
                return
            got = clock()
            submitted = self._engine.submit(frame)
            done = clock()
            self.decode_s += got - begin
            self.submit_s += done - got
            yield submitted
            if taken == self._limit:
                return
            begin = clock()

    def close(self) -> None:
        """Free what was made for the detector, which stays open; idempotent."""
        self._engine.close()


class _Engine:
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
        return 2 if self._asynchronous is None else max(1, self._asynchronous.depth)

    def submit(self, frame: Frame) -> Submitted:
        if self._asynchronous is not None:
            return Submitted(frame, self._asynchronous.submit([frame]))
        assert self._pool is not None
        return Submitted(frame, self._pool.submit(self._detector.detect, [frame]))

    def close(self) -> None:
        if self._pool is not None:
            self._pool.shutdown(wait=True, cancel_futures=True)
