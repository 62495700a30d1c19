"""A folder in which records wait for a database, in files; for one process at a time.

They are written at their end and read from their beginning.
What `append` returned for survives kill -9; a power cut may take what came after the last `sync`. What was
forgotten may come again after a power cut, never after a kill. Not thread-safe: `writer` sees to that.
"""

from __future__ import annotations

import fcntl
import os
import struct
import zlib
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from argus.core.errors import ArgusError
from argus.storage.spool_portions import Portion, framed, whole_portions

_SUFFIX: Final = ".spool"
_LARGEST: Final = 8 << 20
"""Bytes at which a file ends and another begins. Larger means fewer files; smaller gives room back sooner."""
_SPENT: Final = 1 << 20
"""Bytes that may lie in the file at hand, all of them forgotten, before it is left for another."""
_READ: Final = 1 << 20
_MARK: Final = struct.Struct("<QQI")


class SpoolInUse(ArgusError, OSError):
    """Another process writes to this spool."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


class SpoolUnusable(ArgusError, OSError):
    """The folder cannot be made or read."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0])


@dataclass(slots=True)
class _Part:
    """One file."""

    number: int
    descriptor: int
    size: int
    waiting: int
    """Records in it that are not forgotten."""


@dataclass(frozen=True, slots=True)
class Taken:
    """Portions from the front, and how far they go."""

    portions: tuple[Portion, ...]
    number: int
    """Of the file that they lie in."""
    end: int
    """Behind the last one, in that file."""
    count: int
    """Records in them."""


