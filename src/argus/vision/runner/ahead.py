"""Bringing frames of a recording to a detector, in the thread of whoever wants the results.

The engine works in threads of its own, so one more would only cost: on two cores the handing over
between a decoding and a reading thread took 0.3 ms of processor time per frame, an eighth of all
that is not inference. Sources that may keep their reader waiting go through `argus.vision.runner.feed`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator

from argus.vision.runner.submission import Submissions, Submitted


class Ahead:
    """Frames with the detections that are on their way, in order; iterate once.

    Runs ahead of what it gives by as many submissions as keep the engine busy.
    """

    def __init__(self, submissions: Submissions, end_source: Callable[[], None]) -> None:
        """Take nothing yet; `end_source` is called by `close`."""
        self._submissions = submissions
        self._end_source = end_source

    def __iter__(self) -> Iterator[Submitted]:
        """Yield what was submitted, in order; what breaks the frames is raised after what came before."""
        flying: deque[Submitted] = deque()
        error: Exception | None = None
        try:
            for submitted in self._submissions:
                flying.append(submitted)
                if len(flying) == self._submissions.depth:
                    yield flying.popleft()
        except Exception as raised:  # noqa: BLE001 - raised again below
            error = raised
        yield from flying
        if error is not None:
            raise error

    def close(self) -> None:
        """Close the source; idempotent."""
        self._end_source()
        self._submissions.close()
