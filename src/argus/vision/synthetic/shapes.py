"""Objects as stacks of coloured polygons: built in numpy, filled by OpenCV, measured for ground truth.

A `Shape` is one object of one frame, its patches in the order of drawing. What it is a picture of
is decided in `people` and `vehicles`; who hides whom is decided in `plaza`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image

Colour = tuple[int, int, int]
"""Blue, green, red."""
Limb = tuple[float, float, float, float, float, float]
"""A tapered capsule: x and y of both ends and the radius at each, in pixels."""

_SHIFT = 4  # sixteenths of a pixel, so that slow objects glide instead of jumping
_ARC = np.linspace(0.0, np.pi, 7)


@dataclass(frozen=True, slots=True, eq=False)
class Shape:
    """One object, ready to be filled: patches from the one painted first to the one on top."""

    patches: tuple[tuple[NDArray[np.int32], Colour], ...]
    """Polygons (P, 2) in sixteenths of a pixel of the picture."""
    xyxy: tuple[float, float, float, float]
    """Bounds in pixels, not clipped."""

    def paint(self, image: Image) -> None:
        """Fill the patches into `image`, with soft edges."""
        for points, colour in self.patches:
            cv2.fillPoly(image, [points], colour, cv2.LINE_AA, _SHIFT)

    def stencil(self) -> tuple[NDArray[np.uint8], int, int]:
        """Return the silhouette as a mask of 0 and 1 and the picture's column and row of its corner."""
        x0, y0 = int(np.floor(self.xyxy[0])), int(np.floor(self.xyxy[1]))
        x1, y1 = int(np.ceil(self.xyxy[2])) + 1, int(np.ceil(self.xyxy[3])) + 1
        mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
        corner = np.array((x0 << _SHIFT, y0 << _SHIFT), np.int32)
        for points, _ in self.patches:
            cv2.fillPoly(mask, [points - corner], (1,), cv2.LINE_8, _SHIFT)
        return mask, x0, y0


def from_polygons(polygons: Sequence[tuple[NDArray[np.float64], Colour]]) -> Shape:
    """Return the shape of polygons (P, 2) in pixels."""
    every = np.concatenate([points for points, _ in polygons])
    low, high = every.min(axis=0), every.max(axis=0)
    patches = tuple((fixed_point(points), colour) for points, colour in polygons)
    return Shape(patches, (float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def from_limbs(limbs: Sequence[Limb], colours: Sequence[Colour]) -> Shape:
    """Return the shape of tapered capsules."""
    table = np.asarray(limbs, np.float64)
    r0, r1 = table[:, 4], table[:, 5]
    low = np.minimum(table[:, 0:2] - r0[:, None], table[:, 2:4] - r1[:, None]).min(axis=0)
    high = np.maximum(table[:, 0:2] + r0[:, None], table[:, 2:4] + r1[:, None]).max(axis=0)
    outlines = fixed_point(capsules(table))
    patches = tuple(zip(outlines, colours, strict=True))
    return Shape(patches, (float(low[0]), float(low[1]), float(high[0]), float(high[1])))


def capsules(limbs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return (N, 14, 2) outlines of (N, 6) tapered capsules: half a circle around either end."""
    x0, y0, x1, y1, r0, r1 = limbs.T
    along = np.arctan2(y1 - y0, x1 - x0)[:, None]
    first = along + np.pi / 2 + _ARC
    second = along - np.pi / 2 + _ARC
    xs = np.concatenate(
        (x0[:, None] + r0[:, None] * np.cos(first), x1[:, None] + r1[:, None] * np.cos(second)), axis=1
    )
    ys = np.concatenate(
        (y0[:, None] + r0[:, None] * np.sin(first), y1[:, None] + r1[:, None] * np.sin(second)), axis=1
    )
    return np.stack((xs, ys), axis=-1)


def fixed_point(points: NDArray[np.float64]) -> NDArray[np.int32]:
    """Return points in pixels as the sixteenths that OpenCV fills."""
    # Pixel centres lie at whole numbers for OpenCV and at halves for boxes.
    return np.round((points - 0.5) * (1 << _SHIFT)).astype(np.int32)


def darken(image: Image, outlines: Sequence[NDArray[np.int32]], strength: float) -> None:
    """Lay shadows over `image`: every pixel of the union of the outlines loses `strength` of its light.

    Args:
        image: (H, W, 3), changed.
        outlines: Polygons as `fixed_point` gives them.
        strength: 0 for no shadow, 1 for black.
    """
    height, width = image.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    regions = []
    for outline in outlines:
        cv2.fillPoly(mask, [outline], (255,), cv2.LINE_AA, _SHIFT)
        # Soft edges reach a little beyond the corners.
        x0, y0 = np.maximum(outline.min(axis=0) // 16 - 2, 0).tolist()
        x1, y1 = np.minimum(outline.max(axis=0) // 16 + 4, (width, height)).tolist()
        if x1 > x0 and y1 > y0:
            regions.append((slice(y0, y1), slice(x0, x1)))
    for region in regions:
        shade = mask[region]
        light = cv2.merge((cv2.bitwise_not(cv2.convertScaleAbs(shade, alpha=strength)),) * 3)
        patch = image[region]
        cv2.multiply(patch, light, patch, 1 / 255)
        shade[:] = 0  # so that overlapping shadows darken once
