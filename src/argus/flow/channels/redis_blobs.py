"""Large messages that lie at a Redis of their own, apart from the entries that speak of them.

A blob is written before its entry and freed after the last acknowledgement. In between a process can die,
so the control Redis always knows of a blob that no entry speaks of: a name is reserved before the blob is
written (`i`, given up by the very script that appends the entry), and stays behind as garbage (`g`) from the
script that takes the entry out until the blob is freed. `sweep` frees what was left so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from argus.flow.channels.redis_connection import Line
from argus.flow.channels.redis_spec import Keys

_RESERVED: Final = 64
"""Names that are reserved at once."""


class Reservations:
    """Names for the blobs of one sender; used by one thread."""

    def __init__(self, keys: Keys, who: bytes) -> None:
        """Begin with none."""
        self._keys, self._who = keys, who
        self._next = 0
        self._free: list[bytes] = []

    @property
    def exhausted(self) -> bool:
        """Whether none is left."""
        return not self._free

    def reserve(self, control: Line) -> None:
        """Let the control Redis know of some more.

        Raises:
            ChannelDown: it does not answer.
        """
        names = [b"%s-%d" % (self._who, n) for n in range(self._next, self._next + _RESERVED)]
        self._next += _RESERVED
        control.call(b"HSET", self._keys.loose, *(part for name in names for part in (name, b"i")))
        self._free = names[::-1]

    def take(self) -> bytes:
        """Return one that was reserved."""
        return self._free.pop()

    def forget(self) -> None:
        """Take new names from now on: those reserved may have been swept."""
        self._free.clear()


def free(control: Line, data: Line, keys: Keys, names: Sequence[bytes]) -> None:
    """Free blobs, then forget that they were loose.

    Raises:
        ChannelDown: one of the servers does not answer; what is left is swept another time.
    """
    if names:
        data.call(b"UNLINK", *(keys.blob(name) for name in names))
        control.call(b"HDEL", keys.loose, *names)


def sweep(control: Line, data: Line, keys: Keys, *, unwritten: bool) -> int:
    """Free blobs that no entry speaks of; return how many names there were.

    Args:
        control: Where the names are.
        data: Where the blobs are.
        keys: The channel's.
        unwritten: True frees reserved ones too, but for those of the senders that the channel knows now: a
            predecessor is none of them.

    Raises:
        ChannelDown: one of the servers does not answer.
    """
    known = control.call(b"HGETALL", keys.loose)
    loose = dict(zip(known[::2], known[1::2], strict=True))
    counts = control.call(b"HGETALL", keys.counts) if unwritten else []
    senders = {who for what, who in zip(counts[::2], counts[1::2], strict=True) if what.startswith(b"sender")}
    names = [
        name
        for name, kind in loose.items()
        if kind == b"g" or (unwritten and name.rpartition(b"-")[0] not in senders)
    ]
    for at in range(0, len(names), 256):
        free(control, data, keys, names[at : at + 256])
    return len(names)
