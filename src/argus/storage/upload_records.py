"""What is known of one upload, and the files it lies in. No bytes are taken in here.

Two files of one folder: the part (what has come so far; its length is the offset) and the record, JSON that
is replaced as a whole. An upload exists as long as its record does.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal

import msgspec
import structlog

from argus.core.errors import SpecError
from argus.storage.blob_keys import key_part
from argus.storage.upload_errors import UploadNotFound

_ID: Final = re.compile(r"[0-9a-f]{32}", re.ASCII)
_RECORD: Final = ".json"
_PART: Final = ".part"
_WRITTEN: Final = ".new"
_MOST_METADATA: Final = 16_384
_LONGEST_NAME: Final = 255


class Upload(msgspec.Struct, frozen=True, kw_only=True):
    """One upload at one moment."""

    id: str
    """Cannot be guessed."""
    filename: str
    """As its sender called it, without folders and control signs; for people."""
    key: str
    """Under which it is, or will be, among the blobs."""
    length: int | None
    """Bytes that were announced; None: nobody has said."""
    offset: int = 0
    """Bytes that have come and are on the disk."""
    metadata: dict[str, str] = {}
    """What its sender said besides, such as the pipeline it is for."""
    state: Literal["open", "moving", "complete"] = "open"
    """`moving`: everything is here and on its way into the blobs."""
    created_at: datetime
    updated_at: datetime
    """When something came last, or it became complete."""
    claimed: bool = False
    """True: what was to follow from its completion has been seen to."""

    @property
    def whole(self) -> bool:
        """True when all that was announced has come."""
        return self.state != "open" or (self.length is not None and self.offset == self.length)


def new_upload(filename: str, length: int | None, metadata: Mapping[str, str]) -> Upload:
    """Return an upload that begins now.

    Raises:
        SpecError: the length is below zero, or the metadata too long.
    """
    if length is not None and length < 0:
        raise SpecError(f"upload: a length of {length} bytes; it must be 0 or more")
    if sum(len(name) + len(value) for name, value in metadata.items()) > _MOST_METADATA:
        raise SpecError(f"upload: its metadata is longer than {_MOST_METADATA} signs; say less")
    id_, now = secrets.token_hex(16), datetime.now(UTC)
    name = re.sub(r"[\x00-\x1f\x7f]", "", re.split(r"[/\\]", filename)[-1])[:_LONGEST_NAME]
    return Upload(
        id=id_,
        filename=_writable(name) or "upload",
        key=f"uploads/{id_}/{key_part(filename, otherwise='upload')}",
        length=length,
        metadata={_writable(key): _writable(value) for key, value in metadata.items()},
        created_at=now,
        updated_at=now,
    )


class UploadFiles:
    """The folder of uploads; for one process at a time."""

    def __init__(self, folder: Path) -> None:
        """Make it where it is missing.

        Raises:
            OSError: it cannot be made.
        """
        self.folder = folder
        self._decoder = msgspec.json.Decoder(Upload)
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)

    def part(self, id_: str) -> Path:
        """Return where the bytes of an upload are gathered."""
        return self.folder / f"{self._checked(id_)}{_PART}"

    def read(self, id_: str) -> Upload:
        """Return the record as it was written last; its offset says nothing while the upload is open.

        Raises:
            UploadNotFound: there is none, or it is damaged.
        """
        try:
            return self._decoder.decode(self._record(id_).read_bytes())
        except FileNotFoundError:
            raise UploadNotFound(id_) from None
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            structlog.get_logger().warning("upload.record_damaged", id=id_, error=str(error))
            raise UploadNotFound(id_) from error

    def write(self, upload: Upload) -> None:
        """Replace the record, for good."""
        record = self._record(upload.id)
        written = record.with_suffix(_WRITTEN)
        fd = os.open(written, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(msgspec.json.encode(upload))
            file.flush()
            os.fsync(file.fileno())
        written.replace(record)
        self.sync()

    def make_part(self, id_: str) -> None:
        """Make the empty file for its bytes."""
        os.close(os.open(self.part(id_), os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))

    def sync_part(self, id_: str) -> None:
        """See to it that all the bytes that have come are on the disk, also of a process that was killed."""
        with contextlib.suppress(FileNotFoundError):
            fd = os.open(self.part(id_), os.O_RDONLY | os.O_CLOEXEC)
            try:
                os.fsync(fd)
            finally:
                os.close(fd)

    def remove(self, id_: str) -> None:
        """Remove record and bytes; the record first, since a part without one belongs to nobody."""
        self._record(id_).unlink(missing_ok=True)
        self.part(id_).unlink(missing_ok=True)

    def all(self) -> Iterator[Upload]:
        """Yield all records, the oldest first; damaged ones are left out."""
        found = []
        for path in self.folder.glob(f"*{_RECORD}"):
            with contextlib.suppress(UploadNotFound):
                found.append(self.read(path.stem))
        yield from sorted(found, key=lambda upload: (upload.created_at, upload.id))

    def orphans(self, before: float) -> Iterator[Path]:
        """Yield files that belong to no upload and that nobody has touched since a moment (Unix seconds)."""
        for path in self.folder.iterdir():
            with contextlib.suppress(FileNotFoundError):
                alone = path.suffix == _WRITTEN or (
                    path.suffix == _PART and not path.with_suffix(_RECORD).exists()
                )
                if alone and path.lstat().st_mtime < before:
                    yield path

    def sync(self) -> None:
        """See to it that names which came and went are on the disk."""
        fd = os.open(self.folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _record(self, id_: str) -> Path:
        return self.folder / f"{self._checked(id_)}{_RECORD}"

    def _checked(self, id_: str) -> str:
        if not _ID.fullmatch(id_):
            raise UploadNotFound(id_)
        return id_


def _writable(text: str) -> str:
    """Return text without half characters, which JSON cannot hold."""
    return text.encode("utf-8", "replace").decode()
