"""How records lie in a spool's file: portions with a length and a checksum, one behind the other.

Bytes only. A portion that was not written to its end, or that a disk has damaged, is passed over; the next
whole one is found by its mark.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import msgspec

from argus.storage.records import (
    AlertRecord,
    Attachment,
    DetectionsRecord,
    EventRecord,
    Record,
    TraceRecord,
    TrackRecord,
)

MARK: Final = b"\xa7ARG"
_HEADER: Final = struct.Struct("<4sIII")
"""Mark, bytes of the payload, records in it, checksum over both numbers and the payload."""
KINDS: Final[tuple[type[Record], ...]] = (
    EventRecord, AlertRecord, TrackRecord, DetectionsRecord, TraceRecord, Attachment,
)  # fmt: skip
"""What a record's number in a portion means; only ever added to."""
NUMBERS: Final = {kind: number for number, kind in enumerate(KINDS)}
_encode: Final = msgspec.msgpack.Encoder().encode
_decode: Final = msgspec.msgpack.Decoder(list[tuple[int, msgspec.Raw]]).decode
_DECODERS: Final = [msgspec.msgpack.Decoder(kind).decode for kind in KINDS]


@dataclass(frozen=True, slots=True)
class Portion:
    """Some records that were put together."""

    count: int
    payload: bytes
    end: int
    """Where the next one begins in the bytes that were read."""


@dataclass(frozen=True, slots=True)
class Unreadable:
    """What lies in a portion and is no record that this version knows."""

    data: bytes
    why: str


def payload_of(records: Sequence[Record]) -> bytes:
    """Return records as the payload of a portion.

    Raises:
        KeyError: one is no record.
        TypeError, ValueError, OverflowError, RecursionError: a value of one cannot be written.
    """
    return _encode([(NUMBERS[type(record)], record) for record in records])


def framed(payload: bytes, count: int) -> bytes:
    """Return a portion as it lies in the file."""
    return _HEADER.pack(MARK, len(payload), count, _checksum(payload, count)) + payload


def whole_portions(data: bytes) -> Iterator[Portion]:
    """Yield the portions of some bytes that are whole; stops before one that goes on behind the end."""
    position = 0
    while (position := data.find(MARK, position)) >= 0 and position + _HEADER.size <= len(data):
        _, length, count, checksum = _HEADER.unpack_from(data, position)
        begin, end = position + _HEADER.size, position + _HEADER.size + length
        payload = data[begin:end]
        if len(payload) == length and _checksum(payload, count) == checksum:
            yield Portion(count, payload, end)
            position = end
        else:
            position += 1


def records_of(payload: bytes) -> list[Record | Unreadable]:
    """Return the records of a portion."""
    out: list[Record | Unreadable] = []
    try:
        items = _decode(payload)
    except msgspec.MsgspecError as error:
        return [Unreadable(payload, str(error))]
    for number, raw in items:
        try:
            out.append(_DECODERS[number](raw))
        except (msgspec.MsgspecError, IndexError, ValueError) as error:
            out.append(Unreadable(bytes(raw), str(error)))
    return out


def content_of(data: bytes) -> Any:
    """Return what bytes hold, for people to look at."""
    try:
        return msgspec.msgpack.decode(data)
    except (msgspec.MsgspecError, ValueError):
        return data.hex()


def _checksum(payload: bytes, count: int) -> int:
    return zlib.crc32(payload, zlib.crc32(struct.pack("<II", len(payload), count)))
