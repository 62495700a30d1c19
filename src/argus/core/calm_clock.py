"""The wall clock for those who throw things away by age: not believed when it was only just put forward.

A clock that is wrong for a moment, by months, would make everything too old at once. What is late may go an
hour later; what is gone is gone. Who waits, or measures, uses `time.monotonic`.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

_SLACK: Final = timedelta(minutes=5)
"""By how much it may be put forward unnoticed."""
_PATIENCE_S: Final = 3600.0
"""How long a clock has to stay put forward until it is believed, as after a machine has slept."""


def _wall() -> datetime:
    return datetime.fromtimestamp(time.time(), UTC)


class CalmClock:
    """See the module. Never ahead of the wall clock. Safe from any thread."""

    def __init__(
        self, wall: Callable[[], datetime] = _wall, steady_s: Callable[[], float] = time.monotonic
    ) -> None:
        """Believe the wall clock as it is now."""
        self._wall, self._steady_s = wall, steady_s
        self._believed, self._at_s = wall(), steady_s()
        self._lead = timedelta()
        self._ahead_at_s: float | None = None
        self._lock = threading.Lock()

    def now(self) -> datetime:
        """Return the time, UTC."""
        with self._lock:
            return self._now()

    def _now(self) -> datetime:
        wall, steady_s = self._wall(), self._steady_s()
        expected = self._believed + timedelta(seconds=steady_s - self._at_s)
        lead = wall - expected
        if lead > _SLACK:
            if self._ahead_at_s is None or abs(lead - self._lead) > _SLACK:
                self._ahead_at_s, self._lead = steady_s, lead
            if steady_s - self._ahead_at_s < _PATIENCE_S:
                return expected
        self._believed, self._at_s, self._ahead_at_s = wall, steady_s, None
        return wall
