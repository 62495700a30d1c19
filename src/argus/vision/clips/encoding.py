"""Kept pictures into an MP4 that a browser plays, where they cannot be copied, such as JPEG.

Costs a decode and an encode of each, and only when somebody wants the clip.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Final

import av
import av.error
from av.container import OutputContainer
from av.video.reformatter import ColorRange

from argus.core.errors import SourceUnreadable, SpecError
from argus.vision.clips.clip import ClipUnavailable
from argus.vision.clips.muxing import Written, new_file
from argus.vision.clips.order import decoder_of
from argus.vision.clips.stretch import Kept, Piece
from argus.vision.sinks.video import ENCODERS
from argus.vision.sources.jpeg import PictureDecoder

_FINE: Final = Fraction(1, 90_000)
_GOP_S: Final = 2


def write_encoded(piece: Piece, packets: Sequence[Kept], path: Path) -> Written:
    """Decode the packets and write their pictures; damaged ones are left out.

    Raises:
        ClipUnavailable: none can be decoded.
        OutputError: the file cannot be written.
        SpecError: this FFmpeg has no encoder.
    """
    count, last = 0, -1
    begin: int | None = None
    stream: av.VideoStream | None = None
    with new_file(path) as container:
        for pts, frame in _pictures(piece, packets):
            if stream is None:
                begin, stream = pts, _stream(container, frame, piece)
            assert begin is not None
            moved = _fitting(frame, stream)
            # Pictures that came all at once have one time, and a file wants one for each.
            last = max(last + 1, round((pts - begin) * piece.form.time_base / _FINE))
            moved.pts, moved.time_base = last, _FINE
            container.mux(stream.encode(moved))
            count += 1
        if stream is None:
            raise ClipUnavailable("none of the pictures that are kept can be decoded: check the camera")
        container.mux(stream.encode(None))
        codec = stream.codec_context.codec.canonical_name
    return Written(codec, count, encoded=True)


def _pictures(piece: Piece, packets: Sequence[Kept]) -> Iterator[tuple[int, av.VideoFrame]]:
    """Yield the pictures in the order in which they are shown, each with its ticks."""
    if piece.form.mould is None:
        decoder = PictureDecoder()
        for packet in packets:
            with contextlib.suppress(SourceUnreadable):
                pixels = decoder.decode(packet.data).bgr()
                yield packet.pts, av.VideoFrame.from_ndarray(pixels, format="bgr24")
        return
    codec = decoder_of(piece)
    last = -1
    for kept in [*packets, None]:
        coded = None
        if kept is not None:
            coded = av.Packet(kept.data)
            coded.pts, coded.dts = kept.pts, kept.dts
        try:
            frames = codec.decode(coded)
        except (av.error.FFmpegError, MemoryError):
            continue
        for frame in frames:
            if frame.pts is not None and frame.pts > last and not frame.is_corrupt:
                last = frame.pts
                yield frame.pts, frame


def _fitting(frame: av.VideoFrame, stream: av.VideoStream) -> av.VideoFrame:
    """Return a picture as the encoder wants it; those of JPEG use all of each byte, and video does not."""
    full = frame.format.name.startswith("yuvj") or frame.color_range == ColorRange.JPEG
    source = ColorRange.JPEG if full else None
    target = ColorRange.MPEG if full else None
    return frame.reformat(
        stream.width, stream.height, "yuv420p", src_color_range=source, dst_color_range=target
    )


def _stream(container: OutputContainer, frame: av.VideoFrame, piece: Piece) -> av.VideoStream:
    rate = Fraction(1 / (piece.form.interval * piece.form.time_base)).limit_denominator(1001)
    width, height = (max(2, side + side % 2) for side in (frame.width, frame.height))
    for name in ENCODERS:
        with contextlib.suppress(av.error.FFmpegError, ValueError):
            av.Codec(name, "w")
            break
    else:
        raise SpecError(f"no clip can be encoded: this FFmpeg has none of {', '.join(ENCODERS)}")
    options = {"preset": "veryfast", "crf": "23", "bf": "0"} if name == "libx264" else {}
    stream = container.add_stream(name, rate=rate, options=options)
    stream.width, stream.height, stream.pix_fmt = width, height, "yuv420p"
    stream.codec_context.time_base = stream.time_base = _FINE
    if name != "libx264":
        stream.bit_rate = int(width * height * float(rate) * 0.1)
    stream.codec_context.gop_size = max(1, round(_GOP_S * rate))
    stream.codec_context.thread_count = 1
    return stream
