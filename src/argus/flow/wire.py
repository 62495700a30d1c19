"""How a message lies in memory, in a file and on a socket: lengths, a header, raw buffers.

Nothing is known of values here: that is `codec`. The layout, little-endian:

    u32 magic, u32 buffers, u64 length of each part (header first), then the parts, each at a multiple of 64.

Buffers are not copied when they are read: they are views of the memory they lie in.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Final, NamedTuple

import numpy as np

from argus.core.errors import ArgusError

_MAGIC: Final = 0x31574741
_ALIGN: Final = 64
_LARGE: Final = 65_536
_HEAD: Final = struct.Struct("<II")


class MessageDamaged(ArgusError, ValueError):
    """Bytes that should be a message are none."""


class Packed(NamedTuple):
    """A message as bytes, before it is laid anywhere."""

    header: bytes
    buffers: tuple[memoryview, ...] = ()
    """Raw, C-contiguous, one-dimensional bytes; not copied."""

    @property
    def size(self) -> int:
        """How many bytes `lay` writes."""
        return _plan([len(self.header), *(b.nbytes for b in self.buffers)])[1]

    def lay(self, target: memoryview) -> int:
        """Write it to the beginning of `target`, writable bytes; return how many were written."""
        lengths = [len(self.header), *(b.nbytes for b in self.buffers)]
        places, size = _plan(lengths)
        _HEAD.pack_into(target, 0, _MAGIC, len(self.buffers))
        struct.pack_into(f"<{len(lengths)}Q", target, _HEAD.size, *lengths)
        target[places[0] : places[0] + lengths[0]] = self.header
        for place, part in zip(places[1:], self.buffers, strict=True):
            if part.nbytes < _LARGE:
                target[place : place + part.nbytes] = part
            else:  # as arrays, since that lets other threads run meanwhile
                np.copyto(np.frombuffer(target, np.uint8, part.nbytes, place), np.frombuffer(part, np.uint8))
        return size

    def to_bytes(self) -> bytearray:
        """Return it as bytes of its own."""
        result = bytearray(self.size)
        self.lay(memoryview(result))
        return result


def unlay(data: memoryview) -> tuple[memoryview, tuple[memoryview, ...]]:
    """Return the header and the buffers of a message that lies at the beginning of `data`, as views of it.

    Raises:
        MessageDamaged: there is no whole message.
    """
    try:
        magic, buffers = _HEAD.unpack_from(data, 0)
        if magic != _MAGIC:
            raise MessageDamaged("no message begins here: it was written by another version, or overwritten")
        lengths = struct.unpack_from(f"<{buffers + 1}Q", data, _HEAD.size)
    except struct.error as error:
        raise MessageDamaged(f"the message is cut off: {error}") from None
    places, size = _plan(lengths)
    if size > data.nbytes:
        raise MessageDamaged(f"the message is cut off: {data.nbytes} of {size} bytes")
    parts = [data[place : place + length] for place, length in zip(places, lengths, strict=True)]
    return parts[0], tuple(parts[1:])


def _plan(lengths: Sequence[int]) -> tuple[list[int], int]:
    """Return where each part begins, and the size of all."""
    at = _HEAD.size + 8 * len(lengths)
    places = []
    for length in lengths:
        at = -(-at // _ALIGN) * _ALIGN
        places.append(at)
        at += length
    return places, at
