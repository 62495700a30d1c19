"""Bringing frames to a detector from a thread of its own, for sources that may keep their reader waiting.

A result is handed on as soon as it is there, however long the next frame takes. Frames of a
recording are always there; `argus.vision.runner.ahead` brings them at less cost.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

from argus.vision.runner.submission import Submissions, Submitted

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

    def __init__(self, submissions: Submissions, end_source: Callable[[], None]) -> None:
        """Start the thread, which iterates `submissions`; `end_source` makes a wait for a frame end soon."""
        self._submissions = submissions
        self._end_source = end_source
        self._closed = threading.Event()
        self._ready: queue.Queue[Submitted | _End] = queue.Queue(maxsize=submissions.depth)
        self._thread = threading.Thread(target=self._work, name="argus-feed", daemon=True)
        self._thread.start()

    def __iter__(self) -> Iterator[Submitted]:
        """Yield what was submitted, in order; raises what broke the frames or the submission."""
        told = False
        while True:
            try:
                item = self._ready.get(timeout=_POLL_S)
            except queue.Empty:
                if self._submissions.stopping and not told:
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
        self._submissions.close()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            for submitted in self._submissions:
                if self._closed.is_set():
                    break
                self._hand_over(submitted)
        except BaseException as raised:  # noqa: BLE001 - raised again in the reader
            error = raised
        self._hand_over(_End(error))

    def _hand_over(self, item: Submitted | _End) -> None:
        # A reader that went away without `close` would leave the thread here, which is why it is a daemon.
        self._ready.put(item)
