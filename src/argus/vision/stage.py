"""Where the regions of a pipeline stand in pictures of one size, and how large things are drawn in them.

Worked out once per size; nothing here changes from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.regions import LineSpec
from argus.vision.areas import relative_points
from argus.vision.chips import Chips
from argus.vision.palette import CALM, CROWD, LINE, QUIET, SEVERITIES, Color


@dataclass(frozen=True, slots=True, eq=False)
class Area:
    """A zone or a crowd's place in a picture of one size."""

    corners: NDArray[np.int32]
    color: Color
    busy_color: Color
    label_at: tuple[int, int]
    _mask: NDArray[np.uint8]
    _left: int
    _top: int

    @classmethod
    def of(cls, corners: NDArray[np.int32], color: Color, busy: Color) -> Area:
        """Return the area that (K, 2) corners in pixels bound."""
        left, top = corners.min(axis=0).tolist()
        wide, high = (corners.max(axis=0) - (left, top) + 1).tolist()
        mask = np.zeros((high, wide), np.uint8)
        cv2.fillPoly(mask, [corners - np.array((left, top), np.int32)], (255,))
        first = corners[int(np.argmin(corners.sum(axis=1)))].tolist()
        return cls(corners, color, busy, (first[0], first[1]), mask, left, top)

    def fill(self, image: Image, color: Color, opacity: float) -> None:
        """Lay the colour over the area."""
        if opacity <= 0:
            return
        high, wide = self._mask.shape
        place = image[self._top : self._top + high, self._left : self._left + wide]
        mask = self._mask[: place.shape[0], : place.shape[1]]
        ground = np.empty_like(place)
        ground[:] = color
        cv2.addWeighted(ground, opacity, place, 1.0 - opacity, 0.0, dst=ground)
        cv2.copyTo(ground, mask, place)


@dataclass(frozen=True, slots=True)
class Way:
    """A line's place in a picture of one size."""

    start: tuple[int, int]
    end: tuple[int, int]
    inwards: tuple[float, float]
    """Unit vector to the side that `in` leads to."""
    spec: LineSpec
    color: Color
    label_at: tuple[int, int] = (0, 0)


class Stage:
    """Sizes and places for pictures of one size."""

    def __init__(self, spec: PipelineSpec, width: int, height: int, full: tuple[int, int]) -> None:
        self.size = (width, height)
        short = min(width, height)
        self.unit = max(0.5, short / 480.0)
        self.thick = max(1, round(1.7 * self.unit**0.8))
        self.margin = max(4, round(self.unit * 10))
        self.chips = Chips(max(10, round(16 * self.unit**0.7)))
        self.small = Chips(max(9, round(13 * self.unit**0.7)))
        edge = np.array((width, height), np.float64)
        self.areas: dict[str, Area] = {}
        for name, zone in spec.zones.items():
            points = relative_points(f"zone {name}", zone, zone.polygon, *full) * edge
            busy = SEVERITIES[zone.severity] if zone.severity else CALM
            self.areas[name] = Area.of(
                np.round(points).astype(np.int32), QUIET if zone.severity else CALM, busy
            )
        for name, crowd in spec.crowds.items():
            if crowd.polygon is not None:
                points = relative_points(f"crowd {name}", crowd, crowd.polygon, *full) * edge
                self.areas[name] = Area.of(np.round(points).astype(np.int32), CROWD, CROWD)
        self.lines = {
            name: self._way(relative_points(f"line {name}", line, (line.start, line.end), *full) * edge, line)
            for name, line in spec.lines.items()
        }

    def _way(self, ends: NDArray[np.float64], spec: LineSpec) -> Way:
        start, end = (cast("tuple[int, int]", tuple(p)) for p in np.round(ends).astype(int).tolist())
        along = ends[1] - ends[0]
        along /= max(float(np.hypot(*along)), 1e-9)
        # On the screen y grows downwards: the right hand of (x, y) is (-y, x).
        inwards = (-float(along[1]), float(along[0]))
        upper = start if start[1] <= end[1] else end
        color = SEVERITIES[spec.severity] if spec.severity else LINE
        label_at = (upper[0] + self.margin // 2, upper[1] - self.chips.height - self.margin // 4)
        return Way(start, end, inwards, spec, color, label_at)
