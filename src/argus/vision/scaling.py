"""Frames of a decoder in another size and format, by swscale, with tables and room kept per thread.

What is asked of it, and when planes are resized one by one instead, is `argus.vision.pictures`.
"""

from __future__ import annotations

import threading
from typing import Final, cast

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from argus.core.frame import Image

_KEPT: Final = 8
"""Scalers, and frames to fill, that a thread remembers."""


class _Kept(threading.local):
    """What one thread used last, by its use; a scaler keeps its tables while that is the same."""

    def __init__(self) -> None:
        self.scalers: dict[tuple[str, int, int, str, int, int], VideoReformatter] = {}
        self.frames: dict[tuple[str, int, int], av.VideoFrame] = {}


_kept = _Kept()


def room(pixel_format: str, width: int, height: int) -> av.VideoFrame:
    """Return a frame to fill. It is this thread's, and the same at every call: use it up before the next."""
    kind = (pixel_format, width, height)
    frame = _kept.frames.get(kind)
    if frame is None:
        if len(_kept.frames) == _KEPT:
            _kept.frames.clear()
        frame = _kept.frames[kind] = av.VideoFrame(width, height, pixel_format)
    return frame


def converted(frame: av.VideoFrame, width: int, height: int, pixel_format: str) -> Image:
    """Return (height, width, 3) pixels of the frame, C-contiguous.

    Args:
        frame: Any format and size.
        width: Columns wanted.
        height: Rows wanted.
        pixel_format: `rgb24` or `bgr24`.
    """
    task = (frame.format.name, frame.width, frame.height, pixel_format, width, height)
    scaler = _kept.scalers.get(task)
    if scaler is None:
        if len(_kept.scalers) == _KEPT:
            _kept.scalers.clear()
        scaler = _kept.scalers[task] = VideoReformatter()
    # One thread: to start one per core for every frame, the default, costs more than the conversion.
    result = scaler.reformat(frame, width, height, pixel_format, threads=1)
    return np.ascontiguousarray(cast("Image", result.to_ndarray()))
