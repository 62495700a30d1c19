"""Whether there is room for an upload, said before its first byte has come."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Final

from argus.storage.blobs import BlobsUnavailable
from argus.storage.upload_errors import UploadTooLong, disk_errors

_SPARE_BYTES: Final = 64 << 20
"""Of the disk, left to others."""


def expect_room(folder: Path, length: int | None, most_bytes: int | None) -> None:
    """Check the length that is announced; None: nothing is.

    Raises:
        UploadTooLong: longer than uploads may be.
        BlobsUnavailable: the disk has no room for so much.
    """
    if length is None:
        return
    if most_bytes is not None and length > most_bytes:
        raise UploadTooLong(f"upload: {length} bytes are more than the {most_bytes} that it may have")
    with disk_errors(folder):
        free = shutil.disk_usage(folder).free
    if length > free - _SPARE_BYTES:
        raise BlobsUnavailable(
            f"uploads in {folder}: this one is {length / 1e6:.0f} MB long and the disk has "
            f"{free / 1e6:.0f} MB left; free some space"
        )
