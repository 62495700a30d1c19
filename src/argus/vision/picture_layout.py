"""Where a part of a picture lies in what a decoder stored, and how that is turned to be seen.

Arithmetic of rectangles only; the pixels are handed out by `argus.vision.pictures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import SideDataContainer
from av.sidedata.sidedata import Type as SideDataType
from numpy.typing import NDArray

from argus.core.frame import Image


@dataclass(frozen=True, slots=True)
class Window:
    """A rectangle of pixels."""

    x: int
    y: int
    width: int
    height: int
    """Columns from the left, rows from the top, and its sides."""

    def of(self, pixels: NDArray[Any]) -> NDArray[Any]:
        """Return this part of an array (H, W) or (H, W, C); a view."""
        return pixels[self.y : self.y + self.height, self.x : self.x + self.width]

    def of_planes(self, planes: list[NDArray[Any]]) -> list[NDArray[Any]] | None:
        """Return this part of the first plane and of those that lie below it; None if it splits a sample."""
        height, width = planes[0].shape[:2]
        parts = []
        for plane in planes:
            # Colours of an odd picture reach half a sample beyond its edge.
            step_x, step_y = -(-width // plane.shape[1]), -(-height // plane.shape[0])
            columns = _samples(self.x, self.width, step_x, width)
            rows = _samples(self.y, self.height, step_y, height)
            if columns is None or rows is None:
                return None
            parts.append(plane[rows, columns])
        return parts

    def moved(self, x: int, y: int) -> Window:
        """Return it further right and down."""
        return Window(self.x + x, self.y + y, self.width, self.height)


@dataclass(frozen=True, slots=True)
class Turn:
    """What a display matrix asks for, to the nearest right angle: first transpose, then flip."""

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, pixels: Image) -> Image:
        """Return the stored pixels as seen."""
        if self.swap:
            pixels = cast("Image", cv2.transpose(pixels))
        if self.flip_x and self.flip_y:
            return cast("Image", cv2.flip(pixels, -1))
        if self.flip_x or self.flip_y:
            return cast("Image", cv2.flip(pixels, 1 if self.flip_x else 0))
        return pixels

    def undone(self, window: Window, width: int, height: int) -> Window:
        """Return where a rectangle of the seen picture, `width` x `height`, lies in the stored one."""
        x = width - window.x - window.width if self.flip_x else window.x
        y = height - window.y - window.height if self.flip_y else window.y
        if self.swap:
            return Window(y, x, window.height, window.width)
        return Window(x, y, window.width, window.height)


_UPRIGHT = Turn()
_BY_ROTATION = {
    90: Turn(swap=True, flip_y=True),
    -90: Turn(swap=True, flip_x=True),
    180: Turn(flip_x=True, flip_y=True),
    -180: Turn(flip_x=True, flip_y=True),
}
"""The same where only the angle is known, in degrees counterclockwise."""


def turn_of(frame: av.VideoFrame) -> Turn:
    """Return how the frame must be turned to be seen as meant.

    Source: ISO/IEC 14496-12, 6.2.2: (x', y') = (a x + c y, b x + d y), rows (a, b, u), (c, d, v).
    """
    try:
        # Not `frame.side_data`: it is kept by the frame that it keeps, and the two with their megabytes of
        # picture would stay until Python looks for cycles.
        matrix = cast("Any", SideDataContainer)(frame).get(SideDataType.DISPLAYMATRIX)
    except ValueError:  # PyAV knows no name for something else that is attached, such as EXIF
        return _BY_ROTATION.get(round(frame.rotation / 90) * 90, _UPRIGHT)
    if matrix is None:
        return _UPRIGHT
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32, count=9).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return Turn(swap=False, flip_x=a < 0, flip_y=d < 0)
    return Turn(swap=True, flip_x=c < 0, flip_y=b < 0)


def _samples(start: int, length: int, step: int, whole: int) -> slice | None:
    """Return which samples of `step` pixels the run covers; None if it splits one."""
    end = start + length
    if start % step or (end % step and end != whole):
        return None
    return slice(start // step, -(-end // step))
