"""Logs of workloads that are gone: kept for a while, for people read why something ended, then removed.

The log of a workload that is there is its keeper's alone, which puts it aside as it grows: it is not touched.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Collection
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import structlog

from argus.control.runtime.protocol import Runtime, RuntimeUnavailable
from argus.storage.blob_folder import time_of
from argus.storage.blobs import BlobInfo
from argus.storage.retention import BlobsKeep, late_blobs

_OF_WORKLOAD: Final = re.compile(r"(?P<name>[a-z0-9][-a-z0-9]*)\.log(\.\d+)?")
_OURS: Final = frozenset({"control"})
"""What is no workload and writes its log beside those of workloads."""
_FRESH: Final = timedelta(hours=1)
"""What was written to so lately stays, also where there is too much: somebody may be about to write again."""


def late_logs(
    files: Collection[BlobInfo], living: Collection[str], keep: BlobsKeep, now: datetime
) -> tuple[str, ...]:
    """Return which files have to go, by age and by the size of all that nobody writes any more. Pure.

    Args:
        files: Those of the folder of logs, by name.
        living: Workloads that are there.
        keep: How long, and how much.
        now: The wall clock's time.
    """
    of_the_gone = [
        info
        for info in files
        if (match := _OF_WORKLOAD.fullmatch(info.key)) is not None and match["name"] not in {*living, *_OURS}
    ]
    fresh = {info.key for info in of_the_gone if info.modified_at > now - _FRESH}
    return tuple(name for name in late_blobs(of_the_gone, keep, now) if name not in fresh)


async def prune_logs(folder: Path, runtime: Runtime, keep: BlobsKeep, now: datetime | None = None) -> None:
    """Remove what has been kept long enough; nothing where nobody knows who lives."""
    try:
        living = frozenset(await runtime.statuses())
    except RuntimeUnavailable:
        return
    await asyncio.to_thread(_prune, folder, living, keep, now or datetime.now(UTC))


def _prune(folder: Path, living: Collection[str], keep: BlobsKeep, now: datetime) -> None:
    for name in late_logs(_files_in(folder), living, keep, now):
        try:
            (folder / name).unlink()
        except OSError as error:
            structlog.get_logger().warning("control.log_not_removed", log=name, reason=error.strerror)
        else:
            structlog.get_logger().info("control.log_removed", log=name)


def _files_in(folder: Path) -> list[BlobInfo]:
    found = []
    try:
        for path in folder.iterdir():
            stat = path.lstat()
            if path.is_file() and not path.is_symlink():
                found.append(BlobInfo(path.name, stat.st_size, time_of(stat.st_mtime)))
    except OSError:
        return []  # it is not there yet, or something in it has just gone: the next look will tell
    return found
