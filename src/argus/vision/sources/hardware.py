"""Decoding on a graphics card through FFmpeg: whether it can be had, and pictures that still lie there.

Which decoder a camera uses is said in its spec; GStreamer's hardware decoders are `gstreamer`'s.
"""

from __future__ import annotations

import threading
from functools import lru_cache
from typing import Final, Literal

import av
import av.error
import structlog
from av.codec.hwaccel import HWAccel, hwdevices_available

from argus.core.errors import SourceUnreadable
from argus.core.frame import Channels, Image
from argus.core.resources.camera import Decoder
from argus.vision.capabilities.video import device_decodes
from argus.vision.pictures import PlanarPicture

Device = Literal["cuda", "vaapi"]

_KINDS: Final[tuple[Device, ...]] = ("cuda", "vaapi")
_NEEDS: Final = {
    "cuda": "an NVIDIA card, its driver, and in a container the capability `video`",
    "vaapi": "an Intel or AMD card, its VA-API driver, and access to /dev/dri/renderD128",
}
_TRIED_WITH: Final = "h264"


def accelerator_of(decoder: Decoder) -> HWAccel | None:
    """Return what a container is to be opened with; None decodes on the processor.

    `cuda` and `vaapi` insist. `hardware` takes whichever is there, else the processor with a warning in
    the log; `auto` does so without.

    Raises:
        SourceUnreadable: the device that was asked for by name cannot be used; the message says what
            it needs.
    """
    if decoder in {"cuda", "vaapi"}:
        problem = device_problem(decoder)
        if problem is not None:
            raise SourceUnreadable(f"decoder {decoder!r} cannot be used: {problem}; or take decoder 'auto'")
        return _accelerator(decoder, fallback=False)
    if decoder in {"auto", "hardware"}:
        for kind in _KINDS:
            if device_problem(kind) is None:
                return _accelerator(kind, fallback=True)
        if decoder == "hardware":
            _warn_once()
    return None


@lru_cache
def device_problem(kind: str) -> str | None:
    """Return why no picture can be decoded on this kind of device here, or None. Tried once per process."""
    if kind not in hwdevices_available():
        return (
            f"this build of FFmpeg is made without {kind}: take decoder 'gstreamer', or a PyAV built with it"
        )
    try:
        HWAccel(kind).create(av.Codec(_TRIED_WITH, "r"))
    except (av.error.FFmpegError, OSError, NotImplementedError, RuntimeError, ValueError) as error:
        fact = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return f"no such device opens ({fact}): it needs {_NEEDS.get(kind, kind)}"
    if not device_decodes(kind):
        return f"the device opens and decodes nothing: it needs {_NEEDS.get(kind, kind)}"
    return None


def _accelerator(kind: str, *, fallback: bool) -> HWAccel:
    # CUDA hands out copies, which may be kept there until somebody looks. The surfaces of VA-API belong to
    # its decoder, which stops when a few of them are kept: they are fetched at once.
    return HWAccel(kind, allow_software_fallback=fallback, is_hw_owned=kind == "cuda")


@lru_cache
def _warn_once() -> None:
    problems = {kind: device_problem(kind) for kind in _KINDS}
    structlog.get_logger().warning(
        "decoder.no_hardware", consequence="pictures are decoded on the processor", **problems
    )


class DevicePicture:
    """A picture on a graphics card, fetched when somebody looks at it and not before."""

    def __init__(self, frame: av.VideoFrame) -> None:
        """Wrap `frame`; it stays where it is."""
        self._frame: av.VideoFrame | None = frame
        self._width, self._height = frame.width, frame.height
        self._fetched: PlanarPicture | None = None
        self._lock = threading.Lock()

    @property
    def width(self) -> int:
        """Columns; a camera's picture is never turned."""
        return self._width

    @property
    def height(self) -> int:
        """Rows."""
        return self._height

    def bgr(self) -> Image:
        """Return the full picture, (H, W, 3); read-only."""
        return self._here().bgr()

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        """Return a new picture at this size; see `Picture.resized`."""
        return self._here().resized(width, height, channels)

    def _here(self) -> PlanarPicture:
        with self._lock:
            if self._fetched is None:
                assert self._frame is not None
                stored = self._frame.sw_format
                here = self._frame.reformat(format=stored.name) if stored is not None else self._frame
                self._fetched = PlanarPicture(here)
                self._frame = None  # its place on the card is free again
            return self._fetched
