"""Bringing frames of a recording to a detector, in the thread of whoever wants the results.

The engine works in threads of its own, so one more would only cost: on two cores the handing over
between a decoding and a reading thread took 0.5 ms of processor time per frame, a fifth of all
that is not inference. Sources that may keep their reader waiting go through `argus.vision.runner.feed`.
"""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator

from argus.core.frame import Frame
from argus.vision.models.protocols import Detector
from argus.vision.runner.submission import Engine, Submitted


class Ahead:
    """Frames with the detections that are on their way, in order; iterate once.

    Runs ahead of what it gives by as many submissions as keep the engine busy.
    """

    def __init__(
        self,
        frames: Iterable[Frame],
        detector: Detector,
        *,
        limit: int | None = None,
        end_source: Callable[[], None] = lambda: None,
        stop: threading.Event | None = None,
    ) -> None:
        """Take nothing yet; the arguments are those of `Feed`."""
        self.decode_s = 0.0
        """Time spent waiting for frames so far."""
        self.submit_s = 0.0
        """Time spent preparing and handing over so far."""
        self._frames = frames
        self._limit = limit
        self._end_source = end_source
        self._engine = Engine(detector)
        self._stop = stop or threading.Event()

    def __iter__(self) -> Iterator[Submitted]:
        """Yield what was submitted, in order; what breaks the frames is raised after what came before."""
        flying: deque[Submitted] = deque()
        error: Exception | None = None
        try:
            for submitted in self._submitted():
                flying.append(submitted)
                if len(flying) == self._engine.depth:
                    yield flying.popleft()
        except Exception as raised:  # noqa: BLE001 - raised again below
            error = raised
        yield from flying
        if error is not None:
            raise error

    def close(self) -> None:
        """Close the source; idempotent."""
        self._end_source()
        self._engine.close()

    def _submitted(self) -> Iterator[Submitted]:
        clock = time.perf_counter
        begin = clock()
        for taken, frame in enumerate(self._frames, start=1):
            if self._stop.is_set():
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
