"""Whether a process that has ended is started again, and when: a policy applied to what has happened.

Pure decisions over times: the clock is the caller's, and nothing is started here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from argus.processes.policy import RestartPolicy


@dataclass(frozen=True, slots=True)
class Verdict:
    """What follows an end."""

    state: Literal["backing-off", "finished", "failed"]
    wait_s: float = 0.0
    """Seconds until it is started again, where it is."""


@dataclass(frozen=True, slots=True)
class History:
    """The ends of one process that still count.

    The window is a window of running: the time between an end and the next start proves nothing of the
    process, and long waits would otherwise push out the very failures that made them long.
    """

    ran_s: float = 0.0
    """Seconds that it has run, all runs together."""
    ends: tuple[float, ...] = ()
    """`ran_s` at each end in the window, the oldest first."""

    def after_run(self, ran_s: float, policy: RestartPolicy) -> History:
        """Return the history with one more run, of so many seconds."""
        now = self.ran_s + max(0.0, ran_s)
        kept = (
            tuple(end for end in self.ends if end > now - policy.window_s) if ran_s < policy.window_s else ()
        )
        return History(now, (*kept, now))

    def verdict(self, *, well: bool, policy: RestartPolicy) -> Verdict:
        """Return what follows the last end.

        Args:
            well: It ended by itself, with exit 0.
            policy: What was wished.
        """
        if policy.when == "never" or (well and policy.when == "on-failure"):
            return Verdict("finished" if well else "failed")
        if policy.most is not None and len(self.ends) >= policy.most:
            return Verdict("failed")
        return Verdict("backing-off", policy.delay_s(len(self.ends)))
