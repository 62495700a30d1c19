"""Reasons before anything was seen: no worker, no frame, or frames that nobody looked at."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from argus.vision.explain_case import Case, Reason

_SILENT: Final = frozenset({"lost", "frozen", "connecting"})
"""States in which nothing new is to be seen."""
_MOST: Final = 0.5
"""Part of the seconds that must be without a look, for that to be what mattered."""


def blind(case: Case) -> bool:
    """Return whether most of the time nothing could be seen, or nothing was looked at."""
    window = case.window
    without = {at for at, _ in (*window.silent, *window.unseen)}
    ill = {at for at, data in window.seconds if _state(data) != "online"}
    if not ill and window.frames["processed"] and not window.unseen:
        return False  # a camera that gives a picture every few seconds
    return len(without | ill) > _MOST * len(window.seconds)


def no_trace(case: Case) -> Reason:
    """Nobody was there."""
    return Reason(
        "no_trace",
        "nothing was traced then: no worker was running this pipeline, or what it traced is no longer kept",
        "see `argus status` and the worker's log of that time; keep traces longer where they are too young",
        {"at": case.at.isoformat()},
    )


def broken(case: Case) -> Iterator[Reason]:
    """The pipeline itself had ended."""
    for at, data in case.window.seconds:
        if data.get("error"):
            yield Reason(
                "pipeline_failed",
                f"the pipeline had failed: {data['error']}",
                "remove the cause, then apply the pipeline again",
                {"at": at.isoformat()},
            )


def no_frame(case: Case) -> Iterator[Reason]:
    """The camera gave nothing new to look at, or nothing that shows much."""
    silent, seconds = case.window.silent, case.window.seconds
    ill = [(at, data) for at, data in seconds if _state(data) != "online"]
    if not silent and not ill:
        return
    given_up = [(at, data) for at, data in ill if _state(data) == "failed"]
    at, data = (given_up or ill or silent)[0]
    state = _state(data)
    reason = (data.get("camera") or {}).get("reason")
    if state == "ended":
        yield Reason(
            "ended",
            "the recording that is its camera was played to its end",
            "give the camera `loop: true` to play it again, or restart the worker with `argus restart`",
            {"at": at.isoformat(), "seconds": len(seconds)},
        )
        return
    if given_up:
        yield Reason(
            "given_up",
            f"no frame came {_part(silent, seconds)}; the camera was {reason or 'given up'}",
            "mend what keeps it away; `argus restart` of its worker, or a change of the camera, calls it "
            "again, and `max_retries: -1` never gives it up",
            {"at": at.isoformat(), "silentSeconds": len(silent), "seconds": len(seconds)},
        )
        return
    code = "no_frame" if silent or state in _SILENT else "camera_ill"
    was = f"the camera was {state}{f': {reason}' if reason else ''}"
    yield Reason(
        code,
        f"no frame came {_part(silent, seconds)}; {was}" if silent else was,
        "see `argus describe` of the camera, then its power, its network and its lens",
        {
            "at": at.isoformat(),
            "state": state,
            "silentSeconds": len(silent),
            "illSeconds": len(ill),
            "seconds": len(seconds),
        },
    )


def _part(silent: Sequence[object], seconds: Sequence[object]) -> str:
    """Return in how much of the time no frame came."""
    return "at all" if len(silent) == len(seconds) else f"in {len(silent)} of {len(seconds)} seconds"


def not_looked_at(case: Case) -> Iterator[Reason]:
    """Frames came, and no model saw them."""
    unseen, frames = case.window.unseen, case.window.frames
    if not unseen:
        return
    gated = frames["gated"]
    dropped = frames["dropped_stale"] + frames["dropped_full"]
    evidence = {"seconds": len(unseen), **{name: frames[name] for name in sorted(frames)}}
    if gated >= max(dropped, frames["corrupt"]):
        yield Reason(
            "gated",
            f"the motion gate held back {gated} frames, for nothing moved in them",
            "raise `motion_gate.sensitivity`, lower `motion_gate.look_every`, or leave the gate out",
            evidence,
        )
    elif dropped >= frames["corrupt"]:
        yield Reason(
            "dropped",
            f"{dropped} of {frames['decoded']} frames grew too old before the model had time for them",
            "take a lighter model, a lower `fps`, fewer cameras per worker, or a longer `max_age`",
            evidence,
        )
    else:
        yield Reason(
            "damaged",
            f"{frames['corrupt']} frames came damaged and could not be looked at",
            "check the camera's network; `transport: tcp` loses nothing",
            evidence,
        )


def _state(data: object) -> str:
    camera = data.get("camera") if isinstance(data, dict) else None
    return str((camera or {}).get("state") or "online")
