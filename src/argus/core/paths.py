"""Paths as people write them: with `~` for their home, too long, in a folder that is closed to them.

Whether something is there is asked here where a user named it: `Path` raises an `OSError` for a name that is
too long and for a folder that may not be looked into, and nobody who only asks expects that.
"""

from __future__ import annotations

import os
from pathlib import Path


def expanded(path: str | Path) -> Path:
    """Return a path with `~` and `~NAME` filled in; that of somebody unknown stays as it is written.

    `Path.expanduser` raises a `RuntimeError` there, as it does for `~` where the user of a container has no
    name; a path that leads nowhere is told of by whoever opens it.
    """
    return Path(os.path.expanduser(path))  # noqa: PTH111 - see above


def is_there(path: Path) -> bool:
    """Return whether something lies at a path, as far as we may see."""
    return os.path.exists(path)  # noqa: PTH110 - see the module


def is_file(path: Path) -> bool:
    """Return whether a file lies there, likewise."""
    return os.path.isfile(path)  # noqa: PTH113 - see the module


def is_folder(path: Path) -> bool:
    """Return whether a folder lies there, likewise."""
    return os.path.isdir(path)  # noqa: PTH112 - see the module
