"""A lock between processes that the kernel opens when its holder dies.

One byte of a file, locked by an open file description of its own: two ends in one process exclude each
other as two processes do, and closing another descriptor of the file opens nothing, as it would with
`lockf`. Nothing waits for it without a limit, because its holder may have been stopped.

Source: Linux manual page F_OFD_SETLK(2const), "Open file description locks".
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import threading
import time
import weakref
from typing import Final

_FLOCK: Final = struct.Struct("hhqqi4x")
_SHORTEST_S: Final = 20e-6
_LONGEST_S: Final = 0.002


class KernelLock:
    """One byte of a file; each instance is one that may hold it, used by one thread."""

    def __init__(self, fd: int, byte: int) -> None:
        """Open the file of a descriptor once more."""
        self._fd = os.open(f"/proc/self/fd/{fd}", os.O_RDWR | os.O_CLOEXEC)
        self._lock = _FLOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, byte, 1, 0)
        self._unlock = _FLOCK.pack(fcntl.F_UNLCK, os.SEEK_SET, byte, 1, 0)
        _locks.add(self)

    def take(self, within_s: float) -> bool:
        """Return whether it is ours now; ask again and again for some seconds."""
        pause_s, until_s = _SHORTEST_S, 0.0
        while True:
            try:
                fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, self._lock)
            except (BlockingIOError, PermissionError):  # the two errors by which a lock is said to be taken
                now_s = time.monotonic()
                until_s = until_s or now_s + within_s
                if now_s >= until_s:
                    return False
                time.sleep(pause_s)
                pause_s = min(pause_s * 2, _LONGEST_S)
            else:
                return True

    def give(self) -> None:
        """Open it."""
        fcntl.fcntl(self._fd, fcntl.F_OFD_SETLK, self._unlock)

    def close(self) -> None:
        """Open it for good; idempotent."""
        fd, self._fd = self._fd, -1
        if fd >= 0:
            os.close(fd)


_gate: Final = threading.Lock()


def fence() -> None:
    """Let all that was stored so far be seen by others before what is stored or loaded from now on.

    Python has no fence. Taking a lock twice is one: what comes before the first release is not seen
    after it, and what comes after the second acquisition not before it.
    """
    with _gate:
        pass
    with _gate:
        pass


_locks: Final[weakref.WeakSet[KernelLock]] = weakref.WeakSet()


def _let_go_in_child() -> None:
    # A process that a node forks would hold what its killed parent held.
    for lock in list(_locks):
        with contextlib.suppress(OSError):
            lock.close()


os.register_at_fork(after_in_child=_let_go_in_child)
