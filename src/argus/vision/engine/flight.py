"""Inferences under way: the frames they look at, whether they are done, and how many there shall be."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

from argus.core.detections import Detections
from argus.vision.engine.feed import Feed, Taken
from argus.vision.models.protocols import Pending

if TYPE_CHECKING:
    from argus.vision.engine.lane import Lane

_IDLE: Final = 0.03
"""Part of an inference for which the engine may stand idle between two."""
_MOMENT: Final = 0.05
"""Part of an inference for which a frame that comes may wait for a lane that waits for a result."""
_MOMENT_S: Final = (0.001, 0.01)
"""The least and the most of that, in seconds."""
_SMOOTHING: Final = 0.2


class Member(Protocol):
    """A pipeline that is looked at by a lane."""

    @property
    def feed(self) -> Feed:
        """Where its frames wait."""
        ...

    @property
    def max_age_s(self) -> float | None:
        """Its freshness budget."""
        ...

    def consume(self, taken: Taken, detections: Detections, lane: Lane, inferred_s: float) -> bool:
        """Take what the model saw in one frame, in order; return whether it could. Raises nothing."""
        ...


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

    def seen(self) -> list[Detections]:
        """Wait until it has landed; return what it saw, one answer per frame.

        Raises:
            ModelUnavailable: the engine failed.
            ValueError: there are more answers than frames, or fewer.
            Exception: whatever else a model raises.
        """
        seen = self.pending.result()
        if len(seen) != len(self.taken):
            raise ValueError(f"{len(seen)} answers for {len(self.taken)} frames")
        return seen


def frames_of(flights: Sequence[Flight]) -> list[Taken]:
    """Return the frames that are under way."""
    return [taken for flight in flights for _, taken in flight.taken]


@dataclass(slots=True)
class Room:
    """How many inferences of live frames one lane shall have under way, by what it spends around each."""

    depth: int
    """How many keep the engine busy whatever happens: one of them waits for its turn while the others run."""
    between_s: float = 0.0
    """What the lane spends on a batch besides, smoothed: drawing it and handing on its results."""
    _prepared_s: float = 0.0

    def at_once(self, inference_s: float) -> int:
        """Return how many shall be under way.

        The frames of one that waits for its turn grow old, and newer ones would do as well: so it is worth it
        only where the engine would stand idle for long between two.

        Args:
            inference_s: The time between the ends of two.
        """
        others = self.depth - 1
        # With several under way one lands each `inference_s`, so each takes as long as all of them together.
        spare = self.between_s > _IDLE * others * inference_s
        return max(1, self.depth if spare else others)

    def prepared(self, took_s: float) -> None:
        """Hear how long a batch was drawn."""
        self._prepared_s = took_s

    def handed_on(self, took_s: float) -> None:
        """Hear how long it took to hand on what a batch showed."""
        now_s = self._prepared_s + took_s
        known_s = self.between_s or now_s
        self.between_s = known_s + _SMOOTHING * (now_s - known_s)


def moment_s(inference_s: float) -> float:
    """Return for how long a result may be waited for while there is room for another inference."""
    least_s, most_s = _MOMENT_S
    return min(max(_MOMENT * inference_s, least_s), most_s)
