"""How the planes that a decoder leaves behind lie in memory, and how they are got at.

Which of them a picture shows, and what is made of them, is `pictures`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Layout:
    """How the planes of a pixel format lie in memory, and the format of the small frame made of them."""

    small: str
    luma: bool
    """True where the first plane is 8-bit brightness."""
    sample: type[np.uint8 | np.uint16] = np.uint8
    interleaved: bool = False
    """True where the second plane holds both colours by turns."""


_EIGHT_BIT = Layout("yuv420p", luma=True)
_INTERLEAVED = Layout("yuv420p", luma=True, interleaved=True)
_SIXTEEN_BIT = Layout("yuv420p10le", luma=False, sample=np.uint16)

# A small frame of 4:2:2 becomes 4:2:0, for swscale is fast with that and what is lost is half the
# height of colours that lack half their width already. 4:4:4 keeps all its colour: photographs and
# screens are stored so for the sake of their coloured edges.
LAYOUTS: Final = {
    "yuv420p": _EIGHT_BIT,
    "yuvj420p": Layout("yuvj420p", luma=True),
    "yuv422p": _EIGHT_BIT,
    "yuvj422p": Layout("yuvj420p", luma=True),
    "yuv444p": Layout("yuv444p", luma=True),
    "yuvj444p": Layout("yuvj444p", luma=True),
    "nv12": _INTERLEAVED,
    "yuv420p10le": _SIXTEEN_BIT,
}
"""By FFmpeg's name of the format; others are left to swscale."""

_GAIN: Final = 255.0 / 219.0


def pixels_of(plane: Any, sample: type[np.uint8 | np.uint16] = np.uint8) -> NDArray[Any]:
    """Return the plane as an array (h, w) without its padding; a view."""
    strides = (plane.line_size, np.dtype(sample).itemsize)
    return np.ndarray((plane.height, plane.width), sample, plane, 0, strides)


def planes_of(frame: av.VideoFrame) -> tuple[Layout, list[NDArray[Any]]] | None:
    """Return how the planes lie, and what they hold, as views; None where that is left to swscale.

    Each is (h, w), or (h, w, 2) of two colours by turns.
    """
    layout = LAYOUTS.get(frame.format.name)
    planes = frame.planes  # made anew at each asking
    if layout is None or any(plane.line_size < 0 for plane in planes):  # upside down
        return None
    if layout.interleaved:
        return layout, [pixels_of(planes[0]), _pairs(planes[1])]
    return layout, [pixels_of(plane, layout.sample) for plane in planes]


def luma_of(frame: av.VideoFrame) -> NDArray[np.uint8] | None:
    """Return 8-bit brightness (h, w), a view; None where there is none, or it lies upside down."""
    layout = LAYOUTS.get(frame.format.name)
    if layout is None or not layout.luma:
        return None
    plane = frame.planes[0]
    return None if plane.line_size < 0 else pixels_of(plane)


def _pairs(plane: Any) -> NDArray[np.uint8]:
    """Return a plane of two colours by turns as an array (h, w, 2); a view."""
    return np.ndarray((plane.height, plane.width, 2), np.uint8, plane, 0, (plane.line_size, 2, 1))


def expanded(brightness: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return brightness of limited range, 16..235, in full range, 0..255.

    Source: ITU-R BT.601 and BT.709 for 8 bits.
    """
    # A sum of one picture and nothing, rounded and cut off by OpenCV: half the time of a table.
    return cast("NDArray[np.uint8]", cv2.addWeighted(brightness, _GAIN, brightness, 0.0, -16.0 * _GAIN))


def resize(source: NDArray[Any], target: NDArray[Any]) -> None:
    """Fill a plane with another, bilinear."""
    cv2.resize(source, target.shape[::-1], dst=target, interpolation=cv2.INTER_LINEAR)
