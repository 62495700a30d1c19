"""Who enters, stays in and leaves the zones: visits, in seconds of the stream's clock.

All zones and all objects of a frame at once. A visit starts when its object was first inside and
ends when it was last inside; it counts once `enter_after` has passed and is over once the object
was outside for `exit_after`, or is gone. What is told of it is decided in `rules`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from argus.core.resources.regions import ZoneSpec
from argus.vision.areas import Areas, ClassFilter, anchor_rows, relative_points
from argus.vision.objects import ObjectTable, Slots, widened

EPSILON_S: Final = 1e-6
"""Times of frames are sums of floats: 0.2 s may read 0.19999."""


@dataclass(frozen=True, slots=True)
class Visit:
    """One stay of one object in one zone; zone and object as numbers."""

    zone: int
    slot: int
    start_s: float
    """When the object was first inside."""
    last_s: float
    """When it was last inside."""


@dataclass(frozen=True, slots=True)
class ZoneChanges:
    """What one frame changed, in order of zone and slot."""

    entered: tuple[Visit, ...] = ()
    dwelled: tuple[Visit, ...] = ()
    exited: tuple[Visit, ...] = ()


_NOTHING: Final = ZoneChanges()


class Zones:
    """The visits of all zones of one camera."""

    def __init__(self, specs: Mapping[str, ZoneSpec], width: int, height: int, capacity: int) -> None:
        """Make ready for pictures of this size and so many objects.

        Raises:
            SpecError: a corner given in pixels lies outside the picture.
        """
        self.names = list(specs)
        self._areas = Areas(
            [relative_points(f"zone {n}", z, z.polygon, width, height) for n, z in specs.items()]
        )
        self._anchor = anchor_rows(specs)
        self._filter = ClassFilter(specs)
        zones = specs.values()
        self._enter_s = np.array([[z.enter_after - EPSILON_S] for z in zones])
        self._exit_s = np.array([[z.exit_after - EPSILON_S] for z in zones])
        self._dwell_s = np.array([[np.inf if z.dwell is None else z.dwell - EPSILON_S] for z in zones])
        shape = (len(self.names), capacity)
        self.open: NDArray[np.bool_] = np.zeros(shape, np.bool_)
        """(Z, S) whether a visit that counts is going on."""
        self.first_s: NDArray[np.float64] = np.full(shape, np.inf)
        """(Z, S) since when each object is inside; infinite where it is not, nor was just now."""
        self.last_s: NDArray[np.float64] = np.full(shape, -np.inf)
        """(Z, S) when it was last inside."""
        self._out_s: NDArray[np.float64] = np.full(shape, np.inf)
        self._dwelled: NDArray[np.bool_] = np.zeros(shape, np.bool_)

    def counts(self) -> dict[str, int]:
        """Return how many objects are inside each zone: visits that count, not outside just now."""
        inside = np.count_nonzero(self.open & np.isinf(self._out_s), axis=1)
        return dict(zip(self.names, inside.tolist(), strict=True))

    def step(self, objects: ObjectTable, time_s: float) -> ZoneChanges:
        """Take one frame. An object that is not seen in it keeps its state."""
        if self.open.shape[1] != objects.capacity:
            self._widen(objects.capacity)
        seen = objects.seen
        allowed = self._filter.allowed(objects.vocabulary.names, objects.class_number)
        asked = seen if allowed is None else seen & allowed
        inside = self._areas.inside(objects.x, objects.y[self._anchor], asked)
        outside = seen & ~inside

        begun = inside & (self.first_s == np.inf)
        self.first_s[begun] = time_s
        self.last_s[inside] = time_s
        self._out_s[inside] = np.inf
        self.first_s[outside & ~self.open] = np.inf  # it only brushed the edge
        left = outside & self.open
        left &= self._out_s == np.inf
        self._out_s[left] = time_s

        entered = inside & ~self.open
        entered &= time_s - self.first_s >= self._enter_s
        self.open |= entered
        dwelled = self.open & ~self._dwelled
        dwelled &= self.last_s - self.first_s >= self._dwell_s
        exited = time_s - self._out_s >= self._exit_s
        if not (entered.any() or dwelled.any() or exited.any()):
            return _NOTHING
        self._dwelled |= dwelled
        changes = ZoneChanges(self._visits(entered), self._visits(dwelled), self._visits(exited))
        self._forget(exited)
        return changes

    def release(self, slots: Slots) -> tuple[Visit, ...]:
        """End the visits of objects that are gone and return those that counted."""
        who = np.zeros(self.open.shape, np.bool_)
        who[:, slots] = True
        visits = self._visits(who & self.open)
        self._forget(who)
        return visits

    def _visits(self, which: NDArray[np.bool_]) -> tuple[Visit, ...]:
        return tuple(
            Visit(zone, slot, float(self.first_s[zone, slot]), float(self.last_s[zone, slot]))
            for zone, slot in np.argwhere(which).tolist()
        )

    def _forget(self, which: NDArray[np.bool_]) -> None:
        self.open[which] = False
        self._dwelled[which] = False
        self.first_s[which] = np.inf
        self.last_s[which] = -np.inf
        self._out_s[which] = np.inf

    def _widen(self, capacity: int) -> None:
        self.open = widened(self.open, capacity, False)
        self._dwelled = widened(self._dwelled, capacity, False)
        self.first_s = widened(self.first_s, capacity, np.inf)
        self.last_s = widened(self.last_s, capacity, -np.inf)
        self._out_s = widened(self._out_s, capacity, np.inf)
