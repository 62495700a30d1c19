"""How a frame gets onto the canvas of a network, and how boxes get back from it.

Sizes and places only, and one drawing step; the arithmetic on pixel values is the engine's.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Frame
from argus.vision.models.engines.protocol import Arithmetic

_CANVASES: Final = 32
"""So many are remembered."""

IMAGENET = Arithmetic((123.675, 116.28, 103.53), (58.395, 57.12, 57.375))
"""Mean and deviation of ImageNet's pixels, red, green, blue, on the scale 0..255."""
UNIT = Arithmetic()
"""0..255 becomes 0..1."""
RAW = Arithmetic(std=(1.0, 1.0, 1.0))
"""0..255 stays as it is."""


@dataclass(frozen=True, slots=True)
class Preparation:
    """What a network wants to see."""

    fit: Literal["centre", "corner", "stretch"] = "centre"
    """`centre` and `corner` keep the aspect and fill the rest with `pad`; `stretch` does not."""
    channels: Literal["rgb", "bgr"] = "rgb"
    arithmetic: Arithmetic = UNIT
    pad: int = 114
    """Grey value beside the picture."""
    truncates: bool = False
    """True where the trainers cut the resized size to whole pixels instead of rounding it."""
    exact_scale: bool = False
    """True where boxes are scaled by the resized size, not by the ratio that led to it."""


@dataclass(frozen=True, slots=True)
class Geometry:
    """Where a picture lies on a canvas, in pixels."""

    picture_wh: tuple[int, int]
    canvas_wh: tuple[int, int]
    inner_wh: tuple[int, int]
    """Size of the picture on the canvas."""
    left: int
    top: int
    scale_x: float
    """Canvas pixels per picture pixel."""
    scale_y: float

    def to_picture(self, xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return (N, 4) corners in pixels of the picture, clipped to it, for corners on the canvas."""
        corner, scale, far = _rows(self)
        moved = xyxy - corner
        moved /= scale
        np.maximum(moved, 0, out=moved)
        np.minimum(moved, far, out=moved)
        return moved


@lru_cache(maxsize=256)
def _rows(geometry: Geometry) -> tuple[NDArray[np.float32], ...]:
    """Return where the picture begins, its scale, and its far corner, each for the four numbers of a box."""
    pairs = ((geometry.left, geometry.top), (geometry.scale_x, geometry.scale_y), geometry.picture_wh)
    return tuple(np.array(pair * 2, np.float32) for pair in pairs)


@lru_cache(maxsize=256)
def fit(preparation: Preparation, picture_wh: tuple[int, int], canvas_wh: tuple[int, int]) -> Geometry:
    """Return where a picture of one size lies on a canvas of another."""
    (width, height), (wide, high) = picture_wh, canvas_wh
    if preparation.fit == "stretch":
        return Geometry(picture_wh, canvas_wh, canvas_wh, 0, 0, wide / width, high / height)
    ratio = min(wide / width, high / height)
    if preparation.truncates:
        inner = (max(1, int(width * ratio)), max(1, int(height * ratio)))
    else:
        inner = (max(1, round(width * ratio)), max(1, round(height * ratio)))
    left = top = 0
    if preparation.fit == "centre":
        # A tenth decides on which side an odd row of padding goes, as the trainers of YOLO do it.
        left, top = round((wide - inner[0]) / 2 - 0.1), round((high - inner[1]) / 2 - 0.1)
    scale_x, scale_y = (inner[0] / width, inner[1] / height) if preparation.exact_scale else (ratio, ratio)
    return Geometry(picture_wh, canvas_wh, inner, left, top, scale_x, scale_y)


class Easel:
    """Draws frames on canvases. What lies beside a picture is filled once, until one lies elsewhere."""

    def __init__(self, preparation: Preparation) -> None:
        """Draw as a network wants it; nobody else may draw on the canvases."""
        self._preparation = preparation
        self._filled: dict[int, tuple[NDArray[np.uint8], dict[int, Geometry]]] = {}

    def draw(self, frame: Frame, geometry: Geometry, canvases: NDArray[np.uint8], at: int) -> None:
        """Draw the frame on one of the (B, H, W, 3) canvases.

        Args:
            frame: What to draw.
            geometry: Where on the canvas.
            canvases: Kept by their owner and lent again: the same array each time.
            at: Which of them, first 0.
        """
        canvas = canvases[at]
        width, height = geometry.inner_wh
        left, top = geometry.left, geometry.top
        filled = self._known(canvases)
        if filled.get(at) != geometry:
            canvas[:top] = self._preparation.pad
            canvas[top + height :] = self._preparation.pad
            canvas[top : top + height, :left] = self._preparation.pad
            canvas[top : top + height, left + width :] = self._preparation.pad
            filled[at] = geometry
        inner = canvas[top : top + height, left : left + width]
        inner[...] = frame.resized(width, height, self._preparation.channels)

    def _known(self, canvases: NDArray[np.uint8]) -> dict[int, Geometry]:
        """Return what is filled on which of the canvases."""
        # The array is kept, so that no other can have its number.
        known = self._filled.get(id(canvases))
        if known is None:
            if len(self._filled) >= _CANVASES:
                self._filled.clear()
            known = self._filled[id(canvases)] = canvases, {}
        return known[1]
