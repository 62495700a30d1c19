"""When a crowd forms and disperses: at least N objects at once, for some time.

Numbers and seconds only: who is counted is found by `CrowdAreas`, when it counts by `Gathering`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.geometry import anchor_points
from argus.core.resources.regions import CrowdSpec
from argus.vision.areas import Areas, ClassFilter, anchor_rows, relative_points
from argus.vision.objects import ANCHORS, ObjectTable, Vocabulary
from argus.vision.zones import EPSILON_S

DIP_S: Final = 0.5
"""A detector loses somebody now and then: a count that is too low for less than this still holds."""

GatheringChange = Literal["formed", "grown", "dispersed"]


class Gathering:
    """One crowd rule's memory."""

    def __init__(self, spec: CrowdSpec, gap_s: float) -> None:
        """Begin without a crowd; frames further apart than `gap_s` say nothing of the time between."""
        self._spec = spec
        self._gap_s = gap_s
        self.formed = False
        self.since_s: float | None = None
        """When the count was first reached; None while it is not."""
        self.last_s = 0.0
        """When it was last reached."""
        self.most = 0
        """The most objects at once since then."""

    def step(self, count: int, time_s: float) -> GatheringChange | None:
        """Take one frame's count."""
        enough = count >= self._spec.count
        silence_s = time_s - self.last_s
        if self.formed:
            over_s = self._spec.dispersed_after
            if (not enough and silence_s >= over_s - EPSILON_S) or silence_s > max(self._gap_s, over_s):
                self.formed, self.since_s = False, None
                return "dispersed"
            if enough:
                self.last_s = time_s
            if count > self.most:
                self.most = count
                return "grown"
            return None
        if not enough:
            if self.since_s is not None and silence_s > DIP_S:
                self.since_s = None
            return None
        if self.since_s is None or silence_s > self._gap_s:
            self.since_s, self.most = time_s, 0
        self.last_s, self.most = time_s, max(self.most, count)
        if time_s - self.since_s >= self._spec.formed_after - EPSILON_S:
            self.formed = True
            return "formed"
        return None


@dataclass(frozen=True, slots=True, eq=False)
class Counted:
    """Who stands in the crowds' areas in one frame."""

    inside: NDArray[np.bool_]
    """(C, N) whether object n counts for crowd c."""
    xyxy: NDArray[np.float32]
    """(N, 4) boxes in pixels."""

    def around(self, crowd: int) -> tuple[float, float, float, float] | None:
        """Return the box around all members, in pixels; None if there are none."""
        members = self.xyxy[self.inside[crowd]]
        if not len(members):
            return None
        x1, y1 = members[:, :2].min(axis=0).tolist()
        x2, y2 = members[:, 2:].max(axis=0).tolist()
        return x1, y1, x2, y2


class CrowdAreas:
    """Where the crowds of one camera are counted."""

    def __init__(self, specs: Mapping[str, CrowdSpec], width: int, height: int) -> None:
        """Make ready for pictures of this size.

        Raises:
            SpecError: a corner given in pixels lies outside the picture.
        """
        self._areas = Areas(
            [
                None if c.polygon is None else relative_points(f"crowd {n}", c, c.polygon, width, height)
                for n, c in specs.items()
            ]
        )
        self._anchor = anchor_rows(specs)
        self._filter = ClassFilter(specs)
        self._vocabulary = Vocabulary()

    def tracked(self, objects: ObjectTable, time_s: float) -> Counted:
        """Count objects that were seen within `DIP_S`, where they were last seen."""
        there = time_s - objects.last_s <= DIP_S
        there &= objects.id > 0
        allowed = self._filter.allowed(objects.vocabulary.names, objects.class_number)
        asked = there if allowed is None else there & allowed
        return Counted(self._areas.inside(objects.x, objects.y[self._anchor], asked), objects.xyxy)

    def untracked(self, detections: Detections, width: int, height: int) -> Counted:
        """Count the detections of one frame, where nothing follows objects."""
        points = [anchor_points(detections.xyxy, anchor) / (width, height) for anchor in ANCHORS]
        y = np.stack([np.clip(p[:, 1], 0.0, 1.0) for p in points])
        x = np.clip(points[0][:, 0], 0.0, 1.0)
        numbers = self._vocabulary.numbers(detections.labels)[detections.class_id]
        allowed = self._filter.allowed(self._vocabulary.names, numbers)
        finite: NDArray[np.bool_] = np.atleast_1d(np.isfinite(detections.xyxy).all(axis=1))
        asked = finite if allowed is None else finite & allowed
        return Counted(self._areas.inside(x, y[self._anchor], asked), detections.xyxy)
