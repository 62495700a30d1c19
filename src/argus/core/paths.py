"""Paths as people write them, with `~` for their home."""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return a path with `~` and `~NAME` filled in; that of somebody unknown stays as it is written.

    `Path.expanduser` raises a `RuntimeError` there, as it does for `~` where the user of a container has no
    name; a path that leads nowhere is told of by whoever opens it.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - see above
