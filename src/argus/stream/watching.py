"""Whether a file has changed: asked as often as one likes, for it costs a call to the system."""

from __future__ import annotations

import os
from pathlib import Path


class WatchedFile:
    """One file: written over, replaced as a whole, or a link that is turned to another (Kubernetes)."""

    def __init__(self, path: Path) -> None:
        """Begin; the first `changed` is true where there is such a file."""
        self.path = path
        self._seen: tuple[int, int, int, int] | None = None

    def changed(self) -> bool:
        """Return whether it is another one than at the last call that said so. A file that is gone is not."""
        try:
            stat = os.stat(self.path)  # noqa: PTH116 - every fifth of a second: half the cost of Path.stat
        except OSError:
            return False
        now = stat.st_dev, stat.st_ino, stat.st_mtime_ns, stat.st_size
        if now == self._seen:
            return False
        self._seen = now
        return True

    def look_again(self) -> None:
        """Let the next `changed` say so of the file as it is: what it holds could not be taken up."""
        self._seen = None
