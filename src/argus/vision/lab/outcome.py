"""What one fault of the lab led to, and whether that was as promised. How it is found out is `trial`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

from argus.core.resources.camera import CameraState
from argus.vision.lab.faults import CameraKind, Fault

RESUMED_S: Final = 2.0
"""Seconds after the stream is back by which the camera must be looked at again."""
FELT: Final = 0.10
"""Part by which the 95th percentile of the neighbours' ages may rise."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one fault led to."""

    fault: Fault
    kind: CameraKind
    told: CameraState
    """The state that was told while it lasted, the gravest that was not `online`."""
    detected: bool
    """It was told as what it is; where nothing must be told, frames went on and nothing was."""
    detect_s: float | None
    """Seconds until then; where nothing must be told, until the first frame that was looked at."""
    recovered: bool
    """The camera was online and looked at again after it was healed."""
    recover_s: float | None
    neighbours_p95_change: float
    """Of the ages of their results while the fault lasted, against before and after; 0.05 is 5 % more."""
    worst_neighbour_change: float
    """The same of the one that felt it most."""
    worst_without_fault: float
    """The same of the one that changed most from before to after, which no fault did: how far chance goes."""

    @property
    def kept(self) -> bool:
        """Whether all of it was as promised."""
        in_time = self.detect_s is not None and self.detect_s <= self.fault.within_s
        back = self.recover_s is not None and self.recover_s <= RESUMED_S
        return self.detected and in_time and self.recovered and back and self.neighbours_p95_change <= FELT

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""

        def rounded(value: float | None) -> float | None:
            return None if value is None else round(value, 3)

        return {
            "fault": self.fault.name,
            "camera": self.kind,
            "expected": self.fault.expect,
            "told": self.told,
            "detected": self.detected,
            "detect_s": rounded(self.detect_s),
            "recovered": self.recovered,
            "recover_s": rounded(self.recover_s),
            "neighbours_p95_change": rounded(self.neighbours_p95_change),
            "worst_neighbour_change": rounded(self.worst_neighbour_change),
            "worst_without_fault": rounded(self.worst_without_fault),
            "kept": self.kept,
        }
