"""What can be wrong with an upload, by what its sender can do about it."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argus.core.errors import ArgusError
from argus.storage.blobs import BlobsUnavailable


class UploadNotFound(ArgusError, LookupError):
    """There is no such upload, or it has expired."""

    def __init__(self, id_: str) -> None:
        super().__init__(f"upload {id_[:40]!r}: there is none, or it has expired; begin a new one")


class UploadConflict(ArgusError, ValueError):
    """The upload is not where its sender thinks: asking for its offset, and going on there, is the remedy."""

    def __init__(self, message: str, offset: int) -> None:
        super().__init__(message)
        self.offset = offset
        """Where it is."""


class UploadBusy(ArgusError):
    """Somebody sends to this upload, or moves it, now; the same call may work later."""


class UploadTooLong(ArgusError, ValueError):
    """More came, or was announced, than was said or may be."""


@contextmanager
def disk_errors(folder: Path) -> Iterator[None]:
    """Say in our words what the disk refuses.

    Raises:
        BlobsUnavailable: in the place of an `OSError`.
    """
    try:
        yield
    except ArgusError:
        raise
    except OSError as error:
        full = error.errno in {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
        remedy = "free some space, then go on with the upload" if full else "check the disk"
        raise BlobsUnavailable(f"uploads in {folder}: {error.strerror or error}; {remedy}") from error
