"""Pictures, clips, uploads and reports: bytes under a key, in a folder or a bucket, through fsspec.

What they belong to is said by records in a database; here nobody knows. Keys are like
`snapshots/gate/2026/11/21/abc.jpg`: parts of small letters, digits, `-`, `_` and `.`, joined by `/`; what
else is held against them is in `argus.storage.blob_keys`. `argus.storage.opening` chooses a store by URL.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Protocol

import msgspec

from argus.core.errors import ArgusError


class BlobNotFound(ArgusError, LookupError):
    """Nothing is kept under this key."""


class BadKey(ArgusError, ValueError):
    """This is no key: it would lead out of the store, or has signs that keys have not."""

    exit_code = 2


class BlobsUnavailable(ArgusError, OSError):
    """The disk is full or the bucket does not answer; the same call may work later."""

    def __str__(self) -> str:
        """Return the message alone."""
        return str(self.args[0]) if self.args else ""


class BlobInfo(msgspec.Struct, frozen=True):
    """What is known of one."""

    key: str
    size: int
    """Bytes."""
    modified_at: datetime


class Blobs(Protocol):
    """Keeps bytes. Calls block; safe from any thread. All may raise `BlobsUnavailable` and `BadKey`.

    No key may be the folder of another: where `a/b` is kept, `a` and `a/b/c` should not be.
    """

    def put(self, key: str, data: bytes | Iterable[bytes]) -> BlobInfo:
        """Keep bytes, replacing what was there; nobody ever sees half of them, whatever happens.

        What it returned for is on the disk, or where the bucket keeps it. An error of the iterable is raised
        as it is, and nothing has changed.
        """
        ...

    def put_file(self, key: str, path: Path, *, move: bool = False) -> BlobInfo:
        """Keep a file's bytes, in constant memory.

        Args:
            key: As for `put`.
            path: A regular file that nobody writes to any more.
            move: True removes the file once its bytes are kept; on the disk of the blobs nothing is copied.

        Raises:
            FileNotFoundError: there is no such file.
        """
        ...

    def open(self, key: str) -> BinaryIO:
        """Open for reading, with `seek`; close it.

        Raises:
            BlobNotFound: nothing is there.
        """
        ...

    def info(self, key: str) -> BlobInfo:
        """Return what is known of one; raises likewise."""
        ...

    def delete(self, key: str) -> bool:
        """Remove one; return whether it was there."""
        ...

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        """Yield all whose keys begin with a prefix, in order of keys."""
        ...

    def local(self, key: str) -> Path | None:
        """Return the file it lies in, where it lies in one; for those who can only read files.

        None: it lies in no file, or nothing is there.
        """
        ...

    def close(self) -> None:
        """Let connections go; idempotent."""
        ...