class Spool:
    """See the module."""

    def __init__(self, folder: Path) -> None:
        """Lock a folder, and find what waits in it.

        Raises:
            SpoolInUse: another process has it.
            SpoolUnusable: it cannot be made or read.
        """
        self._folder = folder
        self._parts: deque[_Part] = deque()
        self._done = 0
        self._unsynced: set[int] = set()
        self._log = structlog.get_logger().bind(spool=str(folder))
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._lock = os.open(folder / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._take_lock()
                self._mark = os.open(folder / "done", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
                self._find()
            except BaseException:
                self.close()
                raise
        except OSError as error:
            if isinstance(error, ArgusError):
                raise
            raise SpoolUnusable(f"{folder} cannot be used as a spool: {error.strerror}") from error

    @property
    def waiting(self) -> int:
        """Return how many records wait."""
        return sum(part.waiting for part in self._parts)

    @property
    def size(self) -> int:
        """Return how many bytes they take, about."""
        return max(0, sum(part.size for part in self._parts) - self._done)

    def append(self, portions: list[tuple[bytes, int]]) -> None:
        """Keep portions, each a payload and its number of records: all, or none.

        Raises:
            OSError: the disk is full.
        """
        data = b"".join(framed(payload, count) for payload, count in portions)
        if not self._parts or self._parts[-1].size >= _LARGEST:
            self._begin_part()
        part = self._parts[-1]
        # At its place, not at the end: what a write that failed has left is written over.
        if os.pwrite(part.descriptor, data, part.size) < len(data):
            with suppress(OSError):
                os.ftruncate(part.descriptor, part.size)
            raise OSError(28, "the disk is full")
        part.size += len(data)
        part.waiting += sum(count for _, count in portions)
        self._unsynced.add(part.number)

    def front(self, most: int) -> Taken | None:
        """Return portions from the front with about so many records, at least one; None where none waits."""
        while self._parts:
            part = self._parts[0]
            if part.waiting:
                if taken := self._read(part, most):
                    return taken
                self._log.error("results.spool_damaged", file=part.number, records=part.waiting)
                part.waiting = 0
            if len(self._parts) == 1:
                return None
            self._drop_first()
        return None

    def forget(self, taken: Taken) -> None:
        """Let portions go that `front` gave last."""
        part = self._parts[0]
        part.waiting -= taken.count
        self._done = taken.end
        self._note(part.number, taken.end)
        if part.waiting == 0 and (len(self._parts) > 1 or part.size >= _SPENT):
            if len(self._parts) == 1:
                try:
                    self._begin_part()
                except OSError:
                    return
            self._drop_first()

    def sync(self) -> list[int]:
        """Return descriptors, to be synced and closed by the caller, of files that a power cut could harm.

        Raises:
            OSError: there are no descriptors left; asked again, it may work.
        """
        found: list[int] = []
        try:
            # Each is in the list at once, so that what there is can be closed.
            found.extend(os.dup(part.descriptor) for part in self._parts if part.number in self._unsynced)
        except OSError:
            for descriptor in found:
                os.close(descriptor)
            raise
        self._unsynced.clear()
        return found

    def close(self) -> None:
        """Unlock it; what waits stays. Idempotent."""
        for part in self._parts:
            os.close(part.descriptor)
        self._parts.clear()
        for name in ("_mark", "_lock"):
            if getattr(self, name, -1) >= 0:
                os.close(getattr(self, name))
                setattr(self, name, -1)

    def _take_lock(self) -> None:
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 20, 0).decode(errors="replace").strip() or "unknown"
            raise SpoolInUse(
                f"{self._folder} is the spool of process {holder}: give each worker a folder of its own"
            ) from None
        os.ftruncate(self._lock, 0)
        with suppress(OSError):  # a full disk: only the message of a second one misses it
            os.pwrite(self._lock, str(os.getpid()).encode(), 0)

    def _find(self) -> None:
        number, done = self._noted()
        for path in sorted(self._folder.glob(f"*{_SUFFIX}")):
            if not path.stem.isdigit():
                continue
            if int(path.stem) < number:
                path.unlink()
                continue
            descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
            self._parts.append(_Part(int(path.stem), descriptor, os.fstat(descriptor).st_size, 0))
        for part in self._parts:
            begin = done if part.number == number and done <= part.size else 0
            if part is self._parts[0]:
                self._done = begin
            good = begin
            data = _read_all(part.descriptor, begin, part.size - begin)
            for portion in whole_portions(data):
                part.waiting += portion.count
                good = begin + portion.end
            if good < part.size:
                self._log.warning("results.spool_cut", file=part.number, bytes=part.size - good)
                os.ftruncate(part.descriptor, good)
                part.size = good

    def _read(self, part: _Part, most: int) -> Taken | None:
        wanted = _READ
        while True:
            data = _read_all(part.descriptor, self._done, min(wanted, part.size - self._done))
            portions: list[Portion] = []
            count = 0
            for portion in whole_portions(data):
                if portions and count + portion.count > most:
                    break
                portions.append(portion)
                count += portion.count
            if portions:
                return Taken(tuple(portions), part.number, self._done + portions[-1].end, count)
            if len(data) < wanted:
                return None
            wanted *= 4

    def _begin_part(self) -> None:
        number = max(self._parts[-1].number + 1 if self._parts else 1, self._noted()[0] + 1)
        path = self._folder / f"{number:012}{_SUFFIX}"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        self._parts.append(_Part(number, descriptor, 0, 0))
        if len(self._parts) == 1:
            self._done = 0

    def _drop_first(self) -> None:
        part = self._parts.popleft()
        self._done = 0
        os.close(part.descriptor)
        self._unsynced.discard(part.number)
        with suppress(OSError):
            (self._folder / f"{part.number:012}{_SUFFIX}").unlink()

    def _note(self, number: int, end: int) -> None:
        data = struct.pack("<QQ", number, end)
        with suppress(OSError):  # then it comes again, and is written again: the same
            os.pwrite(self._mark, data + struct.pack("<I", zlib.crc32(data)), 0)

    def _noted(self) -> tuple[int, int]:
        data = os.pread(self._mark, _MARK.size, 0)
        if len(data) < _MARK.size:
            return 0, 0
        number, end, checksum = _MARK.unpack(data)
        return (number, end) if zlib.crc32(data[:16]) == checksum else (0, 0)


def _read_all(descriptor: int, position: int, length: int) -> bytes:
    parts = []
    while length > 0 and (data := os.pread(descriptor, length, position)):
        parts.append(data)
        position += len(data)
        length -= len(data)
    return b"".join(parts)
