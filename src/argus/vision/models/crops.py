"""How the crop of an object gets onto the canvas of a classifier or an embedder.

Classifiers are trained on pictures that were shrunk with every pixel counted in (as Pillow does
it), and their answers depend on it; embedders are trained on plainly stretched crops.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.vision.models.engines.protocol import Arithmetic


@dataclass(frozen=True, slots=True)
class CropPreparation:
    """What a classifier or an embedder wants to see of a picture."""

    arithmetic: Arithmetic
    shorter_side: int | None = None
    """Pixels of the shorter side before the middle is cut out; None: stretched to the canvas."""
    channels: Literal["rgb", "bgr"] = "rgb"


def draw_crop(picture: Image, preparation: CropPreparation, canvas: NDArray[np.uint8]) -> None:
    """Draw an (H, W, 3) BGR picture on its canvas."""
    high, wide, _ = canvas.shape
    height, width = picture.shape[:2]
    if preparation.shorter_side is None:
        small = cv2.resize(picture, (wide, high), interpolation=cv2.INTER_LINEAR)
    else:
        ratio = preparation.shorter_side / min(width, height)
        size = (max(wide, int(width * ratio)), max(high, int(height * ratio)))
        left, top = (size[0] - wide) // 2, (size[1] - high) // 2
        small = _shrunk(picture, size, (left, top, wide, high))
    if preparation.channels == "rgb":
        cv2.cvtColor(small, cv2.COLOR_BGR2RGB, dst=canvas)
    else:
        canvas[...] = small


def _shrunk(picture: Image, size: tuple[int, int], part: tuple[int, int, int, int]) -> NDArray[np.uint8]:
    """Return `part` (left, top, width, height) of the picture resized to `size` (width, height)."""
    left, top, wide, high = part
    height, width, _ = picture.shape
    rows, columns = _triangles(height, size[1], top, high), _triangles(width, size[0], left, wide)
    lower = rows @ picture.reshape(height, -1).astype(np.float32)
    turned = np.ascontiguousarray(lower.reshape(high, width, 3).swapaxes(0, 1)).reshape(width, -1)
    both = (columns @ turned).reshape(wide, high, 3).swapaxes(0, 1)
    return np.ascontiguousarray(np.clip(np.rint(both), 0, 255).astype(np.uint8))


@lru_cache(maxsize=64)
def _triangles(before: int, after: int, first: int, count: int) -> Any:
    """Return the sparse (count, before) matrix that makes output pixels first.. of a line.

    Each is the mean of the input pixels around it, weighted by a triangle as wide as the step from
    one output pixel to the next, so that nothing is skipped. Source: the filter "bilinear" of Pillow.
    """
    from scipy.sparse import csr_array

    step = before / after
    reach = max(step, 1.0)
    taps = 2 * math.ceil(reach) + 1
    centre = (np.arange(first, first + count) + 0.5) * step
    start = np.floor(centre - reach).astype(np.int64)
    index = start[:, None] + np.arange(taps)
    weight = np.maximum(0, 1 - np.abs(index + 0.5 - centre[:, None]) / reach)
    weight[(index < 0) | (index >= before)] = 0
    weight /= weight.sum(axis=1, keepdims=True)
    line = np.repeat(np.arange(count), taps)
    place = (line, np.clip(index, 0, before - 1).reshape(-1))
    return csr_array((weight.astype(np.float32).reshape(-1), place), shape=(count, before))
