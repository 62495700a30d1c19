"""The newest picture and status, from the one who makes them to those who look. No socket here."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Final

LOOKED_S: Final = 1.5
"""Seconds for which one look makes pictures wanted: who asks again and again gets new ones."""


class Newest:
    """One picture and one status at a time; who is slow misses some, and nobody waits for him.

    Safe to use from any thread.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._picture: bytes | None = None
        self._status = b'{"cameras": []}'
        self._number = 0
        self._watching = 0
        self._made_s = self._looked_s = float("-inf")
        self._closed = False

    @property
    def wanted(self) -> bool:
        """True while somebody looks at the pictures."""
        return not self._closed and (self._watching > 0 or time.monotonic() - self._looked_s < LOOKED_S)

    @property
    def closed(self) -> bool:
        """True once nothing more will come."""
        return self._closed

    def put(self, picture: bytes | Callable[[], bytes] | None, status: bytes) -> None:
        """Replace the status and, where somebody wants one, the picture."""
        made = picture() if callable(picture) and self.wanted else picture
        with self._changed:
            self._status = status
            if isinstance(made, bytes):
                self._picture, self._number = made, self._number + 1
                self._made_s = time.monotonic()
                self._changed.notify_all()

    def status(self) -> bytes:
        """Return the newest status."""
        return self._status

    def watch(self, more: int) -> int:
        """Count those who look all the time: 1 more, or -1 when one has left.

        Returns:
            The number above which pictures are new enough to begin with.
        """
        with self._changed:
            self._watching += more
            return self._number - self._is_fresh()

    def look(self, within_s: float) -> bytes | None:
        """Return a picture not older than some seconds, waiting for one if need be.

        An old one is returned where no other came in time, and None where there is none at all.
        """
        with self._changed:
            self._looked_s = time.monotonic()
            before = self._number
            if not self._is_fresh():
                self._changed.wait_for(lambda: self._closed or self._number > before, within_s)
            return self._picture

    def after(self, number: int, within_s: float) -> tuple[int, bytes | None]:
        """Return the newest picture and its number once it is above `number`; None if not in time."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._number > number, within_s)
            if self._closed or self._number <= number:
                return number, None
            return self._number, self._picture

    def close(self) -> None:
        """Wake everybody; nothing more will come."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _is_fresh(self) -> bool:
        return self._picture is not None and time.monotonic() - self._made_s < LOOKED_S
