"""Recordings whose packets are kept, and clips looked at again with a decoder."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import av.error
import numpy as np
from av.container import InputContainer
from av.video.frame import VideoFrame
from av.video.stream import VideoStream
from numpy.typing import NDArray

from argus.core.frame import Frame
from argus.vision.clips.clip import Clip
from argus.vision.clips.cutting import cut
from argus.vision.clips.parameters import units
from argus.vision.clips.ring import PacketRing
from argus.vision.sources.opening import open_with
from argus.vision.sources.options import SourceOptions


def kept(
    path: Path, *, seconds: float = 1000.0, most: int = 10_000, **options: Any
) -> tuple[PacketRing, list[Frame]]:
    """Read a recording as fast as that goes; return what was kept of it, and its frames."""
    ring = PacketRing()
    ring.keep("test", seconds)
    tap = ring.connect()
    with open_with(path, SourceOptions(tap=tap, **options)) as source:
        frames = [frame for frame, _ in zip(source, range(most), strict=False)]
    ring.end(tap)
    return ring, frames


def clip_of(ring: PacketRing, start_s: float, end_s: float, path: Path) -> Clip:
    """Cut a clip."""
    return cut(ring.pieces(), start_s, end_s, path, "gate")


@dataclass
class Film:
    """What a decoder makes of a file."""

    times: list[float]
    grey: list[NDArray[np.uint8]]
    keys: list[bool]
    damaged: int
    codec: str
    tag: str
    duration_s: float

    @classmethod
    def of(cls, path: Path) -> Film:
        with av.open(str(path)) as container:
            stream = container.streams.video[0]
            frames = list(_decoded(container, stream))
            unit = stream.time_base
            assert unit is not None
            return cls(
                [float(f.pts * unit) for f in frames if f.pts is not None],
                [f.to_ndarray(format="gray").astype(np.uint8) for f in frames],
                [bool(f.key_frame) for f in frames],
                sum(f.is_corrupt for f in frames),
                stream.codec_context.name,
                stream.codec_context.codec_tag,
                float((stream.duration or 0) * unit),
            )


def _decoded(container: InputContainer, stream: VideoStream) -> Iterator[VideoFrame]:
    """Yield the pictures of a file; a packet that is none is said, by its place."""
    for number, packet in enumerate(container.demux(stream)):
        try:
            yield from packet.decode()
        except av.error.InvalidDataError as error:
            begin = bytes(packet)[:24].hex(" ")
            raise AssertionError(f"packet {number}, {packet.size} bytes, begins {begin}") from error


def payloads(path: Path, codec: str = "h264") -> list[list[bytes]]:
    """The units of every packet of a file, however they are divided."""
    with av.open(str(path)) as container:
        stream = container.streams.video[0]
        extradata = stream.codec_context.extradata or b""
        packets = [bytes(packet) for packet in container.demux(stream) if packet.size]
    if extradata[:1] != b"\x01":
        return [[unit.rstrip(b"\0") for unit in units(data)] for data in packets]
    return [[unit.rstrip(b"\0") for unit in _boxed(data)] for data in packets]


def _boxed(data: bytes) -> list[bytes]:
    found, at = [], 0
    while at + 4 < len(data):
        size = int.from_bytes(data[at : at + 4], "big")
        found.append(data[at + 4 : at + 4 + size])
        at += 4 + size
    return found


def faststart(path: Path) -> bool:
    """Whether the index stands before the pictures."""
    data = path.read_bytes()
    return 0 < data.find(b"moov") < data.find(b"mdat")
