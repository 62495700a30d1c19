"""Which frames are worth an inference: those in which something moves, and a look now and then.

A state machine over frames and times that the caller gives; no thread and no queue is here. Whether
something moves is told by `argus.vision.gate_background`. How it was measured and what lost:
`docs/decisions/0011-motion-gate.md`.
"""

from __future__ import annotations

from typing import Final, Literal

from argus.core.frame import Frame
from argus.core.resources.pipeline import GateSpec
from argus.vision.gate_background import CELL, Background

Reason = Literal["motion", "hold", "objects", "look", "settling"]

_COLUMNS: Final = 320
"""Pixels of the longer side at which movement is looked for."""
_LONGEST_GAP_S: Final = 60.0
"""After a gap as long as this nothing of what was learned is worth keeping."""
_SLACK_S: Final = 0.001
"""Frames that come on the dot of an interval are not late by rounding."""


class MotionGate:
    """Says of each frame of one pipeline whether a model should look at it.

    The first frame in which something moves passes, and so does every one until `hold` after the last.
    While objects are followed that do not move, a frame passes every `look_at_objects_every`; at a still
    and empty scene one every `look_every`. The first frames of a source, and of another resolution, pass.

    `passes` belongs to one thread; `saw` may be called from another.
    """

    reason: Reason | None
    """Why the last frame passed: `settling` (the scene is not known yet), `motion`, `hold` (something moved
    just now), `objects`, `look`; None where it was held back, and before the first."""

    def __init__(self, spec: GateSpec) -> None:
        """Begin without knowledge of the scene."""
        self.reason = None
        self._spec = spec
        self._background: Background | None = None
        self._size = (0, 0)
        self._last_s = 0.0
        self._moved_s: float | None = None
        self._passed_s = 0.0
        self._followed = 0

    def passes(self, frame: Frame, now_s: float) -> bool:
        """Return whether the frame is worth an inference; every frame of the source is to be asked about.

        Args:
            frame: The next frame, as the model would see it (a crop already cut).
            now_s: A clock that never goes back: monotonic time for a camera, `frame.time_s` for a
                recording that is read faster than it was taken.
        """
        self.reason = self._why(frame, now_s)
        if self.reason is not None:
            self._passed_s = now_s
        return self.reason is not None

    def saw(self, followed: int) -> None:
        """Take what became of a frame that passed.

        Args:
            followed: How many objects the pipeline still follows after it: those seen, and those lost
                but not given up. Where nothing is tracked: how many were detected.
        """
        self._followed = followed  # one assignment, so no lock

    def _why(self, frame: Frame, now_s: float) -> Reason | None:
        background = self._known(frame, now_s)
        elapsed_s, self._last_s = max(0.0, now_s - self._last_s), now_s
        grey = frame.resized(*_canvas(frame.width, frame.height), "gray")
        if background.moved(grey, elapsed_s, busy=self._followed > 0):
            self._moved_s = now_s
            return "motion"
        if not background.settled:
            return "settling"
        if self._moved_s is not None and now_s - self._moved_s <= self._spec.hold + _SLACK_S:
            return "hold"
        waited_s = now_s - self._passed_s + _SLACK_S
        if self._followed and waited_s >= self._spec.look_at_objects_every:
            return "objects"
        return "look" if waited_s >= self._spec.look_every else None

    def _known(self, frame: Frame, now_s: float) -> Background:
        size = (frame.width, frame.height)
        gap = now_s - self._last_s > _LONGEST_GAP_S
        if self._background is None or size != self._size or gap:
            self._size = size
            self._moved_s = None
            self._background = Background(*_canvas(*size), _threshold(self._spec), self._spec.ignore)
        return self._background


def _threshold(spec: GateSpec) -> float:
    """Return the grey levels that count as movement: 24 for sensitivity 0, 8 for 0.5, 2.7 for 1."""
    return float(8.0 * 9.0 ** (0.5 - spec.sensitivity))


def _canvas(width: int, height: int) -> tuple[int, int]:
    """Return the size at which movement is looked for: whole cells, nearly of the picture's shape."""
    scale = min(1.0, _COLUMNS / max(width, height)) / CELL
    return max(1, round(width * scale)) * CELL, max(1, round(height * scale)) * CELL
