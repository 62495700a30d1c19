"""Waiting for what ends by itself: a thread that still says goodbye to a server is no leak."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path


def descriptors_and_threads() -> int:
    """Return how many files and threads this process has open."""
    return sum(len(list(Path(f"/proc/self/{kind}").iterdir())) for kind in ("fd", "task"))


def comes_true(what: Callable[[], bool], within_s: float = 15.0) -> bool:
    """Return whether `what` is true now or within some seconds."""
    until = time.monotonic() + within_s
    while not what():
        if time.monotonic() > until:
            return False
        time.sleep(0.05)
    return True
