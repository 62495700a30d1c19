"""A detector that knows the truth: for tests and trials of everything after detection."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.synthetic import Plaza, parse_plaza_url

SEEN = 0.25
"""Objects that are hidden further are not found."""


class TruthDetector:
    """Finds in frames of `synthetic:plaza` what was drawn there, with confidence 1.

    Give it the address that the source was opened with: it computes the same scene again.
    """

    name = "truth"
    description = "truth (no network)"

    def __init__(self, url: str) -> None:
        """Know the scene at `url`.

        Raises:
            SpecError: that is no scene.
        """
        self._plaza = Plaza.from_options(parse_plaza_url(url))

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the scene."""
        return self._plaza.labels

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return what is visible in each frame, found by the frame's index."""
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Frame) -> Detections:
        truth = self._plaza.truth(frame.index)
        return replace(truth.detections(), track_id=None).take(truth.visibility >= SEEN)

    def close(self) -> None:
        """Nothing is held."""
