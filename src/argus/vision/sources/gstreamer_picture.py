"""Pixels of a frame that GStreamer decoded: mapped when somebody asks, then as for every decoder.

The binding can only copy what it maps, so nothing is mapped for a frame
that nobody looks at. What makes pixels of planes is `argus.vision.pictures`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any, Final, cast

import av
import numpy as np

from argus.core.errors import SourceUnreadable
from argus.core.frame import Channels, Image
from argus.vision.pictures import PlanarPicture
from argus.vision.sources.gstreamer_binding import GStreamer
from argus.vision.sources.gstreamer_decoders import FORMATS

# GstVideoColorMatrix to AVColorSpace, GstVideoColorRange to AVColorRange.
_MATRICES: Final = {2: 4, 3: 1, 4: 6, 5: 7, 6: 9}
_RANGES: Final = {1: 2, 2: 1}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a picture lies in a buffer."""

    format: str
    """FFmpeg's name."""
    width: int
    height: int
    offsets: tuple[int, ...]
    """Where each plane begins, in bytes."""
    strides: tuple[int, ...]
    """From row to row of each plane, in bytes."""
    matrix: int = 2
    """FFmpeg's AVColorSpace; 2 is unspecified."""
    color_range: int = 0
    """FFmpeg's AVColorRange; 0 is unspecified."""

    @property
    def packed(self) -> bool:
        """True for 4:2:0 in three planes or two with nothing between rows and planes."""
        w, h = self.width, self.height
        if w % 2 or h % 2:
            return False
        if self.format == "yuv420p":
            return self.strides == (w, w // 2, w // 2) and self.offsets == (0, w * h, w * h * 5 // 4)
        return self.format == "nv12" and self.strides == (w, w) and self.offsets == (0, w * h)


def layout_of(gstreamer: GStreamer, caps: Any, shown: str) -> Layout:
    """Return the layout that caps stand for, where a buffer says nothing else.

    Raises:
        SourceUnreadable: pictures of a format that is not known here.
    """
    made = gstreamer.video.VideoInfo.new_from_caps(caps)
    info = made[1] if isinstance(made, tuple) else made
    name = info.finfo.name if info is not None else caps.get_structure(0).get_name()
    if name not in FORMATS:
        raise SourceUnreadable(
            f"{shown} gives pictures as {name}: "
            "put `videoconvert ! video/x-raw,format=I420` before the appsink"
        )
    planes = info.finfo.n_planes
    return Layout(
        FORMATS[name],
        info.width,
        info.height,
        tuple(info.offset[:planes]),
        tuple(info.stride[:planes]),
        _MATRICES.get(int(info.colorimetry.matrix), 2),
        _RANGES.get(int(info.colorimetry.range), 0),
    )


class MappedPicture:
    """A picture in a buffer of GStreamer, kept until its pixels are asked for."""

    def __init__(self, gstreamer: GStreamer, buffer: Any, layout: Layout, *, at_once: bool = False) -> None:
        """Keep `buffer`.

        Args:
            gstreamer: What the buffer is of.
            buffer: A Gst.Buffer.
            layout: How the picture lies in it; what the buffer itself says wins.
            at_once: Copy the pixels now: a hardware decoder has few buffers and waits for this one.
        """
        self._gstreamer = gstreamer
        self._buffer = buffer
        self._layout = layout
        self._lock = threading.Lock()
        self._picture: PlanarPicture | None = None
        if at_once:
            self._planar()

    @property
    def width(self) -> int:
        """Columns, in pixels."""
        return self._layout.width

    @property
    def height(self) -> int:
        """Rows, likewise."""
        return self._layout.height

    def bgr(self) -> Image:
        """Return the full picture, (H, W, 3); made on the first call, then remembered. Read-only."""
        return self._planar().bgr()

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        """Return a new (height, width, 3) or (height, width) picture, bilinear, from the planes."""
        return self._planar().resized(width, height, channels)

    def _planar(self) -> PlanarPicture:
        with self._lock:
            if self._picture is None:
                data, layout = _mapped(self._gstreamer, self._buffer, self._layout)
                self._picture = PlanarPicture(frame_of(data, layout))
                self._buffer = None  # back to the decoder
            return self._picture


def _mapped(gstreamer: GStreamer, buffer: Any, layout: Layout) -> tuple[bytes, Layout]:
    meta = gstreamer.video.buffer_get_video_meta(buffer)
    if meta is not None:
        planes = meta.n_planes
        layout = Layout(
            layout.format,
            layout.width,
            layout.height,
            tuple(meta.offset[:planes]),
            tuple(meta.stride[:planes]),
            layout.matrix,
            layout.color_range,
        )
    fine, mapped = buffer.map(gstreamer.gst.MapFlags.READ)
    if not fine:
        raise SourceUnreadable(
            "a picture cannot be read from the memory of the decoder: use `decoder: software`"
        )
    try:
        return bytes(mapped.data), layout
    finally:
        buffer.unmap(mapped)


def frame_of(data: bytes, layout: Layout) -> av.VideoFrame:
    """Return a frame with the pixels of `data`; without a copy where they lie as FFmpeg would put them."""
    if layout.packed:
        rows = np.frombuffer(data, np.uint8, count=layout.width * layout.height * 3 // 2)
        frame = av.VideoFrame.from_numpy_buffer(rows.reshape(-1, layout.width), layout.format)
    else:
        frame = av.VideoFrame(layout.width, layout.height, layout.format)
        for plane, offset, stride in zip(frame.planes, layout.offsets, layout.strides, strict=True):
            used = min(stride, plane.line_size)
            source = np.ndarray((plane.height, used), np.uint8, data, offset, (stride, 1))
            target = np.ndarray((plane.height, used), np.uint8, cast("Any", plane), 0, (plane.line_size, 1))
            target[:] = source
    frame.colorspace = layout.matrix
    frame.color_range = layout.color_range
    return frame
