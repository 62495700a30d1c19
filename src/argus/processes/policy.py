"""When a process that has ended is started again, and after how long.

Pure decisions over times: nothing is started here.
"""

from __future__ import annotations

from typing import Literal

import msgspec


class RestartPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What follows the end of a process."""

    when: Literal["never", "on-failure", "always"] = "on-failure"
    most: int | None = None
    """Starts within `window_s` after which it is given up; None: never given up."""
    window_s: float = 60.0
    """Who has run for so long counts as well again: the wait begins anew."""
    first_s: float = 0.2
    """Wait before the first new start, in seconds; doubled for each further failure in the window."""
    longest_s: float = 30.0
    """The longest wait."""

    def delay_s(self, failures: int) -> float:
        """Return how long to wait after so many failures in a row (the first is 1), in seconds."""
        return float(min(self.longest_s, self.first_s * 2.0 ** min(failures - 1, 32)))
