"""An inference under way: the frames it looks at, and whether what it saw is there."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from argus.core.detections import Detections
from argus.vision.engine.feed import Taken
from argus.vision.models.protocols import Pending

if TYPE_CHECKING:
    from argus.vision.engine.lane import Member


@dataclass(frozen=True, slots=True)
class Done:
    """A result that is there already."""

    detections: list[Detections]

    def result(self) -> list[Detections]:
        """Return it."""
        return self.detections


@dataclass(frozen=True, slots=True)
class Flight:
    """Frames of one batch, with whom they are of, and what is made of them."""

    taken: tuple[tuple[Member, Taken], ...]
    pending: Pending[list[Detections]]
    began_s: float

    def ready(self, timeout_s: float) -> bool:
        """Wait so long at most; return whether it has landed, or can be waited for in no other way."""
        # Not `isinstance(pending, Waitable)`, which costs more than all the rest.
        ready = cast("Callable[[float], bool] | None", getattr(self.pending, "ready", None))
        try:
            return ready is None or ready(timeout_s)
        except Exception:  # noqa: BLE001 - a plug-in's, or something else of that name: its result says what is wrong
            return True


def frames_of(flights: Sequence[Flight]) -> list[Taken]:
    """Return the frames that are under way."""
    return [taken for flight in flights for _, taken in flight.taken]
