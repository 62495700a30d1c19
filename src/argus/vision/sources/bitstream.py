"""What a packet is to those after it, read from its first bytes without decoding it.

Only H.264, HEVC and codecs without any dependence between pictures are known; of others nothing is
said, and all their packets must be decoded. Which packets are then left out is `skipping`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from enum import Enum, auto
from typing import Final

_LOOKED_AT: Final = 65536
"""Bytes in which the first slice is found; only absurd amounts of metadata stand before it later."""


class Role(Enum):
    """What others need a picture for."""

    ENTRY = auto()
    """Decoding can begin here, and no picture that is shown later needs one from before."""
    REFERENCE = auto()
    """Others may need it."""
    DISPOSABLE = auto()
    """Nobody needs it."""


RoleOf = Callable[[bytes | memoryview], Role]


def role_reader(codec: str, *, intra_only: bool, extradata: bytes | None) -> RoleOf | None:
    """Return what tells the role of a packet from its bytes; None for codecs that are not known.

    Args:
        codec: FFmpeg's name of the decoder.
        intra_only: Whether each picture of this codec stands for itself.
        extradata: What the container says for the codec; it tells how packets are divided.
    """
    if intra_only:
        return lambda _: Role.ENTRY
    data = extradata or b""
    boxed = data[:1] == b"\x01"  # as in MP4: sizes before each unit instead of start codes between them
    if codec == "h264":
        size = (data[4] & 3) + 1 if boxed and len(data) > 4 else 0
        return lambda packet: _h264(_units(packet, size))
    if codec == "hevc":
        size = (data[21] & 3) + 1 if boxed and len(data) > 21 else 0
        return _Hevc(size)
    return None


def _units(packet: bytes | memoryview, size: int) -> Iterator[bytes]:
    """Yield the first two bytes of each unit.

    Args:
        packet: All of one picture.
        size: Bytes of the size before each unit; 0 where start codes divide them (Annex B).
    """
    data = bytes(packet[:_LOOKED_AT])
    at = 0
    if not size:
        while (at := data.find(b"\0\0\1", at)) >= 0:
            at += 3
            yield data[at : at + 2]
        return
    while at + size < len(data):
        yield data[at + size : at + size + 2]
        at += size + int.from_bytes(data[at : at + size], "big")


def _h264(units: Iterator[bytes]) -> Role:
    """Source: ITU-T H.264, 7.3.1 and table 7-1: nal_ref_idc is 0 in all slices of a picture or in none."""
    for unit in units:
        if not unit:
            break
        kind = unit[0] & 31
        if kind == 5:
            return Role.ENTRY
        if kind in {1, 2}:
            return Role.REFERENCE if unit[0] & 0x60 else Role.DISPOSABLE
    return Role.REFERENCE


class _Hevc:
    """Source: ITU-T H.265, 7.3.1.2 and table 7-1: types 16 to 21 begin anew, even ones below are `_N`.

    A picture of type `_N` is needed by none of its own temporal layer, but may be by a higher one: only
    those of the highest layer are disposable.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._highest = 0

    def __call__(self, packet: bytes | memoryview) -> Role:
        for unit in _units(packet, self._size):
            if len(unit) < 2:
                break
            kind, layer = (unit[0] >> 1) & 63, unit[1] & 7
            if 16 <= kind <= 21:
                return Role.ENTRY
            if kind < 16:
                self._highest = max(self._highest, layer)
                return Role.DISPOSABLE if kind % 2 == 0 and layer == self._highest else Role.REFERENCE
        return Role.REFERENCE
