"""Whether a process is late or stuck, judged by its signs of life.

Pure decisions over times. What is done to a process that is stuck is `charge`'s.
"""

from __future__ import annotations


class Pulse:
    """The signs of life of one run. All times are monotonic seconds of the supervisor."""

    def __init__(self, now_s: float, start_deadline_s: float | None, hang_after_s: float | None) -> None:
        """Begin with a start at `now_s`; see `ProcessSpec` for the limits."""
        self.ready = start_deadline_s is None
        self._start_deadline_s = start_deadline_s
        self._hang_after_s = hang_after_s
        self._started_s = now_s
        self._heard_s: float | None = None
        self._busy_s = 0.0
        self._awake_s = now_s

    @property
    def heard(self) -> bool:
        """True when it has spoken, and so is a program that knows of us."""
        return self._heard_s is not None

    def speak(self, now_s: float) -> None:
        """Hear a sign of life."""
        self._heard_s = now_s

    def beat(self, now_s: float, busy_s: float | None) -> None:
        """Hear a beat; `busy_s` says how long the call has lasted that it is in, None that it is in none."""
        self._heard_s = now_s
        self._busy_s = busy_s or 0.0

    def be_ready(self, now_s: float) -> None:
        """Hear that it is ready."""
        self.ready = True
        self._heard_s = now_s

    def oversleep(self, now_s: float) -> None:
        """Hear that the supervisor itself was not awake: nobody is blamed for the time before `now_s`."""
        self._awake_s = now_s

    def verdict(self, now_s: float) -> str | None:
        """Return why it should be ended, in words; None where all is well."""
        if not self.ready:
            limit = self._start_deadline_s
            if limit is not None and now_s >= max(self._started_s, self._awake_s) + limit:
                return f"not ready after {limit:g} s"
            return None
        if self._hang_after_s is None or self._heard_s is None:
            return None
        if now_s >= max(self._heard_s, self._awake_s) + self._hang_after_s:
            return f"no sign of life for {self._hang_after_s:g} s"
        if min(self._busy_s, now_s - self._awake_s) >= self._hang_after_s:
            return f"stuck in one call for {self._hang_after_s:g} s"
        return None

    def next_look_s(self) -> float | None:
        """Return when to ask for a verdict again if nothing is heard until then; None: never."""
        if not self.ready:
            limit, since = self._start_deadline_s, self._started_s
        else:
            limit, since = self._hang_after_s, self._heard_s if self._heard_s is not None else float("inf")
        if limit is None or since == float("inf"):
            return None
        return max(since, self._awake_s) + limit
