"""Which elements of GStreamer unpack and decode a stream: decisions over names, nothing is started here."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from argus.core.resources.camera import Decoder


@dataclass(frozen=True, slots=True)
class Encoding:
    """How a kind of stream comes and what decodes it, best first."""

    codec: str
    """FFmpeg's name, as `SourceInfo.codec` has it for every source."""
    unpack: str
    """Elements from RTP packets to whole coded pictures."""
    cuda: tuple[str, ...]
    vaapi: tuple[str, ...]
    software: tuple[str, ...]


ENCODINGS: Final = {
    "H264": Encoding(
        "h264",
        "rtph264depay ! h264parse",
        ("nvh264dec", "nvh264sldec"),
        ("vah264dec", "vaapih264dec"),
        ("avdec_h264", "openh264dec"),
    ),
    "H265": Encoding(
        "hevc",
        "rtph265depay ! h265parse",
        ("nvh265dec", "nvh265sldec"),
        ("vah265dec", "vaapih265dec"),
        ("avdec_h265", "libde265dec"),
    ),
    "JPEG": Encoding(
        "mjpeg", "rtpjpegdepay", ("nvjpegdec",), ("vajpegdec", "vaapijpegdec"), ("jpegdec", "avdec_mjpeg")
    ),
    "MP4V-ES": Encoding(
        "mpeg4", "rtpmp4vdepay ! mpeg4videoparse", ("nvmpeg4videodec",), (), ("avdec_mpeg4",)
    ),
    "VP8": Encoding(
        "vp8", "rtpvp8depay", ("nvvp8dec",), ("vavp8dec", "vaapivp8dec"), ("vp8dec", "avdec_vp8")
    ),
    "VP9": Encoding(
        "vp9", "rtpvp9depay", ("nvvp9dec",), ("vavp9dec", "vaapivp9dec"), ("vp9dec", "avdec_vp9")
    ),
    "AV1": Encoding("av1", "rtpav1depay ! av1parse", ("nvav1dec",), ("vaav1dec",), ("dav1ddec", "av1dec")),
}
"""By the `encoding-name` of RTP."""

_BY_CAPS: Final = {
    "video/x-h264": "h264",
    "video/x-h265": "hevc",
    "image/jpeg": "mjpeg",
    "video/mpeg": "mpeg4",
    "video/x-vp8": "vp8",
    "video/x-vp9": "vp9",
    "video/x-av1": "av1",
}

SINK: Final = "sink"
"""What the element is called that frames are taken from."""

FORMATS: Final = {
    "I420": "yuv420p",
    "NV12": "nv12",
    "Y42B": "yuv422p",
    "Y444": "yuv444p",
    "I420_10LE": "yuv420p10le",
    "GRAY8": "gray",
    "BGR": "bgr24",
    "RGB": "rgb24",
}
"""Layouts of pixels that are taken as they are, with FFmpeg's name; others are converted first."""


@dataclass(frozen=True, slots=True)
class DecoderElement:
    """One element that can decode a stream here."""

    name: str
    hardware: bool

    @property
    def text(self) -> str:
        """The element as it stands in a pipeline."""
        # Slices are rare in cameras, so further threads would find no work; and pictures decoded side by
        # side would each come some pictures late.
        return f"{self.name} max-threads=1" if self.name.startswith("avdec_h26") else self.name


def decoders_for(encoding: Encoding, decoder: Decoder, available: Collection[str]) -> list[DecoderElement]:
    """Return what may decode such a stream, in the order in which it is to be tried.

    Args:
        encoding: Of the stream.
        decoder: What the user wants: `cuda`, `vaapi` and `hardware` leave software out, `software` leaves
            hardware out, `auto` and `gstreamer` try hardware first.
        available: Names of the elements that are installed. Elements of hardware count as installed
            only where the hardware is.
    """
    hardware: tuple[str, ...] = ()
    if decoder in {"cuda", "hardware", "auto", "gstreamer"}:
        hardware += encoding.cuda
    if decoder in {"vaapi", "hardware", "auto", "gstreamer"}:
        hardware += encoding.vaapi
    software = encoding.software if decoder in {"software", "auto", "gstreamer"} else ()
    found = [DecoderElement(name, hardware=True) for name in hardware if name in available]
    return found + [DecoderElement(name, hardware=False) for name in software if name in available]


def is_hardware(element: str) -> bool:
    """Return whether an element of this name decodes outside the processor."""
    return any(element in (*known.cuda, *known.vaapi) for known in ENCODINGS.values())


def codec_of(caps_name: str) -> str | None:
    """Return FFmpeg's name for what an element says it decodes, None where it is no coded picture."""
    return _BY_CAPS.get(caps_name)


def tail_text(*, upright: bool = False) -> str:
    """Return the end of every pipeline, from decoded pictures to where they are taken.

    Args:
        upright: Turn pictures as their container says.
    """
    # With a format that is taken as it is, videoconvert and videoflip hand buffers through.
    formats = ", ".join(FORMATS)
    turn = "videoflip video-direction=auto ! " if upright else ""
    return (
        f"videoconvert ! {turn}video/x-raw, format=(string){{ {formats} }} ! appsink name={SINK} sync=false "
        "enable-last-sample=false qos=false max-buffers=4"
    )
