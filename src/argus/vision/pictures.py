"""Pixels on demand: from an array, or straight from the planes that a decoder left behind.

A decoder gives brightness and colour apart, colour at half size. Whoever wants a small picture
gets each plane resized alone and converted at the small size; the full-size BGR is made only for
whoever asks for it. Why so, and what lost: `docs/decisions/0002-pixels-from-planes.md`.

What decodes is `argus.vision.sources`; what draws is `argus.vision.draw`.
"""

from __future__ import annotations

import copy
import threading
from typing import Any, Final, cast

import av
import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Channels, Image
from argus.vision.picture_layout import Window, turn_of
from argus.vision.picture_planes import LAYOUTS, Layout, expanded, luma_of, planes_of, resize
from argus.vision.scaling import converted, resampled, room

_FULL_RANGE: Final = 2  # AVCOL_RANGE_JPEG


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
        self._bgr = cast("Image", bgr.view())
        self._bgr.flags.writeable = False

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
        if not self._bgr.flags.c_contiguous:  # a part, of which only a small version was asked for so far
            self._bgr = _read_only(self._bgr)
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

    def part(self, x: int, y: int, width: int, height: int) -> ArrayPicture:
        """Return the rectangle whose top left pixel is (`x`, `y`) as a picture of its own.

        Raises:
            ValueError: it does not lie in the picture.
        """
        window = _window(x, y, width, height, self)
        return ArrayPicture(window.of(self._bgr))


