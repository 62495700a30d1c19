"""Who listens to the compressed pictures of a source, before anything of them is decoded or left out.

The protocol only; who keeps them is `argus.vision.clips`.
"""

from __future__ import annotations

from typing import Protocol, TypeAlias

from av.packet import Packet
from av.video.stream import VideoStream

VideoPacket: TypeAlias = "Packet[VideoStream]"  # the class itself takes no parameter when run


class PacketTap(Protocol):
    """Hears one connection of one source. Quick, and safe from any thread: one reads packets, one decodes."""

    def opened(self, stream: VideoStream) -> None:
        """Hear what the packets will be; once, before the first."""
        ...

    def packet(self, packet: VideoPacket, arrived_s: float | None = None) -> None:
        """Hear a packet, every one and in order; `arrived_s` (monotonic) where it came live."""
        ...

    def jpeg(self, data: bytes, time_s: float) -> None:
        """Hear a picture that is compressed by itself, and its time in the source."""
        ...

    def timed(self, pts: int, time_s: float) -> None:
        """Hear which time in the source a picture was given that has this stamp."""
        ...

    def again(self) -> None:
        """Hear that a recording begins anew, its stamps with it."""
        ...
