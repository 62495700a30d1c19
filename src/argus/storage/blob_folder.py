"""Blobs as files of a folder: written beside and renamed, so that nobody sees half of one.

The standard library, not fsspec: its local files are neither synced nor kept from following symbolic links.
Every step of a key's way is opened from the one before it and no link is followed, so what somebody puts
into the folder cannot lead out of it. Several processes may use one folder at once. Keys are checked in
`argus.storage.blob_keys`; which URL means a folder is for `argus.storage.opening` to say.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

from argus.storage.blob_keys import checked_key, checked_prefix
from argus.storage.blobs import BadKey, BlobInfo, BlobNotFound, BlobsUnavailable

_UNFINISHED: Final = ".unfinished"
"""Folder of what is being written; no key can name it."""
_ABANDONED_S: Final = 3600.0
_CHUNK: Final = 1 << 20
_TRIES: Final = 50
_NOTHING_THERE: Final = {errno.ENOENT, errno.ENOTDIR, errno.ELOOP}
_IN_THE_WAY: Final = {errno.ENOTDIR, errno.EISDIR, errno.ENOTEMPTY, errno.ELOOP, errno.EEXIST}


class FolderBlobs:
    """See the module. A `Blobs`."""

    def __init__(self, folder: Path) -> None:
        """Make the folder where it is missing, and throw away what killed processes left unfinished in it.

        Raises:
            BlobsUnavailable: it cannot be made or read.
        """
        self.folder = folder
        try:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._root = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise self._unavailable(error) from error
        self._sweep()

    def put(self, key: str, data: bytes | Iterable[bytes]) -> BlobInfo:
        """Keep bytes; see `Blobs.put`."""
        checked_key(key)
        portions = (data,) if isinstance(data, bytes | bytearray | memoryview) else data
        with self._unfinished() as (name, fd):
            for portion in portions:
                self._write(fd, portion)
            return self._publish(key, name, fd)

    def put_file(self, key: str, path: Path, *, move: bool = False) -> BlobInfo:
        """Keep a file's bytes; see `Blobs.put_file`."""
        checked_key(key)
        with path.open("rb") as file:
            if move and self._could_be_renamed(path, file.fileno()):
                os.fchmod(file.fileno(), 0o600)
                with self._errors():
                    return self._publish(key, path, file.fileno())
            info = self.put(key, iter(lambda: file.read(_CHUNK), b""))
        if move:
            path.unlink(missing_ok=True)
        return info

    def open(self, key: str) -> BinaryIO:
        """Open for reading; see `Blobs.open`."""
        return os.fdopen(self._open(key), "rb")

    def info(self, key: str) -> BlobInfo:
        """Return what is known of one; see `Blobs.info`."""
        fd = self._open(key)
        try:
            return _info(key, os.fstat(fd))
        finally:
            os.close(fd)

    def delete(self, key: str) -> bool:
        """Remove one, and the folders that are empty then; see `Blobs.delete`."""
        *folders, name = checked_key(key).split("/")
        with self._errors():
            try:
                with self._at(folders) as at:
                    if not stat.S_ISREG(os.stat(name, dir_fd=at, follow_symlinks=False).st_mode):
                        return False
                    os.unlink(name, dir_fd=at)
            except OSError as error:
                if error.errno in _NOTHING_THERE:
                    return False
                raise
            self._prune(folders)
        return True

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        """Yield what keys with a prefix name, in order; see `Blobs.list`."""
        *folders, _ = checked_prefix(prefix).split("/")
        return self._walk(folders, prefix)

    def local(self, key: str) -> Path | None:
        """Return the file it lies in; see `Blobs.local`."""
        try:
            os.close(self._open(key))
        except BlobNotFound:
            return None
        return self.folder.joinpath(*key.split("/"))

    def close(self) -> None:
        """Let the folder go; idempotent."""
        root, self._root = self._root, -1
        if root >= 0:
            os.close(root)

    def _open(self, key: str) -> int:
        *folders, name = checked_key(key).split("/")
        with self._errors():
            try:
                with self._at(folders) as at:
                    # O_NONBLOCK: a named pipe that somebody put there would keep us waiting for a writer.
                    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, dir_fd=at)
            except OSError as error:
                if error.errno in _NOTHING_THERE | {errno.ENXIO}:
                    raise _not_found(key) from error
                raise
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise _not_found(key)
        return fd

    @contextmanager
    def _at(self, folders: Iterable[str], *, make: bool = False) -> Iterator[int]:
        """Open a folder below the root, each step from the one before; `make` makes what is missing."""
        at = os.open(".", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._root)
        try:
            for folder in folders:
                if make:
                    with contextlib.suppress(FileExistsError):
                        os.mkdir(folder, 0o700, dir_fd=at)
                        os.fsync(at)
                flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                below = os.open(folder, flags, dir_fd=at)
                os.close(at)
                at = below
            yield at
        finally:
            os.close(at)

    @contextmanager
    def _unfinished(self) -> Iterator[tuple[Path, int]]:
        """Make a file for what is being written; it is gone afterwards, unless it was renamed."""
        name = self.folder / _UNFINISHED / secrets.token_hex(12)
        with self._errors(), self._at([_UNFINISHED], make=True) as at:
            fd = os.open(name.name, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600, dir_fd=at)
        with contextlib.suppress(OSError):  # where nothing can be locked, age alone says what is abandoned
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            yield name, fd
        finally:
            with contextlib.suppress(OSError), self._at([_UNFINISHED]) as at:
                os.unlink(name.name, dir_fd=at)
            os.close(fd)

    def _write(self, fd: int, portion: bytes | memoryview) -> None:
        with self._errors():
            rest = memoryview(portion).cast("B")
            while rest:
                rest = rest[os.write(fd, rest) :]

    def _publish(self, key: str, file: Path, fd: int) -> BlobInfo:
        """Give a finished file the name of its key, for good."""
        *folders, name = key.split("/")
        with self._errors():
            os.fsync(fd)
            for left in reversed(range(_TRIES)):
                try:
                    with self._at(folders, make=True) as at:
                        os.rename(file, name, dst_dir_fd=at)
                        os.fsync(at)
                    break
                except FileNotFoundError:
                    # Somebody who deleted the last blob of a folder took the folder away in between.
                    if not left or not file.exists():
                        raise
                except OSError as error:
                    if error.errno in _IN_THE_WAY:
                        raise BadKey(
                            f"blob key {key!r}: a part of it is another blob, a folder or a link; "
                            "choose another key"
                        ) from error
                    raise
        return _info(key, os.fstat(fd))

    def _could_be_renamed(self, path: Path, fd: int) -> bool:
        here = path.lstat()
        return (
            stat.S_ISREG(here.st_mode)
            and here.st_nlink == 1  # another name of the file would stay a way to change the blob
            and here.st_uid == os.geteuid()
            and here.st_dev == os.fstat(self._root).st_dev
            and os.path.samestat(here, os.fstat(fd))
        )

    def _prune(self, folders: Sequence[str]) -> None:
        while folders:
            *folders, last = folders
            try:
                with self._at(folders) as at:
                    os.rmdir(last, dir_fd=at)
            except OSError:  # something is in it
                return

    def _walk(self, folders: Sequence[str], prefix: str) -> Iterator[BlobInfo]:
        with self._errors():
            try:
                with self._at(folders) as at:
                    found = sorted(_entries(at))
            except OSError as error:
                if error.errno in _NOTHING_THERE:
                    return
                raise
        start = "".join(f"{folder}/" for folder in folders)
        for name, known in found:
            key = start + name
            if name.endswith("/"):
                # Either may be the longer one.
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk([*folders, name[:-1]], prefix)
            elif key.startswith(prefix):
                yield BlobInfo(key, known[0], time_of(known[1]))

    def _sweep(self) -> None:
        """Throw away what is unfinished, old and in nobody's hands."""
        with contextlib.suppress(OSError), self._at([_UNFINISHED]) as at:
            for name in os.listdir(at):  # noqa: PTH208  a descriptor has no Path
                with contextlib.suppress(OSError):
                    known = os.stat(name, dir_fd=at, follow_symlinks=False)
                    if time.time() - known.st_mtime < _ABANDONED_S:
                        continue
                    fd = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
                    try:
                        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
                        os.unlink(name, dir_fd=at)
                    finally:
                        os.close(fd)

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Say in our words what the system refuses."""
        try:
            yield
        except (BlobNotFound, BadKey, BlobsUnavailable):
            raise
        except OSError as error:
            raise self._unavailable(error) from error

    def _unavailable(self, error: OSError) -> BlobsUnavailable:
        if error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}:
            remedy = "free some space, or put blobs elsewhere with --blobs"
        elif error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            remedy = "let this user write there, or put blobs elsewhere with --blobs"
        else:
            remedy = "check the disk"
        return BlobsUnavailable(f"blobs in {self.folder}: {error.strerror or error}; {remedy}")


def _entries(at: int) -> Iterator[tuple[str, tuple[int, float]]]:
    """Yield what lies in a folder, with size and time; folders end in `/`, which sorts them as keys do."""
    with os.scandir(at) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                yield f"{entry.name}/", (0, 0.0)
            elif entry.is_file(follow_symlinks=False):
                with contextlib.suppress(FileNotFoundError):
                    known = entry.stat(follow_symlinks=False)
                    yield entry.name, (known.st_size, known.st_mtime)


def _info(key: str, known: os.stat_result) -> BlobInfo:
    return BlobInfo(key, known.st_size, time_of(known.st_mtime))


def time_of(seconds: float) -> datetime:
    """Return a file's time; what no calendar has is the last, or first, moment that one has."""
    try:
        return datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError):
        return (datetime.max if seconds > 0 else datetime.min).replace(tzinfo=UTC)


def _not_found(key: str) -> BlobNotFound:
    return BlobNotFound(f"blob {key!r}: nothing is kept under this key; it may have expired")
