"""Where a keeper says what it does: a stream in the place of stderr, whose file does not grow for ever.

Not `argus.processes.logfile`: that one tells of its troubles in the log, which here is itself. And a stream
that raises would end whoever logs, such as the thread that watches over all processes.
"""

from __future__ import annotations

import contextlib
import os
import threading
from pathlib import Path


class KeeperLog:
    """A stream for text; what finds no room on the disk is lost. Safe from any thread."""

    def __init__(self, path: Path, most_bytes: int) -> None:
        """Append to a file, which is put aside as `name.1` when it has grown to `most_bytes`."""
        self._path = path
        self._most_bytes = most_bytes
        self._lock = threading.Lock()
        self._fd = -1
        self._open()

    def write(self, text: str) -> int:
        """Append it, or lose it."""
        with self._lock, contextlib.suppress(OSError):
            if self._fd < 0 or os.fstat(self._fd).st_size >= self._most_bytes:
                self._open()
            os.write(self._fd, text.encode(errors="replace"))
        return len(text)

    def flush(self) -> None:
        """Do nothing: all is written at once."""

    def isatty(self) -> bool:
        """Return that nobody looks."""
        return False

    def _open(self) -> None:
        with contextlib.suppress(OSError):
            if self._path.exists() and self._path.stat().st_size >= self._most_bytes:
                self._path.replace(self._path.with_name(f"{self._path.name}.1"))
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
            fd, old = os.open(self._path, flags, 0o600), self._fd
            self._fd = fd
            if old >= 0:
                os.close(old)
