"""A part of a picture as a picture of its own: what a pipeline with a `crop` looks at.

Boxes, zones and lines of whoever gets such a picture are those of the part. How a part is cut out of
a decoder's planes is `argus.vision.pictures`; crops of single objects are `argus.vision.models.crops`.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Protocol, runtime_checkable

from argus.core.frame import Channels, Frame, Image, Picture
from argus.vision.pictures import ArrayPicture

Crop = tuple[float, float, float, float]
"""Left, top, right, bottom; 0..1 of a picture's width and height."""


@runtime_checkable
class Divisible(Picture, Protocol):
    """A picture that can cut out a part of itself better than by cutting its full BGR."""

    def part(self, x: int, y: int, width: int, height: int) -> Divisible:
        """Return the rectangle of pixels whose top left one is (`x`, `y`)."""
        ...


class CroppedPicture:
    """The part of another picture that a crop asks for; holds that picture for as long as it lives.

    Its edges are the even columns and rows nearest to those asked for, or the picture's own: a decoder
    stores one colour for two of them, so nothing has to be made but what is asked for. It is never empty.
    """

    def __init__(self, picture: Picture, crop: Crop) -> None:
        """Look at a part of `picture`; nothing is converted yet.

        Raises:
            ValueError: the edges are not in order or not within 0..1.
        """
        left, top, right, bottom = crop
        if not (0 <= left < right <= 1 and 0 <= top < bottom <= 1):
            raise ValueError(
                f"crop {crop}: expected left, top, right, bottom with 0 <= left < right <= 1 and"
                " 0 <= top < bottom <= 1"
            )
        self.x, self.width = _even_run(left, right, picture.width)
        self.y, self.height = _even_run(top, bottom, picture.height)
        self._whole = picture
        self._part: Divisible | None = None
        if isinstance(picture, Divisible):
            self._part = picture.part(self.x, self.y, self.width, self.height)

    def bgr(self) -> Image:
        """Return the part, (H, W, 3); made once, then remembered. Read-only."""
        return self._cut().bgr()

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        """Return the part as a new (height, width, 3) or (height, width) picture; see `Picture.resized`."""
        return self._cut().resized(width, height, channels)

    def part(self, x: int, y: int, width: int, height: int) -> Divisible:
        """Return a rectangle of this part, in pixels of this part."""
        return self._cut().part(x, y, width, height)

    def _cut(self) -> Divisible:
        if self._part is None:
            rows, columns = slice(self.y, self.y + self.height), slice(self.x, self.x + self.width)
            self._part = ArrayPicture(self._whole.bgr()[rows, columns])
        return self._part


def crop_frame(frame: Frame, crop: Crop) -> Frame:
    """Return the frame with its picture cut to a part; all else stays.

    Raises:
        ValueError: the edges are not in order or not within 0..1.
    """
    return replace(frame, picture=CroppedPicture(frame.picture, crop))


def _even_run(begin: float, end: float, size: int) -> tuple[int, int]:
    """Return first pixel and length of the run of `size` pixels nearest to `begin`..`end` on even edges."""
    if size < 2:
        return 0, size
    first = min(2 * math.floor(begin * size / 2 + 0.5), 2 * ((size - 1) // 2))
    last = size if end == 1 else max(first + 2, 2 * math.floor(end * size / 2 + 0.5))
    return first, min(last, size) - first
