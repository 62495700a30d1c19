"""Blobs in a bucket, or in this process's memory, through fsspec.

What fits into one portion is put in one request; what is longer goes up in parts that come to be a blob all
at once, when the last one is there. Nothing is cached: others write to the bucket too.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO, Final, cast

from argus.core.urls import mask_urls
from argus.storage.blob_keys import checked_key, checked_prefix
from argus.storage.blobs import BlobInfo, BlobNotFound, BlobsUnavailable

PORTION: Final = 16 << 20
"""Bytes of one part. A bucket takes 10,000 parts of a blob: 160 GB."""
_CHUNK: Final = 1 << 20
_FRAME: Final = b"\n--==0=="
"""How the lines begin between which gcsfs puts a blob."""
_TIMES: Final = ("LastModified", "updated", "mtime", "created")


class BucketBlobs:
    """See the module. A `Blobs`.

    Who reads a blob that is replaced meanwhile may get `BlobsUnavailable`, and never a mixture.
    """

    def __init__(
        self,
        files: Any,
        root: str,
        shown: str,
        *,
        errors: tuple[type[Exception], ...] = (OSError,),
        in_memory: bool = False,
        framed: bool = False,
    ) -> None:
        """Use a file system of fsspec.

        Args:
            files: An `AbstractFileSystem`, made without a cache of listings.
            root: What stands before every key, without `/` at its end.
            shown: What messages call it.
            errors: What it raises when it cannot be reached or refuses.
            in_memory: True: its files are values of this process, read and written as a whole.
            framed: True: one request holds a blob between lines of text, as gcsfs does it, so that one which
                ends or reads like such a line would be cut; these go up in parts, which are raw.
        """
        self._files = files
        self._root = root
        self._shown = shown
        self._raised = errors
        self._in_memory = in_memory
        self._framed = framed

    def put(self, key: str, data: bytes | Iterable[bytes]) -> BlobInfo:
        """Keep bytes; see `Blobs.put`."""
        path = self._path(key)
        portions = iter((data,) if isinstance(data, bytes | bytearray | memoryview) else data)
        first = bytearray()
        for portion in portions:
            first += portion
            if len(first) >= PORTION and not self._in_memory:
                self._put_parts(path, first, portions)
                return self.info(key)
        if self._framed and (first.endswith(b"\r") or _FRAME in first):
            self._put_parts(path, first, portions)
            return self.info(key)
        with self._errors():
            self._files.pipe_file(path, bytes(first))
        return self.info(key)

    def put_file(self, key: str, path: Path, *, move: bool = False) -> BlobInfo:
        """Keep a file's bytes; see `Blobs.put_file`."""
        with path.open("rb") as file:
            info = self.put(key, iter(lambda: file.read(_CHUNK), b""))
        if move:
            path.unlink(missing_ok=True)
        return info

    def open(self, key: str) -> BinaryIO:
        """Open for reading; see `Blobs.open`."""
        path = self._path(key)
        if self._in_memory:
            with self._errors(key):
                return io.BytesIO(self._files.cat_file(path))
        known = self._known(key)  # a bucket opens what stands for a folder, too
        if known.get("generation"):  # Google's has no other way to say: this one, and no later one
            path = f"{path}#{known['generation']}"
        with self._errors(key):
            file = self._files.open(path, "rb", block_size=_CHUNK, cache_type="readahead")
        return cast("BinaryIO", io.BufferedReader(_Reading(file, key, self), _CHUNK))

    def info(self, key: str) -> BlobInfo:
        """Return what is known of one; see `Blobs.info`."""
        return _info(key, self._known(key))

    def delete(self, key: str) -> bool:
        """Remove one; see `Blobs.delete`."""
        try:
            self.info(key)
            with self._errors(key):
                self._files.rm_file(self._path(key))
        except BlobNotFound:
            return False
        return True

    def list(self, prefix: str = "") -> Iterator[BlobInfo]:
        """Yield what keys with a prefix name, in order; see `Blobs.list`."""
        folder, slash, _ = checked_prefix(prefix).rpartition("/")
        return self._walk(folder + slash, prefix)

    def local(self, key: str) -> Path | None:
        """Return None: it lies in no file."""
        checked_key(key)
        return None

    def close(self) -> None:
        """Do nothing: connections end with the last one who uses them."""

    def _known(self, key: str) -> dict[str, Any]:
        """Return what the file system knows of a blob."""
        path = self._path(key)
        with self._errors(key):
            known: dict[str, Any] = self._files.info(path)
        if known["type"] != "file":
            raise _not_found(key)
        return known

    def _path(self, key: str) -> str:
        return f"{self._root}/{checked_key(key)}"

    def _put_parts(self, path: str, first: bytearray, rest: Iterator[bytes | memoryview]) -> None:
        with self._errors():
            file = self._files.open(path, "wb", block_size=PORTION, autocommit=False)
        try:
            with self._errors():
                file.write(bytes(first))
            first.clear()
            for portion in rest:
                with self._errors():
                    file.write(portion)
            with self._errors():
                file.close()
                file.commit()
        except BaseException:
            file.closed = True  # or it would send the rest when it is collected
            with self._errors():
                file.discard()
            raise

    def _walk(self, start: str, prefix: str) -> Iterator[BlobInfo]:
        """Yield what lies below a folder, whose name ends in `/` or is empty."""
        folder = f"{self._root}/{start}".rstrip("/")
        try:
            with self._errors(start or "/"):
                entries = self._files.ls(folder, detail=True)
        except BlobNotFound:
            return
        found: list[tuple[str, dict[str, Any]]] = []
        for entry in entries:
            path = entry["name"].rstrip("/")
            if path != folder:  # a bucket may have an empty object that stands for the folder
                name = path.rpartition("/")[2]
                found.append((f"{name}/" if entry["type"] == "directory" else name, entry))
        for name, entry in sorted(found, key=lambda one: one[0]):
            key = start + name
            if name.endswith("/"):
                if key.startswith(prefix) or prefix.startswith(key):
                    yield from self._walk(key, prefix)
            elif key.startswith(prefix):
                yield _info(key, entry)

    @contextmanager
    def _errors(self, key: str | None = None) -> Iterator[None]:
        """Say in our words what the file system refuses; given a key, what is missing is `BlobNotFound`."""
        try:
            yield
        except FileNotFoundError as error:
            if key is not None:
                raise _not_found(key) from error
            raise BlobsUnavailable(
                f"blobs in {self._shown}: there is no such bucket; make it first"
            ) from error
        except self._raised as error:
            silent = "it does not answer in time" if isinstance(error, TimeoutError) else type(error).__name__
            said = mask_urls(str(error))[:300] or silent
            raise BlobsUnavailable(
                f"blobs in {self._shown}: {said}; check the address, the network and the credentials"
            ) from error


