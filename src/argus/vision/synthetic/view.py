"""Where a point of the plaza's ground stands in the picture, and back.

A level pinhole camera on a mast: the horizon is a row, a metre upright at the row `v` of its foot
is `scale(v)` pixels tall. World coordinates are metres: X to the right of the camera, Y up from the
ground, Z away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

MAST_M = 6.5
"""How high the camera hangs."""
HORIZON = 0.05
"""Row of the horizon as a fraction of the picture's height."""
FOCAL = 0.9
"""Focal length in picture heights: a wide lens, as cameras over squares have."""


@dataclass(frozen=True, slots=True)
class View:
    """The camera for one picture size."""

    width: int
    height: int

    @property
    def focal(self) -> float:
        """Focal length in pixels."""
        return FOCAL * self.height

    @property
    def aspect(self) -> float:
        """Width over height."""
        return self.width / self.height

    def scale(self, z: float) -> float:
        """Return the pixels of one metre across the line of sight at depth `z` metres."""
        return self.focal / z

    def depth(self, v: float) -> float:
        """Return the depth in metres of the ground at the relative row `v` (below the horizon)."""
        return FOCAL * MAST_M / (v - HORIZON)

    def ground(self, u: float, v: float) -> tuple[float, float]:
        """Return the ground point X, Z in metres seen at the relative point `u`, `v`."""
        z = self.depth(v)
        return (u - 0.5) * self.aspect * z / FOCAL, z

    def project(self, xyz: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return (..., 2) pixels of (..., 3) points in metres; every Z must be positive."""
        k = self.focal / xyz[..., 2]
        u = self.width * 0.5 + xyz[..., 0] * k
        v = HORIZON * self.height + (MAST_M - xyz[..., 1]) * k
        return np.stack((u, v), axis=-1)
