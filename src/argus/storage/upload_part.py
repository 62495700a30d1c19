"""The bytes of one upload on their way to the disk.

Chunks are taken on the event loop and written by other threads, in portions. Whoever takes chunks may be
cancelled at any moment; what was taken is written all the same, and never after the file was closed.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path
from typing import Final

PORTION: Final = 8 << 20
"""Bytes that are written and synced at a time; so much memory one upload takes."""


class Part:
    """An open part; `take` is for one task, the rest for any thread."""

    def __init__(self, path: Path) -> None:
        """Open it at its end.

        Raises:
            OSError: it is gone, or cannot be written.
        """
        fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
        self._file = os.fdopen(fd, "ab", buffering=0)
        self._lock = threading.Lock()
        self._chunks: list[bytes] = []
        self.waiting = 0
        """Bytes that were taken and are not written."""
        self.synced = os.fstat(fd).st_size
        """Bytes that are on the disk for good."""

    @property
    def taken(self) -> int:
        """Where it will end when all that was taken is written."""
        return self.synced + self.waiting

    def take(self, chunk: bytes) -> None:
        """Note a chunk; it is written by the next `write`."""
        self._chunks.append(chunk)
        self.waiting += len(chunk)

    def write(self) -> None:
        """Write and sync all that was taken.

        Raises:
            OSError: the disk is full or broken; nothing of what waited is kept, all before it is.
        """
        with self._lock:
            self._write()

    def close(self) -> None:
        """Write what is left and close the file; raises likewise, and is closed all the same. Idempotent."""
        with self._lock:
            try:
                self._write()
            finally:
                self._file.close()

    def _write(self) -> None:
        if self._file.closed or not self.waiting:
            return
        chunks, self._chunks = self._chunks, []
        length = sum(map(len, chunks))
        try:
            for chunk in chunks:
                rest = memoryview(chunk)
                while rest:
                    rest = rest[self._file.write(rest) or 0 :]
            os.fsync(self._file.fileno())
        except OSError:
            self._file.truncate(self.synced)
            self._chunks.clear()
            self.waiting = 0
            raise
        self.synced += length
        self.waiting -= length