class PlanarPicture:
    """A decoded video frame. Holds the decoder's buffers for as long as it lives."""

    def __init__(self, frame: av.VideoFrame) -> None:
        """Wrap `frame`; nothing is converted or copied yet."""
        self._frame = frame
        self._turn = turn_of(frame)
        self._whole: PlanarPicture | None = None
        self._window = Window(0, 0, *self._seen(frame.width, frame.height))
        self._colours = frame.colorspace, frame.color_range
        self._bgr: Image | None = None
        # swscale writes its colour tags into the frame while it works: one thread at a time.
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """Columns as the picture is meant to be seen."""
        return self._window.width

    @property
    def height(self) -> int:
        """Rows, likewise."""
        return self._window.height

    def part(self, x: int, y: int, width: int, height: int) -> PlanarPicture:
        """Return the rectangle whose top left pixel is (`x`, `y`), as seen, as a picture of its own.

        Nothing is converted or copied yet. Where the format has a layout in `picture_planes` and the
        rectangle begins and ends on whole colour samples (even columns and rows, for 4:2:0), its pixels
        come from the planes; any other is cut from the full BGR, made when its pixels are asked for.

        Raises:
            ValueError: it does not lie in the picture.
        """
        window = _window(x, y, width, height, self)
        part = copy.copy(self)
        part._whole = self._whole or self
        part._window = window.moved(self._window.x, self._window.y)
        part._bgr, part._lock = None, threading.Lock()
        return part

    def bgr(self) -> Image:
        """Return the full picture, (H, W, 3); made on the first call, then remembered. Read-only."""
        with self._lock:
            if self._bgr is None:
                self._bgr = _read_only(self._full())
            return self._bgr

    def _full(self) -> Image:
        if self._whole is None:
            return self._turn.apply(converted(self._frame, self._frame.width, self._frame.height, "bgr24"))
        found = self._planes()
        if found is None or self._whole._bgr is not None:
            return self._window.of(self._whole.bgr())
        planes = found[1]
        height, width = planes[0].shape
        cut = av.VideoFrame(width, height, self._frame.format.name)
        cut.colorspace, cut.color_range = self._colours
        room = planes_of(cut)
        assert room is not None, "it is of a format that has a layout"
        for source, target in zip(planes, room[1], strict=True):
            np.copyto(target, source)
        return self._turn.apply(converted(cut, width, height, "bgr24"))

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        """Return a new (height, width, 3) or (height, width) picture, bilinear.

        Formats with a layout in `picture_planes` are made smaller plane by plane. Made larger they are, and
        whatever else the decoder gave is resized, by swscale.
        """
        _expect_size(width, height)
        if channels != "gray" and self._whole is None and self._grows(*self._seen(width, height)):
            return self._turn.apply(self._large(*self._seen(width, height), channels))
        if channels == "gray" and self._whole is None:
            plane = luma_of(self._frame)
            if plane is not None:
                return self._turn.apply(self._luma(plane, *self._seen(width, height)))
        found = self._planes()
        if self._whole is not None and found is None:
            return ArrayPicture(self.bgr()).resized(width, height, channels)
        return self._turn.apply(self._small(*self._seen(width, height), channels, found))

    def _seen(self, width: int, height: int) -> tuple[int, int]:
        """Return lying sides as seen, and the other way round."""
        return (height, width) if self._turn.swap else (width, height)

    def _grows(self, width: int, height: int) -> bool:
        """Return whether the planes as they are become larger planes of the same format."""
        frame = self._frame
        layout = LAYOUTS.get(frame.format.name)
        known = layout is not None and layout.small == frame.format.name
        return known and width >= frame.width and height >= frame.height

    def _large(self, width: int, height: int, channels: Channels) -> Image:
        with self._lock:
            if (width, height) == (self._frame.width, self._frame.height):
                return converted(self._frame, width, height, f"{channels}24")
            large = resampled(self._frame, width, height)
        large.colorspace, large.color_range = self._colours
        return converted(large, width, height, f"{channels}24")

    def _planes(self) -> tuple[Layout, list[NDArray[Any]]] | None:
        """Return what of each plane this picture shows; None where it is not to be had from them."""
        found = planes_of(self._frame)
        if found is None or self._whole is None:
            return found
        window = self._turn.undone(self._window, *self._seen(self._frame.width, self._frame.height))
        parts = window.of_planes(found[1])
        return None if parts is None else (found[0], parts)

    def _small(
        self,
        width: int,
        height: int,
        channels: Channels,
        found: tuple[Layout, list[NDArray[Any]]] | None,
    ) -> Image:
        if found is None:
            with self._lock:
                if channels != "gray":
                    return converted(self._frame, width, height, f"{channels}24")
                bgr = converted(self._frame, width, height, "bgr24")
            return cast("Image", cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))
        layout, planes = found
        if channels == "gray" and layout.luma:
            return self._luma(planes[0], width, height)
        small, targets = room(layout, width, height)
        small.colorspace, small.color_range = self._colours
        resize(planes[0], targets[0])
        if layout.interleaved:
            half = cv2.resize(planes[1], targets[1].shape[::-1], interpolation=cv2.INTER_LINEAR)
            cv2.split(half.reshape(*targets[1].shape, 2), targets[1:])
        else:
            for source, target in zip(planes[1:], targets[1:], strict=True):
                resize(source, target)
        if channels == "gray":
            bgr = converted(small, width, height, "bgr24")
            return cast("Image", cv2.cvtColor(bgr, cv2.COLOR_BGR2GRAY))
        return converted(small, width, height, f"{channels}24")

    def _luma(self, plane: NDArray[Any], width: int, height: int) -> Image:
        small = cv2.resize(plane, (width, height), interpolation=cv2.INTER_LINEAR)
        full_range = self._colours[1] == _FULL_RANGE or self._frame.format.name.startswith("yuvj")
        return cast("Image", small if full_range else expanded(small))


def _read_only(pixels: Image) -> Image:
    view = np.ascontiguousarray(pixels).view()
    view.flags.writeable = False
    return view


def _window(x: int, y: int, width: int, height: int, picture: ArrayPicture | PlanarPicture) -> Window:
    _expect_size(width, height)
    if x < 0 or y < 0 or x + width > picture.width or y + height > picture.height:
        raise ValueError(
            f"part {width}x{height} at ({x}, {y}): it reaches beyond the picture of"
            f" {picture.width}x{picture.height}"
        )
    return Window(x, y, width, height)


def _expect_size(width: int, height: int) -> None:
    if width < 1 or height < 1:
        raise ValueError(f"size {width}x{height}: both sides must be at least 1 pixel")
