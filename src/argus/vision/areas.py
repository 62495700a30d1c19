"""Which points lie in which polygons, for all points and polygons of a frame at once.

Geometry only; what being inside means over time is decided in `zones` and `crowds`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import shapely
from numpy.typing import NDArray

from argus.core.errors import SpecError
from argus.core.resources.regions import Point, Region
from argus.vision.objects import ANCHORS


def relative_points(
    name: str, region: Region, points: Sequence[Point], width: int, height: int
) -> NDArray[np.float64]:
    """Return (K, 2) corners in 0..1 of a picture of this size.

    Raises:
        SpecError: a corner given in pixels lies outside the picture.
    """
    corners = np.asarray(points, dtype=np.float64)
    if region.units == "relative":
        return corners
    for x, y in corners.tolist():
        if x > width or y > height:
            raise SpecError(
                f"{name}: the point ({x:g}, {y:g}) lies outside the picture of {width}x{height} pixels: "
                "move it inside, or use relative coordinates"
            )
    return corners / (width, height)


def anchor_rows(regions: Mapping[str, Region]) -> NDArray[np.intp]:
    """Return (Z,) row of `ObjectTable.y` that holds each region's anchor."""
    return np.array([ANCHORS.index(region.anchor) for region in regions.values()], dtype=np.intp)


class ClassFilter:
    """Which classes count in which regions."""

    def __init__(self, regions: Mapping[str, Region]) -> None:
        self._classes = [region.classes for region in regions.values()]
        self._any = all(classes is None for classes in self._classes)
        self._table = np.ones((len(self._classes), 0), np.bool_)

    def allowed(self, names: list[str], numbers: NDArray[np.intp]) -> NDArray[np.bool_] | None:
        """Return (Z, N) whether each object's class counts in each region; None: all do everywhere.

        Args:
            names: Class names by number; may grow from call to call.
            numbers: (N,) the objects' classes.
        """
        if self._any:
            return None
        if not names:  # nobody was seen yet, and the number of a free slot names nothing
            return np.zeros((len(self._classes), len(numbers)), np.bool_)
        if self._table.shape[1] != len(names):
            rows = [[wanted is None or name in wanted for name in names] for wanted in self._classes]
            self._table = np.array(rows, np.bool_).reshape(len(rows), len(names))
        return self._table[:, numbers]


class Areas:
    """Polygons made ready for many questions."""

    def __init__(self, polygons: Sequence[NDArray[np.float64] | None]) -> None:
        """Prepare Z polygons of (K, 2) relative corners; None is the whole picture."""
        whole = np.array([(0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)])
        corners = [whole if points is None else points for points in polygons]
        self._shapes = np.array([shapely.Polygon(points) for points in corners], dtype=object)
        shapely.prepare(self._shapes)
        low = np.array([points.min(axis=0) for points in corners]).reshape(-1, 2, 1)
        high = np.array([points.max(axis=0) for points in corners]).reshape(-1, 2, 1)
        self._low_x, self._low_y = low[:, 0], low[:, 1]
        self._high_x, self._high_y = high[:, 0], high[:, 1]
        boxes = shapely.box(low[:, 0, 0], low[:, 1, 0], high[:, 0, 0], high[:, 1, 0])
        self._crooked: NDArray[np.bool_] = ~np.atleast_1d(shapely.equals(self._shapes, boxes))[:, None]

    def inside(
        self, x: NDArray[np.float64], y: NDArray[np.float64], asked: NDArray[np.bool_]
    ) -> NDArray[np.bool_]:
        """Return (Z, N) whether each point lies in each polygon; a point on the edge does.

        Args:
            x: (N,) columns, relative.
            y: (Z, N) rows, relative: each polygon may look at another anchor of the objects.
            asked: (N,) or (Z, N) points to look at; the others count as outside.
        """
        inside = (x >= self._low_x) & (x <= self._high_x)
        inside &= y >= self._low_y
        inside &= y <= self._high_y
        inside &= asked
        areas, points = np.nonzero(inside & self._crooked)
        if len(areas):
            inside[areas, points] = shapely.intersects_xy(self._shapes[areas], x[points], y[areas, points])
        return inside
