"""Bringing frames to a detector from a thread of its own, for sources that may keep their reader waiting.

A result is handed on as soon as it is there, however long the next frame takes. Frames of a
recording are always there; `argus.vision.runner.ahead` brings them at less cost.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from argus.core.frame import Frame
from argus.vision.models.protocols import Detector
from argus.vision.runner.submission import Engine, Submitted

_POLL_S: Final = 0.05
"""How soon a waiting thread notices that the run is being stopped."""


@dataclass(frozen=True, slots=True)
class _End:
    error: BaseException | None


class Feed:
    """Frames with the detections that are on their way, in order; iterate once.

    A thread takes frames, prepares and submits them, and runs ahead of the reader by as many
    submissions as keep the engine busy.
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
        """Start the thread.

        Args:
            frames: Where they come from; iterated in the thread.
            detector: Submitted to in the thread.
            limit: Stop after so many frames; None takes all.
            end_source: Makes a waiting `frames` end soon; called when stopping.
            stop: When set, no further frame is taken, and the iteration ends after those in flight.
        """
        self.decode_s = 0.0
        """Time spent waiting for frames so far."""
        self.submit_s = 0.0
        """Time spent preparing and handing over so far."""
        self._frames = frames
        self._limit = limit
        self._end_source = end_source
        self._engine = Engine(detector)
        self._asked_to_stop = stop or threading.Event()
        self._closed = threading.Event()
        self._ready: queue.Queue[Submitted | _End] = queue.Queue(maxsize=self._engine.depth)
        self._thread = threading.Thread(target=self._work, name="argus-feed", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Submitted]:
        """Yield what was submitted, in order; raises what broke the frames or the submission."""
        told = False
        while True:
            try:
                item = self._ready.get(timeout=_POLL_S)
            except queue.Empty:
                if self._asked_to_stop.is_set() and not told:
                    told = True
                    self._end_source()
                continue
            if isinstance(item, _End):
                if item.error is not None:
                    raise item.error
                return
            yield item

    def close(self) -> None:
        """End the thread and wait for it; idempotent."""
        self._closed.set()
        self._end_source()
        while self._thread.is_alive():
            with contextlib.suppress(queue.Empty):
                self._ready.get_nowait()
            self._thread.join(_POLL_S)
        self._engine.close()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            self._submit_all()
        except BaseException as raised:  # noqa: BLE001 - raised again in the reader
            error = raised
        self._hand_over(_End(error))

    def _submit_all(self) -> None:
        clock = time.perf_counter
        begin = clock()
        for taken, frame in enumerate(self._frames, start=1):
            if self._asked_to_stop.is_set() or self._closed.is_set():
                return
            got = clock()
            submitted = self._engine.submit(frame)
            done = clock()
            self.decode_s += got - begin
            self.submit_s += done - got
            self._hand_over(submitted)
            if taken == self._limit:
                return
            begin = clock()

    def _hand_over(self, item: Submitted | _End) -> None:
        # A reader that went away without `close` would leave the thread here, which is why it is a daemon.
        self._ready.put(item)
