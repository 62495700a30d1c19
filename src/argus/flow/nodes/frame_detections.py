"""Detections that know how large their picture was, so that they can be drawn, and lie in zones, without it.

No node: what `detector` sends and `tracker`, `zones` and the gateway read.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Self

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections


@dataclass(frozen=True, slots=True, eq=False)
class FrameDetections(Detections):
    """What one model saw in one frame, and the frame's size."""

    width: int = 0
    """Columns of the full frame; 0: not known."""
    height: int = 0
    """Rows, likewise."""

    @classmethod
    def of(cls, detections: Detections, width: int, height: int) -> Self:
        """Return the same detections with a size."""
        given = {f.name: getattr(detections, f.name) for f in fields(Detections)}
        return cls(**given, width=width, height=height)


def size_of(detections: Detections) -> tuple[int, int] | None:
    """Return width and height of the frame that they were found in, None where they do not say."""
    if isinstance(detections, FrameDetections) and detections.width > 0 and detections.height > 0:
        return detections.width, detections.height
    return None


def relative(xyxy: NDArray[np.float32], width: int, height: int) -> NDArray[np.float32]:
    """Return (N, 4) corners in parts 0..1 of a picture of this size."""
    parts: NDArray[np.float32] = np.divide(xyxy, [width, height, width, height], dtype=np.float32)
    return parts
