"""When a camera that broke off is called again. Pure arithmetic; who calls is `hub`."""

from __future__ import annotations

from dataclasses import dataclass

from argus.core.errors import SourceError, SourceRefused
from argus.core.resources.camera import ReconnectSpec


def reconnect_delay_s(attempt: int, spec: ReconnectSpec, *, roll: float = 1.0) -> float:
    """Return how long to wait before connection `attempt` (the first after a break is 0).

    Args:
        attempt: Failures since the last picture.
        spec: First and longest wait.
        roll: Chance, in [0, 1]; 1 is the whole wait, 0 half of it. Half stays, so that a camera that is gone
            is never called in a tight loop.
    """
    whole_s = min(spec.longest, spec.first * 2.0 ** min(attempt, 32))
    return whole_s * (0.5 + 0.5 * roll)


@dataclass(slots=True)
class Retries:
    """What one stream remembers of its failures in a row."""

    spec: ReconnectSpec
    failures: int = 0
    refusals: int = 0

    def worked(self) -> None:
        """Hear that a picture came."""
        self.failures = self.refusals = 0

    def failed(self, error: SourceError, roll: float) -> float | None:
        """Hear of a failure; return the seconds to wait before the next attempt, None to give up."""
        attempt, self.failures = self.failures, self.failures + 1
        if 0 <= self.spec.max_retries < self.failures:
            return None
        delay_s = reconnect_delay_s(attempt, self.spec, roll=roll)
        if isinstance(error, SourceRefused):
            # The first refusals may be those of a camera that is still starting; after them patience grows.
            self.refusals += 1
            return max(delay_s, min(self.spec.refused, delay_s * 2.0 ** min(self.refusals - 1, 32)))
        self.refusals = 0
        return delay_s
