"""Pixels on demand: from an array, or straight from the planes that a decoder left behind.

A decoder gives brightness and colour apart, colour at half size. Whoever wants a small picture
gets each plane resized alone and converted at the small size; the full-size BGR is made only for
whoever asks for it. Why so, and what lost: `docs/decisions/0002-pixels-from-planes.md`.

What decodes is `argus.vision.sources`; what draws is `argus.vision.draw`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, cast

import av
import cv2
import numpy as np
from av.sidedata.sidedata import Type as SideDataType
from av.video.reformatter import VideoReformatter
from numpy.typing import NDArray

from argus.core.frame import Channels, Image


class ArrayPicture:
    """A picture that already lies in memory as BGR or grey pixels."""

    def __init__(self, pixels: NDArray[np.uint8]) -> None:
        """Wrap `pixels`, (H, W, 3) BGR or (H, W) grey, without copying; do not change them afterwards.

        Raises:
            ValueError: another shape or type, or no pixel at all.
        """
        shaped = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] == 3)
        if pixels.dtype != np.uint8 or not shaped or pixels.size == 0:
            raise ValueError(f"pixels: {pixels.dtype} {pixels.shape}, expected uint8 (H, W, 3) or (H, W)")
        bgr = cv2.cvtColor(pixels, cv2.COLOR_GRAY2BGR) if pixels.ndim == 2 else pixels
        self._bgr = _read_only(bgr)

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return int(self._bgr.shape[1])

    @property
    def height(self) -> int:
        """Rows, in pixels."""
        return int(self._bgr.shape[0])

    def bgr(self) -> Image:
        """Return the picture itself, (H, W, 3); read-only."""
        return self._bgr

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        """Return a new (height, width, 3) or (height, width) picture, bilinear."""
        _expect_size(width, height)
        small = self._bgr
        if (width, height) != (self.width, self.height):
            small = cv2.resize(small, (width, height), interpolation=cv2.INTER_LINEAR)
        if channels == "rgb":
            return cast("Image", cv2.cvtColor(small, cv2.COLOR_BGR2RGB))
        if channels == "gray":
            return cast("Image", cv2.cvtColor(small, cv2.COLOR_BGR2GRAY))
        return small.copy() if small is self._bgr else small


class PlanarPicture:
    """A decoded video frame. Holds the decoder's buffers for as long as it lives."""

    def __init__(self, frame: av.VideoFrame) -> None:
        """Wrap `frame`; nothing is converted or copied yet."""
        self._frame = frame
        self._turn = _turn_of(frame)
        self._bgr: Image | None = None
        # swscale writes its colour tags into the frame while it works: one thread at a time.
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """Columns as the picture is meant to be seen."""
        return self._frame.height if self._turn.swap else self._frame.width

    @property
    def height(self) -> int:
        """Rows, likewise."""
        return self._frame.width if self._turn.swap else self._frame.height

    def bgr(self) -> Image:
        """Return the full picture, (H, W, 3); made on the first call, then remembered. Read-only."""
        with self._lock:
            if self._bgr is None:
                full = _converted(self._frame, self._frame.width, self._frame.height, "bgr24")
                self._bgr = _read_only(self._turn.apply(full))
            return self._bgr

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        """Return a new (height, width, 3) or (height, width) picture, bilinear.

        Formats with a plane layout of their own in `_LAYOUTS` are resized plane by plane; whatever
        else the decoder gave is left to swscale.
        """
        _expect_size(width, height)
        lying = (height, width) if self._turn.swap else (width, height)
        return self._turn.apply(self._small(*lying, channels))

    def _small(self, width: int, height: int, channels: Channels) -> Image:
        layout = _LAYOUTS.get(self._frame.format.name)
        if layout is None or any(plane.line_size < 0 for plane in self._frame.planes):
            with self._lock:
                bgr = _converted(self._frame, width, height, "bgr24" if channels != "rgb" else "rgb24")
            return cast("Image", cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY)) if channels == "gray" else bgr
        if channels == "gray" and layout.luma:
            return self._luma(width, height)
        small = av.VideoFrame(width, height, layout.small)
        small.colorspace = self._frame.colorspace
        small.color_range = self._frame.color_range
        sources, targets = self._frame.planes, [_pixels(plane, layout.sample) for plane in small.planes]
        _resize(_pixels(sources[0], layout.sample), targets[0])
        if layout.interleaved:
            half = cv2.resize(_pairs(sources[1]), targets[1].shape[::-1], interpolation=cv2.INTER_LINEAR)
            cv2.split(half.reshape(*targets[1].shape, 2), targets[1:])
        else:
            for source, target in zip(sources[1:], targets[1:], strict=True):
                _resize(_pixels(source, layout.sample), target)
        if channels == "gray":
            bgr = _converted(small, width, height, "bgr24")
            return cast("Image", cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))
        return _converted(small, width, height, "rgb24" if channels == "rgb" else "bgr24")

    def _luma(self, width: int, height: int) -> Image:
        plane = _pixels(self._frame.planes[0])
        small = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        full_range = self._frame.color_range == _FULL_RANGE or self._frame.format.name.startswith("yuvj")
        return cast("Image", small if full_range else cv2.LUT(small, _EXPANDED))


@dataclass(frozen=True, slots=True)
class _Layout:
    """How the planes of a pixel format lie in memory, and the format of the small frame made of them."""

    small: str
    luma: bool
    """True where the first plane is 8-bit brightness."""
    sample: type[np.uint8 | np.uint16] = np.uint8
    interleaved: bool = False
    """True where the second plane holds both colours by turns."""


