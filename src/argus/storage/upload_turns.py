"""Who has an upload now: one who sends to it, or one who moves or removes it, and never both."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from argus.storage.upload_errors import UploadBusy
from argus.storage.upload_part import Part


class Turns:
    """See the module. Safe from any thread."""

    def __init__(self) -> None:
        self.gate = threading.Lock()
        """Held where an upload goes from being sent to being moved."""
        self._open: dict[str, Part] = {}
        self._moving: dict[str, threading.Lock] = {}

    def part(self, id_: str) -> Part | None:
        """Return the part that is being sent; None: nobody sends."""
        return self._open.get(id_)

    def open(self, id_: str, path: Path) -> Part:
        """Begin to send; whoever does holds the gate, and has asked `expect_idle`."""
        part = self._open[id_] = Part(path)
        return part

    def close(self, id_: str, part: Part) -> None:
        """End sending: what was taken is on the disk then, or an `OSError` says that it is not."""
        try:
            part.close()
        finally:
            self._open.pop(id_, None)

    def expect_idle(self, id_: str) -> None:
        """Raise `UploadBusy` while somebody sends."""
        if id_ in self._open:
            raise UploadBusy(
                f"upload {id_}: another request is sending to it; wait for its end, then ask for the offset"
            )

    @contextmanager
    def moving(self, id_: str, *, wait: bool = True) -> Iterator[None]:
        """Keep others from moving or removing an upload meanwhile."""
        lock = self._moving.setdefault(id_, threading.Lock())
        if not lock.acquire(blocking=wait):
            raise UploadBusy(f"upload {id_}: it is being moved into the blobs; wait for the end of that")
        try:
            yield
        finally:
            lock.release()

    def forget(self, id_: str) -> None:
        """Forget one that is removed."""
        self._moving.pop(id_, None)
