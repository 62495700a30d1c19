"""What is to be told of one camera: the values that a grid's picture and its page are made from."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from argus.core.frame import Image
from argus.core.resources.camera import CameraState
from argus.core.resources.regions import Severity
from argus.core.urls import mask_urls


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth for ==
class Tile:
    """One camera as it is now. Passwords in addresses are masked in every text."""

    name: str
    picture: Image | None = None
    """(H, W, 3) BGR of any size, drawn on already; not to be changed afterwards, for the same array again is
    taken for the same picture. None: there was none yet."""
    state: CameraState = "connecting"
    reason: str = ""
    """Why it is in that state, in a few words."""
    fps: float | None = None
    """Pictures per second that are looked at; None: not known."""
    age_s: float | None = None
    """Seconds since the picture that is shown arrived; None: it does not age, or there is none."""
    objects: int | None = None
    """Objects in the picture; None: nothing looks for any."""
    note: str = ""
    """What else is to be known, such as `gated` or `degraded: 5 fps`."""
    alert: Severity | None = None
    """Severity of an alert that is to be shown now."""
    for_s: float | None = None
    """Seconds that it has been in its state; None: not known."""

    def __post_init__(self) -> None:
        for field in ("name", "reason", "note"):
            object.__setattr__(self, field, mask_urls(getattr(self, field)))


def grid_status(tiles: Sequence[Tile]) -> dict[str, Any]:
    """Return what the page's table shows, ready for JSON.

    `{"cameras": [{"name", "state", "reason", "fps", "age_s", "objects", "note", "alert", "for_s"}, …]}`,
    in the order given, null where a value is not known.
    """
    return {
        "cameras": [
            {
                "name": tile.name,
                "state": tile.state,
                "reason": tile.reason,
                "fps": _finite(tile.fps),
                "age_s": _finite(tile.age_s),
                "objects": tile.objects,
                "note": tile.note,
                "alert": tile.alert,
                "for_s": _finite(tile.for_s),
            }
            for tile in tiles
        ]
    }


def span(seconds: float) -> str:
    """Return a length of time for a glance: `0.4 s`, `12 s`, `3 min`, `5 h`, `2 d`."""
    seconds = max(0.0, seconds)
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    for limit, unit, name in ((60, 1, "s"), (3600, 60, "min"), (172_800, 3600, "h")):
        if round(seconds / unit) * unit < limit:
            return f"{round(seconds / unit)} {name}"
    return f"{round(seconds / 86_400)} d"


def _finite(value: float | None) -> float | None:
    return round(value, 3) if value is not None and math.isfinite(value) else None
