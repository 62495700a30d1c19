"""Files that what processes print is appended to, put aside when they have grown.

A log is a convenience: a disk that is full costs lines, which are counted, and stops nothing.
"""

from __future__ import annotations

import os
from pathlib import Path

import structlog


class LogFile:
    """One log and those put aside: `name.1` is the newest of them. Used by one thread."""

    def __init__(self, path: Path, *, most_bytes: int, keep: int) -> None:
        """Open it, and the folders to it; what it holds already stays.

        Raises:
            OSError: it cannot be written.
        """
        self.path = path
        self.lost = 0
        """Bytes that could not be written."""
        self._most_bytes = most_bytes
        self._keep = keep
        path.parent.mkdir(parents=True, exist_ok=True)
        self._fd = self._opened()
        self._size = os.fstat(self._fd).st_size

    def write(self, data: bytes) -> None:
        """Append it in one piece, so that a file may become a little larger; what finds no room is lost."""
        if self._size >= self._most_bytes:
            self._put_aside()
        view = memoryview(data)
        while view:
            try:
                written = os.write(self._fd, view)
            except OSError as error:
                if not self.lost:
                    structlog.get_logger().error("log.lines_lost", path=str(self.path), reason=str(error))
                self.lost += len(view)
                return
            self._size += written
            view = view[written:]

    def close(self) -> None:
        """Close it; idempotent."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _opened(self) -> int:
        return os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def _put_aside(self) -> None:
        try:
            for number in range(self._keep, 0, -1):
                older = self.path.with_name(f"{self.path.name}.{number - 1}") if number > 1 else self.path
                if older.exists():
                    older.replace(self.path.with_name(f"{self.path.name}.{number}"))
            if not self._keep:
                self.path.unlink(missing_ok=True)
            fresh = self._opened()
        except OSError as error:
            # The old one goes on growing until this works again; asked anew after as many bytes.
            structlog.get_logger().error("log.not_put_aside", path=str(self.path), reason=str(error))
            self._size = 0
            return
        os.close(self._fd)
        self._fd = fresh
        self._size = os.fstat(fresh).st_size
