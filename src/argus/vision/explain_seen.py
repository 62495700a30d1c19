"""Reasons between the model and the rules: too faint, of another class, not followed.

Those that lie in a zone are told apart from those elsewhere: only they could have raised an alert there.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Final

from argus.vision.explain_case import Case, Reason, Row

_NEW_S: Final = 2.0
"""A track that is no older may be that of what was seen unfollowed just before."""


def not_let_through(case: Case) -> tuple[list[Reason], list[Reason]]:
    """Return what was seen and left out: in the zones that are asked about, and elsewhere; the best first.

    Where there are no zones, all of it counts as in one as long as nobody was followed.
    """
    found: list[tuple[bool, int, float, Reason]] = []
    for at, row in case.window.rows("loose"):
        if case.spec.track is not None and case.wanted(row["class"]) and not _followed_then(case, at, row):
            found.append((_inside(case, row), 0, row["best"], _not_followed(case, at, row)))
    threshold = case.window.confidence or 0.0
    for at, row in case.window.rows("doubts"):
        if row.get("why") == "class":
            if row["best"] > threshold:
                found.append(
                    (_inside(case, row, any_class=True), 1, row["best"], _wrong_class(case, at, row))
                )
        elif case.wanted(row["class"]):
            found.append((_inside(case, row), 2, row["best"], _below(case, at, row, threshold)))
    found.sort(key=lambda one: (one[1], -one[2]))
    inside = [reason for there, _, _, reason in found if there]
    elsewhere = [reason for there, _, _, reason in found if not there]
    return [*_wrong_class_of_zone(case), *inside], elsewhere


def _inside(case: Case, row: Row, *, any_class: bool = False) -> bool:
    if not case.places:
        return not case.followed()
    fitting = [place for place in case.places if any_class or place.counts(row["class"])]
    return any(place.distance(row["box"]) <= 0 for place in fitting)


def _followed_then(case: Case, at: datetime, row: Row) -> bool:
    """Return whether what was not followed yet in one frame was in the next: so every track begins."""
    track = case.spec.track
    assert track is not None
    if row["best"] < max(track.new_confidence, track.high_confidence):
        return False
    return any(
        other["class"] == row["class"]
        and other["age"] <= _NEW_S
        and abs((when - at).total_seconds()) <= _NEW_S
        for when, other in case.window.rows("objects")
    )


def _not_followed(case: Case, at: datetime, row: Row) -> Reason:
    track = case.spec.track
    assert track is not None
    name, best, frames = row["class"], row["best"], row["n"]
    evidence = {"at": at.isoformat(), "class": name, "best": best, "frames": frames}
    begins = max(track.new_confidence, track.high_confidence)
    if best < begins:
        return Reason(
            "not_followed",
            f"a {name} was seen with a score of {best:.2f}, and a track begins at {begins:.2f}",
            f"lower `track.new_confidence` (and `track.high_confidence`) to {best:.2f}",
            evidence | {"needed": begins},
        )
    return Reason(
        "not_followed",
        f"a {name} was seen in {frames} frame{'s' * (frames != 1)} of a second, never {track.confirm_hits} "
        "times in a row, and so was not followed",
        "raise the camera's `fps`, or lower `track.confirm_hits` or `track.new_match_iou`",
        evidence | {"needed": track.confirm_hits},
    )


def _below(case: Case, at: datetime, row: Row, threshold: float) -> Reason:
    own = case.spec.detect is not None and case.spec.detect.confidence is not None
    where = "`detect.confidence`" if own else "the model's `confidence`"
    return Reason(
        "below_confidence",
        f"the best score of a {row['class']} was {row['best']:.2f}, and {threshold:.2f} is needed",
        f"lower {where} to {max(0.05, row['best'] - 0.02):.2f}, or take a better model",
        _evidence(at, row) | {"needed": threshold},
    )


def _wrong_class(case: Case, at: datetime, row: Row) -> Reason:
    wanted = None if case.spec.detect is None else case.spec.detect.classes
    only = "the model is to tell others alone" if wanted is None else f"only {', '.join(wanted)} is wanted"
    return Reason(
        "wrong_class",
        f"a {row['class']} was seen with a score of {row['best']:.2f}, and {only}",
        f"add {row['class']!r} to `detect.classes`, or to the model's `classes`",
        _evidence(at, row) | {"wanted": None if wanted is None else list(wanted)},
    )


def _wrong_class_of_zone(case: Case) -> Iterator[Reason]:
    """Say who stood in a zone that does not count them."""
    for place in case.places:
        for at, row in case.window.rows("objects"):
            if place.counts(row["class"]) or place.distance(row["box"]) > 0:
                continue
            classes = ", ".join(place.spec.classes or ())
            yield Reason(
                "wrong_class",
                f"{row['class']} {row['id']} was inside {place.name!r}, and only {classes} counts there",
                f"add {row['class']!r} to `zones.{place.name}.classes`",
                _evidence(at, row) | {"zone": place.name, "object": row["id"]},
            )
            break


def _evidence(at: datetime, row: Row) -> dict[str, object]:
    return {"at": at.isoformat(), "class": row["class"], "best": row["best"], "box": row.get("box")}
