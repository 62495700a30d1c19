"""The journal of a file of results: what every transaction since the last good copy did, once more.

For the day on which `results.db` is damaged: the copy and the journal are all that was accepted. An entry is
written before its transaction is committed, by who holds the write lock of the database; so entries lie in
the order of commits, whichever process wrote them, and nothing else keeps them apart.

`results.db.changes` is the part that is written; a part that is full goes on as `results.db.changes-N`, where
N is the number of its last entry, until a copy has them all. What was cut off or damaged is passed over.
"""

from __future__ import annotations

import errno
import glob
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final, TypeVar

import msgspec

from argus.storage.results.entries import Entry, Place
from argus.storage.spool_portions import framed, whole_portions

PART_BYTES: Final = 4 << 20
"""Size at which a part is full. Larger keeps more of what a copy has already; smaller makes more files."""
LEAST_BYTES: Final = 256 << 20
"""So much a journal may always have, and beyond that as much as its database."""
T = TypeVar("T", Entry, Place)
_encode: Final = msgspec.msgpack.Encoder().encode


class Journal:
    """The way in for a process that writes. `append` is called only with the database's write lock."""

    def __init__(self, path: Path) -> None:
        """Belong to a database; opens nothing yet."""
        self._path = path
        self._descriptor = -1
        self._identity: tuple[int, int] | None = None

    def append(self, entry: Entry) -> None:
        """Add an entry: whole, or not at all.

        Raises:
            OSError: there is no room, or it cannot be written.
        """
        data = framed(_encode(entry), 1)
        size = self._opened()
        if size >= PART_BYTES:
            size = self._turned_over(entry.number - 1)
        # At its place, not at the end: what a write that failed has left is written over.
        if os.pwrite(self._descriptor, data, size) < len(data):
            os.ftruncate(self._descriptor, size)
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def sync(self) -> None:
        """Wait until what was added is on the disk."""
        if self._descriptor >= 0:
            os.fdatasync(self._descriptor)

    def close(self) -> None:
        """Let it go; idempotent."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _opened(self) -> int:
        """Open the part that is written now, which may be another than before; return its size."""
        current = current_of(self._path)
        if self._descriptor >= 0:
            try:
                found = current.stat()
            except FileNotFoundError:
                found = None
            if found is not None and (found.st_dev, found.st_ino) == self._identity:
                return found.st_size
            self.close()
        self._descriptor = os.open(current, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        found = os.fstat(self._descriptor)
        self._identity = found.st_dev, found.st_ino
        if found.st_size == 0:
            sync_folder(current.parent)
        return found.st_size

    def _turned_over(self, last: int) -> int:
        """Begin another part; `last` is the number of the last entry of this one. Return its size."""
        room = max(LEAST_BYTES, self._path.stat().st_size)
        if bytes_of(self._path) > room:
            raise OSError(errno.EFBIG, f"it has {room >> 20} MiB, and no good copy was made for long")
        current = current_of(self._path)
        current.rename(current.with_name(f"{current.name}-{last:020}"))
        return self._opened()


def current_of(path: Path) -> Path:
    """Return the part of a database's journal that is written."""
    return path.with_name(path.name + ".changes")


def bytes_of(path: Path) -> int:
    """Return the size of a database's journal."""
    return sum(part.stat().st_size for part in _parts_of(path))


def entries_of(path: Path, lineage: int) -> Iterator[Entry]:
    """Yield what the journal of a database holds, in order, without what was never committed."""
    held: Entry | None = None
    for entry in _read(path, Entry):
        if entry.lineage != lineage:
            continue
        if held is not None and held.number != entry.number:
            yield held
        held = entry
    if held is not None:
        yield held


def lineage_of(path: Path) -> int | None:
    """Return which database a journal is of, by its last entry; None: it has none."""
    lineage = None
    for place in _read(path, Place):
        lineage = place.lineage
    return lineage


def last_number(path: Path, lineage: int) -> int:
    """Return the number of the last entry; 0: there is none."""
    for part in reversed(_parts_of(path)):
        numbers = [place.number for place in _read_part(part, Place) if place.lineage == lineage]
        if numbers:
            return max(numbers)
    return 0


def covers(path: Path, lineage: int, after: int, upto: int) -> bool:
    """Return whether there is an entry of every transaction behind a number, up to another."""
    reached = after
    for place in _read(path, Place):
        if place.lineage != lineage or place.number <= reached:
            continue
        if place.number > reached + 1:
            return False
        reached = place.number
    return reached >= upto


def forget(path: Path, lineage: int, upto: int) -> None:
    """Remove the parts whose entries all have a number up to this, or are another database's.

    The part that is written stays: other processes have it open.
    """
    for part in _full_parts(path):
        if _last_of(part) <= upto or all(place.lineage != lineage for place in _read_part(part, Place)):
            part.unlink(missing_ok=True)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _read(path: Path, kind: type[T]) -> Iterator[T]:
    for part in _parts_of(path):
        yield from _read_part(part, kind)


def _read_part(part: Path, kind: type[T]) -> Iterator[T]:
    try:
        data = part.read_bytes()
    except OSError:  # removed by now, or the disk does not give it
        return
    for portion in whole_portions(data):
        try:
            yield msgspec.msgpack.decode(portion.payload, type=kind)
        except (msgspec.MsgspecError, ValueError):
            continue


def _parts_of(path: Path) -> list[Path]:
    """Return the parts that are there, in order."""
    current = current_of(path)
    return [*_full_parts(path), *([current] if current.is_file() else [])]


def _full_parts(path: Path) -> list[Path]:
    found = path.parent.glob(f"{glob.escape(current_of(path).name)}-*")
    return sorted((part for part in found if part.name[-20:].isdigit()), key=_last_of)


def _last_of(part: Path) -> int:
    return int(part.name[-20:])
