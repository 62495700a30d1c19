"""Who is being sent pictures: a few at a time, each under the name that it gave its stream."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from typing import Literal

StreamState = Literal["open", "none", "full"]
"""It is being sent; it is not; it is not, and there is no room for it."""


class Watchers:
    """The streams under way. Safe to use from any thread."""

    def __init__(self, most: int) -> None:
        """Begin with none, and room for so many."""
        self._most = most
        self._names: list[str] = []
        self._lock = threading.Lock()

    @contextlib.contextmanager
    def one_more(self, name: str) -> Iterator[bool]:
        """Take a place for as long as a stream lasts; what is yielded says whether there was one."""
        with self._lock:
            taken = len(self._names) < self._most
            if taken:
                self._names.append(name)
        try:
            yield taken
        finally:
            if taken:
                with self._lock:
                    self._names.remove(name)

    def state(self, name: str) -> StreamState:
        """Return how the stream of that name is."""
        with self._lock:
            if name in self._names:
                return "open"
            return "none" if len(self._names) < self._most else "full"
