"""What the lab does to the packets of a stream: lose some, damage some, set their clock wrong.

Pure but for the dice. Each edit takes one packet and returns what arrives of it, None for nothing.
Where packets come from is `interleaved`.

Source: RFC 3550, section 5.1 (RTP header) and 6.4.1 (sender report).
"""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Final

PacketEdit = Callable[[int, bytes], bytes | None]
"""Takes the channel and the packet."""

CLOCK_HZ: Final = 90_000
"""Of every video payload."""
_RTP_HEADER: Final = 12
_SENDER_REPORT: Final = 200
_KEPT: Final = 16
"""Bytes of a payload that damage spares: the depacketizer's headers and most of the slice's, so that the
harm is to the picture and not to the framing."""
_SPARED: Final = 64
"""Payloads up to so many bytes are spared: sets of parameters, without which no picture is tried."""


def lost(share: float, seed: int = 1) -> PacketEdit:
    """Return an edit that loses this part of the RTP packets."""
    dice = random.Random(seed)  # noqa: S311 - no secret hangs on it

    def edit(channel: int, packet: bytes) -> bytes | None:
        return None if _is_rtp(channel, packet) and dice.random() < share else packet

    return edit


def damaged(share: float, seed: int = 1) -> PacketEdit:
    """Return an edit that overwrites bytes in the payload of this part of the RTP packets."""
    dice = random.Random(seed)  # noqa: S311

    def edit(channel: int, packet: bytes) -> bytes:
        if not _is_rtp(channel, packet) or dice.random() >= share:
            return packet
        payload_at = _payload_at(packet)
        if len(packet) <= payload_at + _SPARED:
            return packet
        harmed = bytearray(packet)
        for at in range(payload_at + _KEPT, len(packet), 7):
            harmed[at] = dice.randrange(256)
        return bytes(harmed)

    return edit


def shifted(by_s: float) -> PacketEdit:
    """Return an edit that sets the stream's clock ahead: packets and the reports about them."""
    ticks = round(by_s * CLOCK_HZ)
    seconds = round(by_s)

    def edit(channel: int, packet: bytes) -> bytes:
        if _is_rtp(channel, packet):
            return packet[:4] + _added(packet[4:8], ticks) + packet[8:]
        if channel % 2 and len(packet) >= 20 and packet[1] == _SENDER_REPORT:
            # Wall clock (seconds and fraction), then the same moment in ticks.
            return (
                packet[:8]
                + _added(packet[8:12], seconds)
                + packet[12:16]
                + _added(packet[16:20], ticks)
                + packet[20:]
            )
        return packet

    return edit


def _is_rtp(channel: int, packet: bytes) -> bool:
    return channel % 2 == 0 and len(packet) > _RTP_HEADER


def _payload_at(packet: bytes) -> int:
    """Return where the payload begins: behind the sources that contributed, and the extension."""
    at = _RTP_HEADER + 4 * (packet[0] & 0x0F)
    if packet[0] & 0x10 and len(packet) >= at + 4:
        at += 4 + 4 * int.from_bytes(packet[at + 2 : at + 4], "big")
    return at


def _added(field: bytes, amount: int) -> bytes:
    return ((int.from_bytes(field, "big") + amount) % 2**32).to_bytes(4, "big")
