"""From packets to pictures: decode what can be decoded, count the rest.

Threads, sockets and files are not seen here: `files` and `streams` bring the packets.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Final, Literal, TypeAlias

import av
import av.error
from av.packet import Packet
from av.video.stream import VideoStream

from argus.vision.pictures import PlanarPicture
from argus.vision.sources.containers import VideoInput, fact_of
from argus.vision.sources.protocol import SourceCounters
from argus.vision.sources.reading import Shot, note_problem
from argus.vision.sources.timing import FrameClock

_GIVE_UP: Final = 20
"""Damaged places in a row, with no packet between them, after which the rest is given up."""

VideoPacket: TypeAlias = "Packet[VideoStream]"  # the class itself takes no parameter when run


class Decoder:
    """Decodes the packets of one video stream, in order. One thread at a time."""

    def __init__(
        self,
        video: VideoInput,
        counters: SourceCounters,
        clock: FrameClock,
        wall: Callable[[float], datetime],
        *,
        threads: Literal["AUTO", "SLICE"],
    ) -> None:
        """Prepare the codec; it opens with the first packet.

        Args:
            video: Where the packets come from.
            counters: Damaged packets and pictures are counted here.
            clock: Gives each picture its time.
            wall: The capture time (UTC) of the picture at a time of the source.
            threads: AUTO decodes several pictures at once and is some pictures late, SLICE is never late.
        """
        self._codec = video.stream.codec_context
        self._codec.thread_type = threads
        # Frames that come at the end, without a packet, know their stamp but not its unit.
        self._unit_s = float(video.stream.time_base or 0)
        self._counters = counters
        self._clock = clock
        self._wall = wall

    def shots(self, packet: VideoPacket) -> list[Shot]:
        """Return the pictures that became ready with this packet, damaged ones left out."""
        try:
            # The last packet of a container is empty and asks for what the codec still holds.
            frames = self._codec.decode(packet if packet.size else None)
        except av.error.EOFError:
            return []
        except (av.error.FFmpegError, MemoryError) as error:
            note_problem(self._counters, f"a packet cannot be decoded ({fact_of(error)})")
            return []
        return [shot for frame in frames if (shot := self._shot(frame)) is not None]

    def _shot(self, frame: av.VideoFrame) -> Shot | None:
        if frame.is_corrupt:
            note_problem(self._counters, "a picture was decoded with errors and left out")
            return None
        time_s = self._clock.time_s(None if frame.pts is None else frame.pts * self._unit_s)
        return Shot(PlanarPicture(frame), time_s, self._wall(time_s))


def packets(video: VideoInput, counters: SourceCounters) -> Iterator[VideoPacket]:
    """Yield the packets of a file, the empty last one too; a damaged place is counted and passed over."""
    damaged = 0
    while damaged < _GIVE_UP:
        try:
            for packet in video.container.demux(video.stream):
                damaged = 0
                yield packet
        except (av.error.InvalidDataError, av.error.PatchWelcomeError) as error:
            damaged += 1
            note_problem(counters, f"the container is damaged ({fact_of(error)})")
        else:
            return
