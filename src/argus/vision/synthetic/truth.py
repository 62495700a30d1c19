"""What is really in a picture of the plaza, and which of it a detector can be asked for."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections, expect_shape
from argus.vision.evaluation import GroundTruth

LABELS = ("person", "vehicle")
PERSON, VEHICLE = 0, 1


@dataclass(frozen=True, slots=True, eq=False)
class PlazaTruth:
    """Every object of one picture: N objects, the farthest first."""

    index: int
    """Which picture; the first is 0."""
    time_s: float
    """Seconds of the scene's clock: index / fps."""
    ids: NDArray[np.int64]
    """(N,) numbers from 1, each belonging to one object for as long as it is in the scene."""
    class_id: NDArray[np.int32]
    """(N,) indices into `labels`."""
    xyxy: NDArray[np.float32]
    """(N, 4) corners in pixels around the whole object, hidden parts included, clipped to the picture."""
    visibility: NDArray[np.float32]
    """(N,) share of the object's silhouette that is seen: neither hidden by something nearer nor cut off
    by the picture's edge (as MOT16 defines it: Milan et al., arXiv:1603.00831). Never 0."""
    labels: tuple[str, ...] = LABELS

    def __post_init__(self) -> None:
        n = len(self.ids)
        expect_shape("class_id", self.class_id, (n,))
        expect_shape("xyxy", self.xyxy, (n, 4))
        expect_shape("visibility", self.visibility, (n,))

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.ids)

    def detections(self) -> Detections:
        """Return the truth as a perfect detector and tracker would give it."""
        sure = np.ones(len(self), np.float32)
        return Detections(self.xyxy, sure, self.class_id, self.labels, track_id=self.ids)

    def ground_truth(self, least_visible: float = 0.25, least_pixels: float = 6.0) -> GroundTruth:
        """Return the truth to measure a detector against.

        Args:
            least_visible: Objects seen less than this are ignored: no merit to find, no fault to miss.
            least_pixels: So are objects whose clipped box is narrower or lower than this.
        """
        sides = np.minimum(self.xyxy[:, 2] - self.xyxy[:, 0], self.xyxy[:, 3] - self.xyxy[:, 1])
        ignore = (self.visibility < least_visible) | (sides < least_pixels)
        return GroundTruth(self.xyxy, self.class_id, ignore)
