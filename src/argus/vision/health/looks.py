"""What can be measured in one small grey picture, and between two: no memory, no verdict.

What a camera usually shows, and how far a look is from it, is `argus.vision.health.usual`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image

LONG_SIDE: Final = 160
"""Pixels of a look's longer side: what a look costs grows with its square."""
CELL: Final = 10
"""Pixels of a cell's side: cells are judged one by one."""
_TILE: Final = 5
"""Pixels of a tile's side: the smallest thing whose change counts, a person in the far distance."""

Cells = NDArray[np.float32]
"""(rows, columns) one value per cell."""


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """One look at the picture."""

    grey: Image
    """(H, W), both multiples of `CELL`."""
    size: tuple[int, int]
    """Width and height of the picture that was looked at."""
    brightness: float
    """Mean, 0 black to 1 white."""
    sharpness: float
    """Energy of the finest detail over that of all edges; exposure and contrast cancel out."""
    edges: NDArray[np.float32]
    """(H, W) strength of edges, in grey levels, smoothed so that a pixel's shake does not matter."""
    detail: Cells
    """Mean strength of edges per cell."""
    spread: Cells
    """Variance of `edges` within each cell."""
    tones: Cells
    """Mean brightness per cell, 0..255."""


def look_size(width: int, height: int) -> tuple[int, int]:
    """Return the width and height at which a picture of that size is looked at."""
    scale = LONG_SIDE / max(width, height)
    return _in_cells(width * scale), _in_cells(height * scale)


def look_at(grey: Image, size: tuple[int, int]) -> Look:
    """Measure a grey picture (H, W) of `look_size`, taken of a picture of `size`."""
    calm = cv2.GaussianBlur(grey, (3, 3), 0)
    across, down = cv2.spatialGradient(calm)
    strength = cv2.magnitude(across.astype(np.float32), down.astype(np.float32))
    edges = cast("NDArray[np.float32]", cv2.GaussianBlur(strength, (5, 5), 0))
    fine = cv2.norm(cv2.Laplacian(grey, cv2.CV_16S), cv2.NORM_L2SQR)
    coarse = cv2.norm(strength, cv2.NORM_L2SQR)
    detail, tones = cell_means(edges), cell_means(grey)
    return Look(
        grey=grey,
        size=size,
        brightness=cv2.mean(tones)[0] / 255.0,
        sharpness=fine / (coarse + grey.size),
        edges=edges,
        detail=detail,
        spread=cell_means(cv2.multiply(edges, edges)) - detail * detail,
        tones=tones,
    )


def lights(grey: Image) -> float:
    """Return what the brightest twentieth of a picture reaches, 0..1: high at night where lamps are lit."""
    levels = cv2.calcHist([grey], [0], None, [256], [0, 256]).ravel().cumsum()
    return float(np.searchsorted(levels, 0.95 * grey.size)) / 255.0


def cell_means(plane: NDArray[np.uint8] | NDArray[np.float32]) -> Cells:
    """Return the mean of each cell of a plane (H, W)."""
    height, width = plane.shape
    small = cv2.resize(plane, (width // CELL, height // CELL), interpolation=cv2.INTER_AREA)
    return cast("Cells", small.astype(np.float32, copy=False))


def likeness(
    edges: NDArray[np.float32],
    detail: Cells,
    spread: Cells,
    other_edges: NDArray[np.float32],
    other_detail: Cells,
    other_spread: Cells,
) -> Cells:
    """Return how well edges lie on other edges, per cell: 1 the same, 0 nothing in common.

    Source: zero-mean normalised cross-correlation, Lewis, "Fast Normalized Cross-Correlation", 1995; it
    does not change with gain and offset. A floor under both variances makes cells without edges 0.
    """
    together = cell_means(cv2.multiply(edges, other_edges)) - detail * other_detail
    return cast("Cells", together / np.sqrt((spread + _FLOOR) * (other_spread + _FLOOR)))


def strongest_tile(difference: Image) -> float:
    """Return the mean of the tile of a plane (H, W) in which it is highest."""
    height, width = difference.shape
    tiles = cv2.resize(difference, (width // _TILE, height // _TILE), interpolation=cv2.INTER_AREA)
    return float(tiles.max())


_FLOOR: Final = 6.0
"""Variance of edges that noise alone makes, in grey levels squared."""


def _in_cells(pixels: float) -> int:
    return max(round(pixels / CELL), 2) * CELL
