"""Frames of a decoder in another size and format, by swscale, with tables and room kept per thread.

What is asked of it, and when planes are resized one by one instead, is `argus.vision.pictures`.
"""

from __future__ import annotations

import threading
from typing import Any, Final

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.vision.picture_planes import Layout, pixels_of

_KEPT: Final = 8
"""Scalers, and frames to fill, that a thread remembers."""


class _Kept(threading.local):
    """What one thread used last, by its use; a scaler keeps its tables while that is the same."""

    def __init__(self) -> None:
        self.scalers: dict[tuple[str, int, int, str, int, int], VideoReformatter] = {}
        self.rooms: dict[tuple[str, int, int], tuple[av.VideoFrame, list[NDArray[Any]]]] = {}


_kept = _Kept()


def room(layout: Layout, width: int, height: int) -> tuple[av.VideoFrame, list[NDArray[Any]]]:
    """Return a frame in the small format of a layout, and its planes (h, w), to be filled.

    It is this thread's, and the same at every call: use it up before the next.
    """
    kind = (layout.small, width, height)
    kept = _kept.rooms.get(kind)
    if kept is None:
        if len(_kept.rooms) == _KEPT:
            _kept.rooms.clear()
        frame = av.VideoFrame(width, height, layout.small)
        kept = _kept.rooms[kind] = frame, [pixels_of(plane, layout.sample) for plane in frame.planes]
    return kept


def resampled(frame: av.VideoFrame, width: int, height: int) -> av.VideoFrame:
    """Return the frame in another size, its format as it is, bilinear as PyAV does it by default."""
    return _scaler(frame, width, height, frame.format.name).reformat(frame, width, height, threads=1)


def converted(frame: av.VideoFrame, width: int, height: int, pixel_format: str) -> Image:
    """Return (height, width, 3) pixels of the frame, C-contiguous.

    Args:
        frame: Any format and size.
        width: Columns wanted.
        height: Rows wanted.
        pixel_format: `rgb24` or `bgr24`.
    """
    # One thread: to start one per core for every frame, the default, costs more than the conversion.
    scaler = _scaler(frame, width, height, pixel_format)
    result = scaler.reformat(frame, width, height, pixel_format, threads=1)
    plane: Any = result.planes[0]
    # As `to_ndarray` does it, but for what it asks of every format.
    return np.ascontiguousarray(np.ndarray((height, width, 3), np.uint8, plane, 0, (plane.line_size, 3, 1)))


def _scaler(frame: av.VideoFrame, width: int, height: int, pixel_format: str) -> VideoReformatter:
    """Return this thread's for a task."""
    task = (frame.format.name, frame.width, frame.height, pixel_format, width, height)
    scaler = _kept.scalers.get(task)
    if scaler is None:
        if len(_kept.scalers) == _KEPT:
            _kept.scalers.clear()
        scaler = _kept.scalers[task] = VideoReformatter()
    return scaler
