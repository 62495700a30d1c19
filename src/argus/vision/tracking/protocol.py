"""What a tracker is, and what it shows of the objects it follows."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame


class TrackState(IntEnum):
    """How a confirmed track stands."""

    TRACKED = 1
    """Seen in the latest frame."""
    LOST = 2
    """Not seen in the latest frame; where it would be is a prediction."""


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth for ==
class Tracks:
    """The confirmed tracks that are alive after a frame: N objects, the oldest first. Copies, not views."""

    id: NDArray[np.int64]
    """(N,) ids from 1 on, never used twice by one tracker."""
    class_id: NDArray[np.int32]
    """(N,) class of the latest detection."""
    xyxy: NDArray[np.float32]
    """(N, 4) estimated corners in pixels; predicted for lost tracks, so they may leave the picture."""
    velocity: NDArray[np.float32]
    """(N, 2) estimated motion of the centre in x and y, in pixels per second."""
    confidence: NDArray[np.float32]
    """(N,) score of the latest detection."""
    first_seen_s: NDArray[np.float64]
    """(N,) time of the first detection, seconds of the stream's clock."""
    last_seen_s: NDArray[np.float64]
    """(N,) time of the latest detection, likewise."""
    hits: NDArray[np.int64]
    """(N,) how many detections the track has."""
    state: NDArray[np.int8]
    """(N,) values of `TrackState`."""

    def __len__(self) -> int:
        """Number of tracks."""
        return len(self.id)


class Tracker(Protocol):
    """Gives the objects of successive frames their ids. One per stream; used by one thread at a time.

    Ids begin at 1, are never used twice (not even after `reset`), and the same input gives the same ids.
    """

    def update(self, detections: Detections, time_s: float, frame: Frame | None = None) -> Detections:
        """Return all the detections given, in their order, with `track_id`.

        Args:
            detections: The objects of the next frame; boxes are finite.
            time_s: Presentation time of the frame in seconds; never decreases. A jump longer than a
                tracker waits for lost objects, in either direction, ends its tracks.
            frame: The picture, for trackers that look at it; asked for pixels only where they need them.

        Returns:
            The detections; `track_id` is 0 where an object belongs to no confirmed track (yet).

        Raises:
            ValueError: `time_s` is not finite.
        """
        ...

    @property
    def tracks(self) -> Tracks:
        """The confirmed tracks that are alive, lost ones included."""
        ...

    def reset(self) -> None:
        """Forget all tracks, as for a new scene; ids go on."""
        ...
