"""What mattered most: the reasons of all stages in one order.

An alert needs one object to come all the way. So what stopped the one that came furthest is told first, and
what stopped others after that; unless most of the time nothing could be seen at all.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from argus.core.resources.pipeline import PipelineSpec
from argus.vision.explain_case import Case, Reason
from argus.vision.explain_frames import blind, broken, no_frame, no_trace, not_looked_at
from argus.vision.explain_rules import held_back, inside, no_crowd, no_rule, not_crossed, outside, raised
from argus.vision.explain_seen import not_let_through
from argus.vision.explain_window import Window


def found_reasons(spec: PipelineSpec, window: Window, at: datetime, zone: str | None) -> list[Reason]:
    """Return what stood in the way, what mattered most first; at least one.

    Args:
        spec: The pipeline.
        window: Its trace around the moment.
        at: The moment.
        zone: The zone, line or crowd that is asked about; None: all.
    """
    case = Case.of(spec, window, at, zone)
    if not window.seconds:
        return [no_trace(case)]
    told = [*raised(case), *held_back(case), *broken(case)]
    there, elsewhere = not_let_through(case)
    objects = [*no_rule(case), *inside(case), *there, *outside(case), *not_crossed(case), *no_crowd(case)]
    objects += elsewhere
    frames = [*no_frame(case), *not_looked_at(case)]
    reasons = [*told, *frames, *objects] if blind(case) else [*told, *objects, *frames]
    return _once(reasons) or [_nothing_happened(case)]


def _once(reasons: list[Reason]) -> list[Reason]:
    """Return each kind of reason once per place, the first of it."""
    kept: dict[tuple[str, Any], Reason] = {}
    for reason in reasons:
        kept.setdefault((reason.code, reason.evidence.get("zone")), reason)
    return list(kept.values())


def _nothing_happened(case: Case) -> Reason:
    looked, followed = case.window.frames["processed"], case.followed()
    if not followed:
        return Reason(
            "nothing_seen",
            f"{looked} frames were looked at, and the model saw nothing in them, not even faintly",
            "look at the picture of that time: is the object there, and large enough for the model?",
            {"processed": looked},
        )
    return Reason(
        "no_event",
        f"{followed} object{'s' * (followed != 1)} followed, and none did anything that a rule speaks of",
        "add zones or lines with a `severity`, or `alerts` on the events that matter",
        {"processed": looked, "objects": followed},
    )
