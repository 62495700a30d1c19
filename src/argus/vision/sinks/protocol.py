"""What takes the results of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from argus.vision.results import Event, FrameResult


class Sink(Protocol):
    """Takes the result of each frame, in order, from one thread.

    `finish` comes once after the last frame, also when the run was interrupted; `close` comes
    always, also after an error, and leaves complete files behind as far as that is possible.
    """

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        ...

    def finish(self, still_open: Sequence[Event]) -> None:
        """Take the last state of the events that had not ended when the source did."""
        ...

    def close(self) -> None:
        """Free files; idempotent."""
        ...
