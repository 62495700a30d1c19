"""Standard streams that cannot end a run: whoever read what is said may have gone, or was never there.

Results that cannot be written are an error all the same; only stderr is meant, which is for people.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO, cast


@contextlib.contextmanager
def steady_streams() -> Iterator[None]:
    """Let nothing fail that is said to stderr, and leave no standard descriptor for another file to take."""
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:  # closed by whoever started us: a video would become descriptor 2
            setattr(sys, name, Path(os.devnull).open("w"))  # noqa: SIM115 - for the whole process
    before = sys.stderr
    sys.stderr = cast("TextIO", _Steady(before))
    try:
        yield
    finally:
        sys.stderr = before


class _Steady:
    """A text stream whose reader may go."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> int:
        with contextlib.suppress(OSError):
            return self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)
