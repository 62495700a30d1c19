"""Packets into an MP4 that a browser plays, not a bit of any picture changed.

The index comes first (faststart), times begin at 0, and the file appears under its name when it is whole.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import av.error
import structlog
from av.container import OutputContainer

from argus.core.errors import OutputError
from argus.vision.clips.parameters import parameter_sets
from argus.vision.clips.stretch import Kept, Piece

_PLAYED: Final = frozenset({"h264", "hevc", "av1", "vp9"})
"""What browsers play in an MP4, and FFmpeg's decoders of it that are called otherwise."""
_ALIASES: Final = {"libdav1d": "av1", "libaom-av1": "av1", "libvpx-vp9": "vp9"}


@dataclass(frozen=True, slots=True)
class Written:
    """What a file was made of."""

    codec: str
    pictures: int
    encoded: bool = False


def copied(codec: str) -> bool:
    """Return whether packets of a codec go into a clip as they are."""
    return _plain(codec) in _PLAYED


def write_copied(piece: Piece, packets: Sequence[Kept], path: Path) -> Written:
    """Write packets, the first of which is a key frame; one that the container cannot take is left out.

    Raises:
        OutputError: the file cannot be written.
    """
    mould, form = piece.form.mould, piece.form
    assert mould is not None
    count = 0
    with new_file(path) as container:
        stream = container.add_stream_from_template(mould, opaque=True)
        stream.time_base = form.time_base
        own = parameter_sets(packets[0].data, form.codec, mould.codec_context.extradata)
        if own is not None:
            stream.codec_context.extradata = own
        if _plain(form.codec) == "hevc":
            stream.codec_context.codec_tag = "hvc1"  # as Safari wants it
        begin, last_dts = packets[0].pts, None
        lead = min(packet.pts - packet.dts for packet in packets)
        for packet in packets:
            dts = packet.dts - begin + min(0, lead)
            dts = dts if last_dts is None else max(dts, last_dts + 1)
            coded = av.Packet(packet.data)
            coded.pts, coded.dts = max(packet.pts - begin, dts), dts
            coded.time_base, coded.stream = form.time_base, stream
            coded.duration, coded.is_keyframe = form.interval, packet.key
            try:
                container.mux_one(coded)
            except av.error.InvalidDataError:
                # Damaged on its way: the picture is lost, as it was for the decoder, and the clip is not.
                structlog.get_logger().debug("clips.packet_left_out", path=str(path), size=len(packet.data))
                continue
            last_dts = dts
            count += 1
    return Written(_plain(form.codec), count)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[OutputContainer]:
    """Yield an MP4 that is put in its place when all went well, and is gone when not.

    Raises:
        OutputError: it cannot be written.
    """
    beside: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        beside = Path(name)
        container = av.open(name, "w", format="mp4", options={"movflags": "+faststart"})
        try:
            yield container
        finally:
            container.close()
        beside.chmod(0o644)
        beside.replace(path)
    except (av.error.FFmpegError, OSError) as error:
        raise OutputError(path, getattr(error, "strerror", None) or error) from error
    finally:
        if beside is not None:
            beside.unlink(missing_ok=True)


def _plain(codec: str) -> str:
    return _ALIASES.get(codec, codec)