_EIGHT_BIT = _Layout("yuv420p", luma=True)
_INTERLEAVED = _Layout("yuv420p", luma=True, interleaved=True)
_SIXTEEN_BIT = _Layout("yuv420p10le", luma=False, sample=np.uint16)

# A small frame of 4:2:2 becomes 4:2:0, for swscale is fast with that and what is lost is half the
# height of colours that lack half their width already. 4:4:4 keeps all its colour: photographs and
# screens are stored so for the sake of their coloured edges.
_LAYOUTS = {
    "yuv420p": _EIGHT_BIT,
    "yuvj420p": _Layout("yuvj420p", luma=True),
    "yuv422p": _EIGHT_BIT,
    "yuvj422p": _Layout("yuvj420p", luma=True),
    "yuv444p": _Layout("yuv444p", luma=True),
    "yuvj444p": _Layout("yuvj444p", luma=True),
    "nv12": _INTERLEAVED,
    "yuv420p10le": _SIXTEEN_BIT,
}

_FULL_RANGE = 2  # AVCOL_RANGE_JPEG
# 16..235 of limited range to 0..255, as ITU-R BT.601 and BT.709 define it for 8 bits.
_EXPANDED = np.clip(np.round((np.arange(256) - 16) * 255.0 / 219.0), 0, 255).astype(np.uint8)


@dataclass(frozen=True, slots=True)
class _Turn:
    """What a display matrix asks for, to the nearest right angle: first transpose, then flip."""

    swap: bool = False
    flip_x: bool = False
    flip_y: bool = False

    def apply(self, pixels: Image) -> Image:
        if self.swap:
            pixels = cast("Image", cv2.transpose(pixels))
        if self.flip_x and self.flip_y:
            return cast("Image", cv2.flip(pixels, -1))
        if self.flip_x or self.flip_y:
            return cast("Image", cv2.flip(pixels, 1 if self.flip_x else 0))
        return pixels


_UPRIGHT = _Turn()
_BY_ROTATION = {
    90: _Turn(swap=True, flip_y=True),
    -90: _Turn(swap=True, flip_x=True),
    180: _Turn(flip_x=True, flip_y=True),
    -180: _Turn(flip_x=True, flip_y=True),
}
"""The same where only the angle is known, in degrees counterclockwise."""


def _turn_of(frame: av.VideoFrame) -> _Turn:
    """Return how the frame must be turned to be seen as meant.

    Source: ISO/IEC 14496-12, 6.2.2: (x', y') = (a x + c y, b x + d y), rows (a, b, u), (c, d, v).
    """
    try:
        matrix = cast("Any", frame.side_data).get(SideDataType.DISPLAYMATRIX)
    except ValueError:  # PyAV knows no name for something else that is attached, such as EXIF
        return _BY_ROTATION.get(round(frame.rotation / 90) * 90, _UPRIGHT)
    if matrix is None:
        return _UPRIGHT
    a, b, _, c, d, *_ = np.frombuffer(matrix, np.int32, count=9).tolist()
    if abs(a) + abs(d) >= abs(b) + abs(c):
        return _Turn(swap=False, flip_x=a < 0, flip_y=d < 0)
    return _Turn(swap=True, flip_x=c < 0, flip_y=b < 0)


def _pixels(plane: Any, sample: type[np.uint8 | np.uint16] = np.uint8) -> NDArray[Any]:
    """Return the plane as an array (h, w) without its padding; a view."""
    strides = (plane.line_size, np.dtype(sample).itemsize)
    return np.ndarray((plane.height, plane.width), sample, plane, 0, strides)


def _pairs(plane: Any) -> NDArray[np.uint8]:
    """Return a plane of two colours by turns as an array (h, w, 2); a view."""
    return np.ndarray((plane.height, plane.width, 2), np.uint8, plane, 0, (plane.line_size, 2, 1))


def _resize(source: NDArray[Any], target: NDArray[Any]) -> None:
    cv2.resize(source, target.shape[::-1], dst=target, interpolation=cv2.INTER_LINEAR)


_SCALERS_KEPT = 8


class _Scalers(threading.local):
    """Scalers of one thread, by what they convert: each keeps its tables for as long as that is the same."""

    def __init__(self) -> None:
        self.by_task: dict[tuple[str, int, int, str, int, int], VideoReformatter] = {}


_scalers = _Scalers()


def _converted(frame: av.VideoFrame, width: int, height: int, pixel_format: str) -> Image:
    """Return (height, width, 3) pixels of the frame, by swscale, C-contiguous."""
    task = (frame.format.name, frame.width, frame.height, pixel_format, width, height)
    scaler = _scalers.by_task.get(task)
    if scaler is None:
        if len(_scalers.by_task) == _SCALERS_KEPT:
            _scalers.by_task.clear()
        scaler = _scalers.by_task[task] = VideoReformatter()
    # One thread: to start one per core for every frame, the default, costs more than the conversion.
    result = scaler.reformat(frame, width, height, pixel_format, threads=1)
    return np.ascontiguousarray(cast("Image", result.to_ndarray()))


def _read_only(pixels: Image) -> Image:
    view = np.ascontiguousarray(pixels).view()
    view.flags.writeable = False
    return view


def _expect_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"size {width}x{height}: both sides must be at least 1 pixel")