class _Reading(io.RawIOBase):
    """A file of fsspec whose errors are ours."""

    def __init__(self, file: Any, key: str, blobs: BucketBlobs) -> None:
        self._file = file
        self._key = key
        self._blobs = blobs

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        try:
            with self._blobs._errors(self._key):
                data = self._file.read(len(buffer))
        except BlobNotFound as error:
            raise BlobsUnavailable(
                f"blob {self._key!r}: it was replaced or removed while it was read; open it again"
            ) from error
        buffer[: len(data)] = data
        return len(data)

    def seek(self, offset: int, whence: int = 0) -> int:
        return int(self._file.seek(offset, whence))

    def tell(self) -> int:
        return int(self._file.tell())

    def close(self) -> None:
        if not self.closed:
            self._file.close()
        super().close()


def _info(key: str, known: dict[str, Any]) -> BlobInfo:
    when = next((known[name] for name in _TIMES if known.get(name)), 0.0)
    if isinstance(when, str):
        when = datetime.fromisoformat(when)
    if not isinstance(when, datetime):
        when = datetime.fromtimestamp(float(when), UTC)
    return BlobInfo(key, int(known["size"]), when.astimezone(UTC))


def _not_found(key: str) -> BlobNotFound:
    return BlobNotFound(f"blob {key!r}: nothing is kept under this key; it may have expired")
