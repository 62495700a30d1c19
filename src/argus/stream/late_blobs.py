"""Blobs whose store is opened when it is needed: one that is away at the start keeps no camera unwatched."""

from __future__ import annotations

import contextlib
import threading
from pathlib import Path
from typing import BinaryIO

from argus.storage.blobs import BlobInfo, Blobs, BlobsUnavailable
from argus.storage.opening import open_blobs


class LateBlobs:
    """What a worker needs of a store. Safe from any thread; each call may raise `BlobsUnavailable`."""

    def __init__(self, url: str) -> None:
        """Open the store, if it can be opened by now.

        Raises:
            SpecError: nobody knows such a URL.
            MissingExtra: its extra is not installed.
        """
        self._url = url
        self._lock = threading.Lock()
        self._blobs: Blobs | None = None
        with contextlib.suppress(BlobsUnavailable):  # each picture will say so
            self._opened()

    def put(self, key: str, data: bytes) -> BlobInfo:
        """Keep bytes."""
        return self._opened().put(key, data)

    def put_file(self, key: str, path: Path) -> BlobInfo:
        """Keep a file's bytes."""
        return self._opened().put_file(key, path)

    def open(self, key: str) -> BinaryIO:
        """Open for reading."""
        return self._opened().open(key)

    def close(self) -> None:
        """Let the store go."""
        if self._blobs is not None:
            self._blobs.close()

    def _opened(self) -> Blobs:
        with self._lock:
            if self._blobs is None:
                self._blobs = open_blobs(self._url)
            return self._blobs
