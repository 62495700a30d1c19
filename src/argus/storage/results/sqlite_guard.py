"""The lock beside a file of SQLite: many who write, or one who puts another file in its place.

Not SQLite's own lock, which belongs to a file and not to its name.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from argus.storage.protocol import ResultsUnavailable

_POLL_S: Final = 0.005


class Guard:
    """The lock of one database, for one process."""

    def __init__(self, path: Path) -> None:
        """Belong to a database; `open` comes first."""
        self._path = path
        self._descriptor = -1

    def open(self) -> None:
        """Make the lock's file where it is missing, and the folder.

        Raises:
            ResultsUnavailable: it cannot be made.
        """
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
            self._descriptor = os.open(self._path.with_name(self._path.name + ".lock"), flags, 0o644)
        except OSError as error:
            raise ResultsUnavailable(f"{self._path} cannot be used: {error.strerror}") from error

    @asynccontextmanager
    async def shared(self, patience_s: float) -> AsyncIterator[None]:
        """Hold it with others who write.

        Raises:
            ResultsUnavailable: somebody holds it alone for longer than that, or it has been closed.
        """
        async with self._held(fcntl.LOCK_SH, patience_s):
            yield

    @asynccontextmanager
    async def alone(self, patience_s: float) -> AsyncIterator[None]:
        """Hold it alone; raises likewise."""
        async with self._held(fcntl.LOCK_EX, patience_s):
            yield

    def close(self) -> None:
        """Let it go; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @asynccontextmanager
    async def _held(self, how: int, patience_s: float) -> AsyncIterator[None]:
        deadline = asyncio.get_running_loop().time() + patience_s
        while not self._is_taken(how):
            if asyncio.get_running_loop().time() >= deadline:
                raise ResultsUnavailable(f"{self._path} is being put right by another process")
            await asyncio.sleep(_POLL_S)
        try:
            yield
        finally:
            if self._descriptor >= 0:
                fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def _is_taken(self, how: int) -> bool:
        if self._descriptor < 0:
            raise ResultsUnavailable(f"{self._path} has been closed")
        try:
            fcntl.flock(self._descriptor, how | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
