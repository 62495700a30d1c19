"""Who crosses the lines, and which way.

All lines and all objects of a frame at once. A crossing is the way from where an object was last
seen to where it is now, cut by the line: frames in between may be missing. It counts once the
object was seen beyond the line for `inertia` seconds, or is gone without having come back, so
one that trembles on the line crosses it once at most. Touching the line is not crossing it;
passing through one of its ends is.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal

import numpy as np
from numpy.typing import NDArray

from argus.core.resources.regions import LineSpec
from argus.vision.areas import ClassFilter, anchor_rows, relative_points
from argus.vision.objects import ObjectTable, Slots, widened
from argus.vision.zones import EPSILON_S

_ON_LINE: Final = 1e-9
"""Points nearer than this (relative, times the line's length) lie on the line, on neither side."""


@dataclass(frozen=True, slots=True)
class Crossing:
    """One object went over one line; both as numbers."""

    line: int
    slot: int
    direction: Literal["in", "out"]
    time_s: float
    """The moment on the line, between the two frames that saw it on either side."""


class Lines:
    """The lines of one camera, and on which side of them everybody is."""

    def __init__(self, specs: Mapping[str, LineSpec], width: int, height: int, capacity: int) -> None:
        """Make ready for pictures of this size and so many objects.

        Raises:
            SpecError: an end given in pixels lies outside the picture.
        """
        self.names = list(specs)
        ends = np.array(
            [relative_points(f"line {n}", s, (s.start, s.end), width, height) for n, s in specs.items()]
        ).reshape(-1, 2, 2)
        self._start_x, self._start_y = ends[:, 0, 0, None], ends[:, 0, 1, None]
        self._dx, self._dy = ends[:, 1, 0, None] - self._start_x, ends[:, 1, 1, None] - self._start_y
        self._anchor = anchor_rows(specs)
        self._filter = ClassFilter(specs)
        self._wanted = [spec.direction for spec in specs.values()]
        self._inertia_s = np.array([[spec.inertia - EPSILON_S] for spec in specs.values()])
        shape = (len(self.names), capacity)
        # Signed distances times the line's length: below 0 on the line's left hand, above 0 on its right.
        self._side: NDArray[np.float64] = np.zeros(shape)
        self._x: NDArray[np.float64] = np.zeros(shape)
        self._y: NDArray[np.float64] = np.zeros(shape)
        self._time_s: NDArray[np.float64] = np.zeros(shape)
        self._beyond: NDArray[np.int8] = np.zeros(shape, np.int8)
        self._beyond_since_s: NDArray[np.float64] = np.zeros(shape)
        self._crossed_s: NDArray[np.float64] = np.zeros(shape)

    def step(self, objects: ObjectTable, time_s: float) -> tuple[Crossing, ...]:
        """Take one frame and return the crossings that count from now on."""
        if self._side.shape[1] != objects.capacity:
            self._widen(objects.capacity)
        x, y = objects.x, objects.y[self._anchor]
        side = self._dx * (y - self._start_y) - self._dy * (x - self._start_x)
        off = objects.seen & (np.abs(side) > _ON_LINE)
        flipped = off & (side * self._side < 0)
        if flipped.any():
            self._flip(flipped, side, np.broadcast_to(x, side.shape), y, time_s)
        np.copyto(self._side, side, where=off)
        np.copyto(self._x, x, where=off)
        np.copyto(self._y, y, where=off)
        self._time_s[off] = time_s
        if not self._beyond.any():
            return ()
        settled = off & (self._beyond != 0)
        settled &= time_s - self._beyond_since_s >= self._inertia_s
        return self._crossings(settled, objects)

    def release(self, slots: Slots, objects: ObjectTable) -> tuple[Crossing, ...]:
        """Forget objects that are gone; return the crossings of those that did not come back."""
        who = np.zeros(self._side.shape, np.bool_)
        who[:, slots] = True
        crossings = self._crossings(who & (self._beyond != 0), objects)
        self._side[:, slots] = 0.0
        self._beyond[:, slots] = 0
        return crossings

    def _flip(
        self,
        flipped: NDArray[np.bool_],
        side: NDArray[np.float64],
        x: NDArray[np.float64],
        y: NDArray[np.float64],
        time_s: float,
    ) -> None:
        """Note who came to the other side: through the line, around its end, or back again."""
        at = np.nonzero(flipped)
        before, after = self._side[at], side[at]
        part = before / (before - after)  # of the way, where it meets the line's straight
        hit_x = self._x[at] + part * (x[at] - self._x[at])
        hit_y = self._y[at] + part * (y[at] - self._y[at])
        line = at[0]
        dx, dy = self._dx[line, 0], self._dy[line, 0]
        along = (hit_x - self._start_x[line, 0]) * dx + (hit_y - self._start_y[line, 0]) * dy
        along /= dx * dx + dy * dy
        through = (along >= -_ON_LINE) & (along <= 1 + _ON_LINE)
        through &= self._beyond[at] == 0  # whoever was beyond and flips again is back where it came from
        self._beyond[at] = np.where(through, np.sign(after), 0).astype(np.int8)
        self._beyond_since_s[at] = time_s
        self._crossed_s[at] = self._time_s[at] + part * (time_s - self._time_s[at])

    def _crossings(self, settled: NDArray[np.bool_], objects: ObjectTable) -> tuple[Crossing, ...]:
        found = []
        for line, slot in np.argwhere(settled).tolist():
            direction: Literal["in", "out"] = "in" if self._beyond[line, slot] > 0 else "out"
            if self._wanted[line] in {"both", direction} and self._counts(line, slot, objects):
                found.append(Crossing(line, slot, direction, float(self._crossed_s[line, slot])))
        self._beyond[settled] = 0
        return tuple(found)

    def _counts(self, line: int, slot: int, objects: ObjectTable) -> bool:
        allowed = self._filter.allowed(objects.vocabulary.names, objects.class_number[slot : slot + 1])
        return allowed is None or bool(allowed[line, 0])

    def _widen(self, capacity: int) -> None:
        for name in ("_side", "_x", "_y", "_time_s", "_beyond", "_beyond_since_s", "_crossed_s"):
            setattr(self, name, widened(getattr(self, name), capacity, 0))
