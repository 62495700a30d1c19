"""One thread's time with a shared stream: what it is doing, since when, and whether it comes back from it.

Values and clocks only; what follows from a call that is stuck is for `shared` to say.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final, Literal

from argus.vision.clips.ring import Tap
from argus.vision.sources.protocol import Source

_CLOSING_S: Final = 5.0
"""How long closing may take; opening and reading get as much besides their own limits."""
_BEHIND_S: Final = 1.0
"""A played recording that is so late goes on from where it is."""

Phase = Literal["open", "read", "hand out", "wait", "close"]


class Connection:
    """See the module. Its own thread changes it, others look."""

    def __init__(self, clock: Callable[[], float]) -> None:
        """Begin with opening."""
        self.source: Source | None = None
        """What is read, while it is open."""
        self.tap: Tap | None = None
        """Hears its packets."""
        self.left = False
        """True where its thread was left to itself, in a call that did not come back."""
        self.thread: threading.Thread | None = None
        self.phase: Phase = "open"
        self._clock = clock
        self._since_s = clock()
        self._start_s = clock()

    def enter(self, phase: Phase) -> None:
        """Note what it does from now on."""
        self._since_s = self._clock()
        self.phase = phase

    def is_stuck(self, timeout_s: float, *, between_s: float = 0.0) -> bool:
        """Return whether a call lasts beyond anything that a server's silence of `timeout_s` explains.

        Args:
            timeout_s: How long a server may be silent.
            between_s: What lies between two frames that are wanted.
        """
        limits: dict[Phase, float] = {
            "open": 5 * timeout_s + _CLOSING_S,
            "read": 2 * timeout_s + between_s + _CLOSING_S,
            "close": _CLOSING_S,
        }
        limit_s = limits.get(self.phase)
        return limit_s is not None and self._clock() - self._since_s > limit_s

    def begin_pace(self) -> None:
        """Let a recording's first frame be due now."""
        self._start_s = self._clock()

    def early_s(self, time_s: float) -> float:
        """Return how long before its turn a recording's frame is here; 0 where it is due."""
        late_s = self._clock() - self._start_s - time_s
        if late_s > _BEHIND_S:
            self._start_s += late_s
        return max(0.0, -late_s)
