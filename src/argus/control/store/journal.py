"""The journal of resources: every change once more, in a plain file that only grows, on the disk at once.

It exists for the day on which the database is damaged: the last good copy and what the journal holds since
then are all that was accepted. It is shortened when a new copy is there. Several processes may append to it.

A line is a checksum and JSON: first `{"base": V}`, which says that all changes after version V follow; then
`{"version": V, "changes": [[type, resource], …]}` for each transaction.
"""

from __future__ import annotations

import fcntl
import os
import time
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from argus.control.store.failures import StoreBusy
from argus.control.store.protocol import Change
from argus.control.store.rows import change_type
from argus.core.resources.resource import Resource

PATIENCE_S: Final = 5.0
"""How long a lock is waited for."""


@dataclass(frozen=True, slots=True)
class Entries:
    """What a journal holds."""

    base: int | None
    """It has all changes after this version; None: there is no journal."""
    changes: list[Change] = field(default_factory=list)
    """In the order of their versions."""
    damaged: int = 0
    """Lines that cannot be read any more, the last one left out if it was cut off."""

    @property
    def version(self) -> int:
        """Version of the last change."""
        return int(self.changes[-1].resource_version) if self.changes else self.base or 0


@contextmanager
def locked(path: Path, what: str = "lock", *, patience_s: float = PATIENCE_S) -> Iterator[None]:
    """Hold a lock of a database against other processes and threads.

    Args:
        path: Of the database.
        what: `lock` is for opening and copying it; the journal has one of its own.
        patience_s: How long it is waited for.

    Raises:
        StoreBusy: another process holds it for longer than that.
    """
    handle = os.open(beside(path, what), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        deadline = time.monotonic() + patience_s
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() > deadline:
                    raise StoreBusy(
                        f"the database of resources {path} is being opened or copied by another process: "
                        "try again"
                    ) from None
                time.sleep(0.01)
        yield
    finally:
        os.close(handle)


def beside(path: Path, what: str) -> Path:
    """Return the path of a companion of a database: `resources.db.good`."""
    return path.with_name(f"{path.name}.{what}")


def append(path: Path, changes: Sequence[Change], *, sync: bool = True) -> int:
    """Add the changes of one transaction; return the bytes that the journal has then.

    Args:
        path: Of the database.
        changes: In order, not empty.
        sync: Wait until they are on the disk.

    Raises:
        OSError: they are not.
    """
    line = _line(_transaction(changes))
    with locked(path, "changes.lock"):
        handle = os.open(beside(path, "changes"), os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(handle).st_size
            if size == 0:
                line = _line({"base": int(changes[0].resource_version) - 1}) + line
            elif os.pread(handle, 1, size - 1) != b"\n":
                line = b"\n" + line  # the last one who wrote was cut off
            written = 0
            while written < len(line):
                written += os.write(handle, line[written:])
            if sync:
                os.fsync(handle)
        finally:
            os.close(handle)
    if size == 0:
        sync_folder(path.parent)
    return size + len(line)


def read(path: Path) -> Entries:
    """Return what the journal of a database holds."""
    try:
        lines = beside(path, "changes").read_bytes().split(b"\n")
    except FileNotFoundError:
        return Entries(None)
    base: int | None = None
    changes: dict[int, Change] = {}
    damaged = 0
    cut_off = lines.pop()
    for line in lines:
        if not line:
            continue
        try:
            entry = _entry(line)
            if "base" in entry:
                base = int(entry["base"]) if base is None else base
                continue
            for type_, body in entry["changes"]:
                resource = msgspec.convert(body, Resource)
                version = resource.metadata.resource_version
                changes[int(version)] = Change(
                    type=change_type(type_), resource=resource, resource_version=version
                )
        except (ValueError, KeyError, TypeError, msgspec.MsgspecError):
            damaged += 1
    if cut_off and base is None:
        damaged += 1
    return Entries(base, [changes[version] for version in sorted(changes)], damaged)


def shorten(path: Path, version: int) -> None:
    """Forget the changes up to a version, of which there is a good copy now."""
    with locked(path, "changes.lock"):
        newer = [one for one in read(path).changes if int(one.resource_version) > version]
        lines = [_line({"base": version}), *(_line(_transaction([change])) for change in newer)]
        replace_with(beside(path, "changes"), b"".join(lines))


def replace_with(path: Path, content: bytes) -> None:
    """Write a file in the place of another: there is always one of the two, and whole."""
    new = path.with_name(f"{path.name}.new")
    with new.open("wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Wait until the names in a folder are on the disk."""
    handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _transaction(changes: Sequence[Change]) -> dict[str, Any]:
    version = int(changes[-1].resource_version)
    return {"version": version, "changes": [[change.type, change.resource] for change in changes]}


def _line(entry: dict[str, Any]) -> bytes:
    body = msgspec.json.encode(entry)
    return b"%08x %s\n" % (zlib.crc32(body), body)


def _entry(line: bytes) -> dict[str, Any]:
    checksum, _, body = line.partition(b" ")
    if int(checksum, 16) != zlib.crc32(body):
        raise ValueError("the checksum is another")
    entry: dict[str, Any] = msgspec.json.decode(body)
    return entry
