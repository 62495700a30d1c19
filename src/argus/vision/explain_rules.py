"""Reasons at the end of a pipeline: where objects went, how long they stayed, what the rules made of it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from argus.vision.explain_case import Case, Reason, Row
from argus.vision.explain_window import Place


def raised(case: Case) -> Iterator[Reason]:
    """Alerts that were raised."""
    for at, alert in case.window.rows("alerts"):
        if case.concerns(alert.get("region")):
            who = f" by object {alert['object']}" if "object" in alert else ""
            yield Reason(
                "alert_raised",
                f"`{alert['rule']}` ({alert['severity']}) at {at:%H:%M:%S}{who}",
                "nothing stood in the way: if nobody heard of it, look at the pipeline's `actions`",
                {"at": at.isoformat(), **alert},
            )


def held_back(case: Case) -> Iterator[Reason]:
    """Alerts that the cooldown held back."""
    cooldown_s = case.spec.cooldown
    for at, held in case.window.rows("held"):
        if not case.concerns(held.get("region")):
            continue
        until = _later(at, held["left"])
        since = _later(at, held["left"] - cooldown_s)
        yield Reason(
            "cooldown",
            f"the same alert, `{held['rule']}`, was raised at {since:%H:%M:%S}, and is raised once in "
            f"{cooldown_s:g} s: not again before {until:%H:%M:%S}",
            "lower `cooldown` to hear of it oftener",
            {"at": at.isoformat(), "until": until.isoformat(), "alertedAt": since.isoformat(), **held},
        )


def _later(at: datetime, seconds: float) -> datetime:
    """Return the moment so many seconds later, or earlier where they are negative, or the last there is."""
    try:
        return at + timedelta(seconds=seconds)
    except OverflowError:
        return (datetime.max if seconds > 0 else datetime.min).replace(tzinfo=UTC)


def no_rule(case: Case) -> Iterator[Reason]:
    """Events that happened, and of which no rule speaks."""
    anywhere = not (case.spec.zones or case.spec.lines or case.spec.crowds)
    for at, event in case.window.rows("events"):
        type_, region, name = event["type"], event.get("region"), event.get("class")
        if event.get("severity") or not case.concerns(region) or type_ in {"object.left", "zone.exited"}:
            continue
        if region is None and not anywhere:
            continue  # somebody came into view, which is not what is asked about
        if type_ == "zone.entered" and case.speaks("zone.dwelled", region, name):
            continue  # the rule waits for the dwelling: see `inside`
        add = f"add `alerts: [{{on: [{type_}]}}]`"
        yield Reason(
            "no_rule",
            f"`{type_}`{'' if region is None else f' of {region!r}'} happened at {at:%H:%M:%S} "
            f"with a {name or 'crowd'}, and no rule makes an alert of it",
            add if region is None else f"give {region!r} a `severity`, or {add}",
            {"at": at.isoformat(), "zone": region, **event},
        )


def inside(case: Case) -> Iterator[Reason]:
    """Objects that were inside a zone: not for long enough, or for long."""
    for place in case.places:
        stays = [
            (at, row, *row["zones"][place.name])
            for at, row in case.window.rows("objects")
            if place.name in (row.get("zones") or {})
        ]
        if stays:
            yield _stay(case, place, *max(stays, key=lambda stay: (stay[3], stay[2])))


def _stay(case: Case, place: Place, at: datetime, row: Row, stay_s: float, counted: bool) -> Reason:
    name, zone = place.name, place.spec
    who = f"{row['class']} {row['id']}"
    evidence = {"zone": name, "at": at.isoformat(), "object": row["id"], "longest_s": stay_s}
    if not counted:
        return Reason(
            "enter_after",
            f"{who} was inside {name!r} for {stay_s:g} s, and an entry counts after {zone.enter_after:g} s",
            f"lower `zones.{name}.enter_after`",
            evidence | {"needed_s": zone.enter_after},
        )
    # Where entering is an alert already, staying was not what was missing.
    enters = case.speaks("zone.entered", name, row["class"])
    if zone.dwell is not None and stay_s < zone.dwell and not enters:
        return Reason(
            "dwell_too_short",
            f"{who} stayed in {name!r} for {stay_s:g} s, and {zone.dwell:g} s are needed",
            f"lower `zones.{name}.dwell` to {max(0.1, stay_s):.1f}s or less",
            evidence | {"needed_s": zone.dwell},
        )
    dwells = case.speaks("zone.dwelled", name, row["class"])
    if enters or (dwells and zone.dwell is not None):
        return Reason(
            "already_inside",
            f"{who} has been inside {name!r} for {stay_s:g} s: what there was to tell was told before",
            "look at the alerts of the time when it came; who stays is not told again",
            evidence,
        )
    remedy = f"give {name!r} a `dwell`, for a rule waits for it" if dwells else f"give {name!r} a `severity`"
    message = f"{who} was inside {name!r} for {stay_s:g} s, and no rule makes an alert of that"
    return Reason("no_rule", message, remedy, evidence)


def outside(case: Case) -> Iterator[Reason]:
    """Objects that were followed, and stayed outside of every zone."""
    nearest: tuple[float, Place, datetime, Row] | None = None
    for place in case.places:
        for at, row in case.window.rows("objects"):
            if place.counts(row["class"]):
                distance = place.distance(row["box"])
                if nearest is None or distance < nearest[0]:
                    nearest = (distance, place, at, row)
    if nearest is None or nearest[0] <= 0:
        return
    distance, place, at, row = nearest
    yield Reason(
        "outside_zone",
        f"{row['class']} {row['id']} came no nearer to {place.name!r} than {place.said(distance)}, "
        f"measured at the {place.spec.anchor} of its box",
        f"make `zones.{place.name}.polygon` larger, or choose another `anchor`",
        {"zone": place.name, "at": at.isoformat(), "object": row["id"], "distance": round(distance, 3)},
    )


def not_crossed(case: Case) -> Iterator[Reason]:
    """Lines that nobody crossed, while there was somebody."""
    crossed = {event.get("region") for _, event in case.window.rows("events")}
    followed = case.followed()
    for name in case.spec.lines:
        if case.zone in {None, name} and name not in crossed and followed:
            yield Reason(
                "line_not_crossed",
                f"{followed} object{'s' * (followed != 1)} followed, and none crossed {name!r}",
                f"see where they went; `lines.{name}.anchor`, `direction` and `inertia` say what counts",
                {"zone": name, "objects": followed},
            )


def no_crowd(case: Case) -> Iterator[Reason]:
    """Gatherings that were too small, or did not last."""
    for name, crowd in case.spec.crowds.items():
        counts = [int((data.get("crowds") or {}).get(name, 0)) for _, data in case.window.seconds]
        most = max(counts, default=0)
        if case.zone not in {None, name} or not most:
            continue
        if most < crowd.count:
            yield Reason(
                "crowd_too_small",
                f"{most} were in {name!r} at once, and {crowd.count} make a crowd",
                f"lower `crowds.{name}.count`",
                {"zone": name, "most": most, "needed": crowd.count},
            )
        elif sum(count >= crowd.count for count in counts) < crowd.formed_after:
            yield Reason(
                "crowd_too_short",
                f"{most} were in {name!r} at once, but not for {crowd.formed_after:g} s",
                f"lower `crowds.{name}.formed_after`",
                {"zone": name, "most": most, "needed_s": crowd.formed_after},
            )
