"""When a batch is full enough to go. Pure arithmetic; the frames and the engine are `lane`'s.

A network compiled for 8 frames costs the same for 5, so a batch that goes too early wastes what it
leaves empty, and one that waits too long makes events late. While the engine works, waiting costs
nothing: only full batches are queued behind it. When it is idle, an early batch waits a moment, and
as long as one inference takes where the engine has just been busy, which is the sign that frames
are coming faster than they can be looked at.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

_CALM_S: Final = 0.005
"""How long a batch waits for company on an engine that has been idle."""
_SHARE_OF_AGE: Final = 0.25
"""Part of the freshness budget that may be spent on waiting for company."""
_SMOOTHING: Final = 0.2


@dataclass(slots=True)
class Batching:
    """What one lane remembers to decide when to go. All times are monotonic seconds."""

    size: int
    """Frames per inference."""
    inference_s: float = 0.0
    """What one inference takes, smoothed; where several are under way, the time between their ends."""
    _landed_s: float = float("-inf")
    _partial_since_s: float | None = None

    def wait_s(self, waiting: int, sources: int, flying: int, now_s: float, max_age_s: float) -> float | None:
        """Return 0 where the frames that wait shall go now, else for how long at most they shall wait.

        None: until something changes, a frame that comes or an inference that ends.

        Args:
            waiting: Frames that could go.
            sources: How many could at most wait at once.
            flying: Inferences under way.
            now_s: The time.
            max_age_s: The least freshness budget of those concerned.
        """
        if not waiting:
            self._partial_since_s = None
            return None
        if waiting >= min(self.size, sources):
            return self.full()
        if flying:
            return None
        if self._partial_since_s is None:
            self._partial_since_s = now_s
        busy = now_s - self._landed_s < 2 * self.inference_s
        patience_s = min(self.inference_s, _SHARE_OF_AGE * max_age_s) if busy else _CALM_S
        left_s = self._partial_since_s + patience_s - now_s
        if left_s > 0:
            return left_s
        self._partial_since_s = None
        return 0.0

    def full(self) -> float:
        """Hear that enough frames wait for a whole batch; return 0, for it goes now."""
        self._partial_since_s = None
        return 0.0

    def landed(self, began_s: float, ended_s: float) -> None:
        """Hear how long an inference took that had the engine to itself from `began_s`."""
        took_s = max(0.0, ended_s - began_s)
        known = self.inference_s or took_s
        self.inference_s = known + _SMOOTHING * (took_s - known)
        self._landed_s = ended_s
