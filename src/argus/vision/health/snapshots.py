"""Small pictures of a camera from before and after its state changed.

One good picture is kept per camera and renewed every few seconds; nothing here looks at what it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from argus.core.frame import Frame, Image
from argus.core.resources.pipeline import EventType

LONGEST_SIDE: Final = 480
_RENEWED_S: Final = 10.0


@dataclass(frozen=True, slots=True, eq=False)
class HealthPicture:
    """What a camera showed before and after something happened to it."""

    event_id: str
    type: EventType
    before: Image | None
    """The last good picture, (H, W, 3) BGR, at most 480 pixels on its longer side; None if there is none."""
    after: Image | None
    """The picture when the event was told, likewise; None where none came, as for a lost camera."""
    time_s: float
    """When it was told, in seconds of the events' clock."""
    at: datetime
    """The same as wall-clock time, UTC."""


class LastGood:
    """The last good picture of a camera."""

    def __init__(self) -> None:
        """Begin without one."""
        self.picture: Image | None = None
        self._taken_s = 0.0

    def offer(self, frame: Frame, now_s: float) -> None:
        """Keep a good frame's picture if the one at hand has become old."""
        if self.picture is None or now_s - self._taken_s >= _RENEWED_S:
            self.picture, self._taken_s = small_picture(frame), now_s


def small_picture(frame: Frame) -> Image:
    """Return the frame as (H, W, 3) BGR of at most `LONGEST_SIDE` pixels on its longer side."""
    scale = min(1.0, LONGEST_SIDE / max(frame.width, frame.height))
    return frame.resized(max(round(frame.width * scale), 1), max(round(frame.height * scale), 1), "bgr")
