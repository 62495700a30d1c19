"""The parameter sets that a stream of H.264 or HEVC carries among its pictures.

A container wants them apart. What a key frame brings along is newer than what was known when the stream was
opened: some cameras change their picture without a new connection, and some say nothing beforehand.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

_H264: Final = frozenset({7, 8})
"""SPS and PPS. Source: ITU-T H.264, table 7-1."""
_HEVC: Final = frozenset({32, 33, 34})
"""VPS, SPS and PPS. Source: ITU-T H.265, table 7-1."""
_NEEDED: Final = {"h264": _H264, "hevc": _HEVC}


def parameter_sets(data: bytes, codec: str, known: bytes | None) -> bytes | None:
    """Return the sets that a key frame brings along, divided by start codes; None where it brings not all.

    Args:
        data: The packet.
        codec: FFmpeg's name.
        known: What the container says for the codec; sets of streams whose units have sizes before them (as
            in MP4) are all there.
    """
    wanted = _NEEDED.get(codec)
    if wanted is None or (known or b"")[:1] == b"\x01":
        return None
    sets: list[bytes] = []
    kinds: set[int] = set()
    for unit in units(data):
        kind = unit[0] & 31 if codec == "h264" else (unit[0] >> 1) & 63
        if kind in wanted:
            sets.append(unit)
            kinds.add(kind)
    return b"".join(b"\0\0\0\1" + unit for unit in sets) if kinds == wanted else None


def units(data: bytes) -> Iterator[bytes]:
    """Yield what stands between start codes (Annex B), empty units left out."""
    at = data.find(b"\0\0\1")
    while at >= 0:
        begin = at + 3
        at = data.find(b"\0\0\1", begin)
        unit = data[begin:] if at < 0 else data[begin:at]
        unit = unit.rstrip(b"\0") if at >= 0 else unit
        if unit:
            yield unit
