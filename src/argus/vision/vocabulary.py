"""Class ids that mean the same for as long as a pipeline lives, whichever model looks.

A model that takes over from another may know other classes, or the same in another order. Tracks
and rules remember class ids; so each name keeps the id it had first, and new names get new ids.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections


class Vocabulary:
    """The names that a pipeline has met, in the order of their ids."""

    def __init__(self) -> None:
        self._labels: tuple[str, ...] | None = None
        self._seen: tuple[str, ...] | None = None
        self._ids: NDArray[np.int32] | None = None

    def translate(self, detections: Detections) -> Detections:
        """Return the detections with the ids that their names had before; the same object where they have."""
        if detections.labels is not self._seen:
            self._learn(detections.labels)
        if self._ids is None:
            return detections
        assert self._labels is not None
        return replace(detections, class_id=self._ids[detections.class_id], labels=self._labels)

    def _learn(self, labels: tuple[str, ...]) -> None:
        known = self._labels or labels
        self._labels = (*known, *(name for name in dict.fromkeys(labels) if name not in known))
        self._seen = labels
        same = labels == self._labels
        self._ids = None if same else np.array([self._labels.index(name) for name in labels], np.int32)
