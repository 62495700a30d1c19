"""Why no alert came: what of a pipeline stood in the way around a moment, from its trace and its spec.

A pure function over values, which control and command line ask; no codec and no model is imported. The trace
is written by `argus.vision.trace`; what each reason means is in `docs/explanation/explain.md`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from argus.core.errors import UnknownName
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.explain_case import Reason
from argus.vision.explain_reasons import found_reasons
from argus.vision.explain_stages import Stage, stages_of
from argus.vision.explain_window import moment, window_around

__all__ = ["Explanation", "Reason", "Stage", "explain"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """What happened to a pipeline around a moment."""

    at: datetime
    window_s: float
    verdict: str
    """One sentence."""
    reasons: tuple[Reason, ...]
    """What stood in the way, what mattered most first; at least one."""
    stages: tuple[Stage, ...]
    """The pipeline in order: what came to each stage, and what passed."""
    zone: str | None = None

    @property
    def code(self) -> str:
        """That of the first reason."""
        return self.reasons[0].code

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "at": self.at.isoformat(),
            "windowSeconds": self.window_s,
            "zone": self.zone,
            "verdict": self.verdict,
            "reasons": [reason.to_json() for reason in self.reasons],
            "stages": [stage.to_json() for stage in self.stages],
        }


def explain(
    spec: PipelineSpec,
    seconds: Sequence[Mapping[str, Any]],
    at: datetime,
    window_s: float = 10.0,
    zone: str | None = None,
) -> Explanation:
    """Return what stood in the way of an alert around a moment, or which alert was raised.

    Args:
        spec: The pipeline, as it is now.
        seconds: Its trace: `data` of each second with its `at`, such as `{"at": record.at, **record.data}`;
            what lies outside the window is left out.
        at: The moment; without a zone it is UTC.
        window_s: Seconds to look at, half of them before it.
        zone: Look at this zone, line or crowd alone.

    Raises:
        UnknownName: the pipeline has no such zone, line or crowd.
    """
    regions = [*spec.zones, *spec.lines, *spec.crowds]
    if zone is not None and zone not in regions:
        raise UnknownName("zone, line or crowd", zone, regions)
    at = moment(at)
    window = window_around(seconds, at, window_s)
    reasons = found_reasons(spec, window, at, zone)
    return Explanation(
        at,
        window_s,
        _verdict(reasons[0], at),
        tuple(reasons),
        tuple(stages_of(spec, window, zone)),
        zone,
    )


def _verdict(first: Reason, at: datetime) -> str:
    around = f"around {at:%Y-%m-%d %H:%M:%S} UTC"
    if first.code == "alert_raised":
        return f"An alert was raised {around}: {first.message}."
    return f"No alert {around}: {first.message}."
