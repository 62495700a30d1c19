"""Small scenes for the tracker: boxes by hand, followed frame by frame."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.vision.tracking import Tracker

LABELS = ("person", "car", "bus")
FRAME_S = 1 / 30


def seen(
    *boxes: tuple[float, float, float, float],
    confidence: float | Sequence[float] = 0.9,
    class_id: int | Sequence[int] = 0,
    embedding: NDArray[np.float32] | None = None,
) -> Detections:
    """Return detections of these boxes; one confidence and class for all, or one for each."""
    n = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(n, 4),
        np.broadcast_to(np.array(confidence, np.float32), n).copy(),
        np.broadcast_to(np.array(class_id, np.int32), n).copy(),
        LABELS,
        embedding=embedding,
    )


def person(
    x: float, y: float = 100.0, width: float = 40.0, height: float = 100.0
) -> tuple[float, float, float, float]:
    """Return the box of a person whose left upper corner is at x, y."""
    return x, y, x + width, y + height


def ids(detections: Detections) -> list[int]:
    """Return the track ids."""
    assert detections.track_id is not None
    return [int(identity) for identity in detections.track_id]


def follow(tracker: Tracker, scene: Sequence[Detections], *, start: int = 0) -> list[list[int]]:
    """Return the ids frame by frame at 30 frames per second."""
    return [ids(tracker.update(frame, (start + k) * FRAME_S)) for k, frame in enumerate(scene)]
