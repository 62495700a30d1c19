"""Streams as servers give them, and a child process that takes uploads in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine
from pathlib import Path
from typing import Any, TypeVar

from argus.storage.blob_folder import FolderBlobs
from argus.storage.uploads import Uploads

T = TypeVar("T")


def run(work: Coroutine[Any, Any, T]) -> T:
    return asyncio.run(work)


async def stream(*chunks: bytes, then: BaseException | None = None) -> AsyncIterator[bytes]:
    for chunk in chunks:
        await asyncio.sleep(0)
        yield chunk
    if then is not None:
        raise then


def opened(home: Path, *, most_bytes: int | None = None) -> Uploads:
    return Uploads(home / "uploads", FolderBlobs(home / "blobs"), most_bytes=most_bytes)


CHILD = """
import asyncio, sys
from pathlib import Path
from argus.storage.blob_folder import FolderBlobs
from argus.storage.uploads import Uploads

home, id_ = Path(sys.argv[1]), sys.argv[2]
uploads = Uploads(home / "uploads", FolderBlobs(home / "blobs"))

async def endless():
    n = 0
    while True:
        yield n.to_bytes(4, "big") * 16_384
        n += 1
        if n % 64 == 0:
            print(uploads.status(id_).offset, flush=True)

asyncio.run(uploads.append(id_, 0, endless()))
"""
"""Takes an endless upload in and prints what is acknowledged, until it is killed."""

KILLED_WHEN_MOVED = """
import asyncio, os, signal, sys
from pathlib import Path
from argus.storage.blob_folder import FolderBlobs
from argus.storage.uploads import Uploads

home, id_, when = Path(sys.argv[1]), sys.argv[2], sys.argv[3]

class Killing(FolderBlobs):
    def put_file(self, key, path, *, move=False):
        if when == "after":
            super().put_file(key, path, move=move)
        elif when == "copied":
            super().put_file(key, path, move=False)
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(Uploads(home / "uploads", Killing(home / "blobs")).complete(id_))
"""
"""Completes an upload and is killed while it is being moved."""
