"""Times of one host on the clock of another, and names that no two sending ends share."""

from __future__ import annotations

import os
import struct
import time
from typing import Final


class Clock:
    """What this host's monotonic clock counts from, so that another host can translate its times."""

    _FORM: Final = struct.Struct("<16sq")

    def __init__(self) -> None:
        """Look at the clocks of this host."""
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:  # noqa: PTH123 - pathlib costs start-up
            self._boot = bytes.fromhex(file.read().strip().replace("-", ""))

    def stamp(self) -> bytes:
        """Return which clock this is, and how it stands to UTC."""
        return self._FORM.pack(self._boot, time.time_ns() - time.monotonic_ns())

    def shift_ns(self, stamp: bytes) -> int:
        """Return what to add to times of the host that stamped; 0 for our own.

        As good as the two hosts agree on UTC.
        """
        boot, offset = self._FORM.unpack(stamp)
        return 0 if boot == self._boot else int(offset - (time.time_ns() - time.monotonic_ns()))


def incarnation() -> bytes:
    """Return a name that no other sending end has had."""
    return os.urandom(8).hex().encode()
