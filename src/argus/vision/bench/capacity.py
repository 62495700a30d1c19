"""How many cameras a machine holds, and what runs out first: decisions over figures that others measure.

The figures come from `capacity_measure`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal

Saturated = Literal["inference", "decode", "memory", "nothing"]

_BUSY: Final = 0.9
"""Part of the time with an inference under way from which a model counts as used up."""
_USED_UP: Final = 0.9
"""Part of the cores in use from which the processor counts as used up."""
_SPARED: Final = 0.1
"""Part of the free memory that no camera may have."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What must hold for all cameras together."""

    age_s: float = 0.2
    """Seconds from a frame's arrival to its result that 95 of 100 frames may take."""
    share: float = 0.95
    """Part of the wanted frames that must be looked at."""


@dataclass(frozen=True, slots=True)
class Load:
    """What so many cameras made of the machine, measured over some seconds."""

    cameras: int
    looked_share: float
    """Part of the wanted frames that were looked at."""
    p95_age_s: float
    """Seconds from arrival to result; infinite where nothing was looked at."""
    busy: float
    """Part of the time in which an inference was under way."""
    cores: float
    """Processor seconds of this process per second."""
    other_cores: float
    """The same of all others that share its processors, or its container's quota."""
    rss_bytes: int
    """Memory of this process."""

    def holds(self, goal: Goal) -> bool:
        """Return whether it reaches the goal."""
        return self.looked_share >= goal.share and self.p95_age_s <= goal.age_s


@dataclass(frozen=True, slots=True)
class Alone:
    """What each part can do with the machine to itself, at the rate of one camera."""

    fps: float
    """Wanted frames per second of one camera."""
    decode_s: float
    """Processor seconds to decode, on average, what one wanted frame needs."""
    inference_fps: float
    """Frames per second that the model looks at."""
    cores: float
    """Cores that this process may use; a part of one, too, in a container."""
    free_bytes: int
    """Memory that may still be taken."""

    @property
    def decode_cameras(self) -> int:
        """Cameras that could be decoded if nothing else had to be done."""
        return math.floor(self.cores / (self.decode_s * self.fps)) if self.decode_s > 0 else 10**6

    @property
    def inference_cameras(self) -> int:
        """Cameras that the model could look at if nothing else had to be done."""
        return math.floor(self.inference_fps / self.fps)


@dataclass(frozen=True, slots=True)
class Capacity:
    """The answer."""

    cameras: int
    """That the machine holds."""
    at_least: bool
    """True where more were not tried."""
    saturated: Saturated
    """What runs out first."""
    why: str
    """The same in words."""
    camera_bytes: int | None
    """Memory that one more camera takes; None where that cannot be told."""
    loads: tuple[Load, ...]
    """All that was measured, in the order in which it was."""

    def to_json(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "cameras": self.cameras,
            "at_least": self.at_least,
            "saturated": self.saturated,
            "why": self.why,
            "camera_mb": None if self.camera_bytes is None else round(self.camera_bytes / 1e6, 1),
            "steps": [
                asdict(load) | {"p95_age_s": load.p95_age_s if math.isfinite(load.p95_age_s) else None}
                for load in self.loads
            ],
        }


def find_capacity(measure: Callable[[int], Load], goal: Goal, alone: Alone, most: int) -> Capacity:
    """Return how many cameras reach the goal: doubled until they do not, then halved in between.

    Args:
        measure: Puts so many cameras to work and says how it goes. Asked once more where the goal is
            missed, for other programs can spoil a measurement, and never make one too good.
        goal: What must hold.
        alone: What each part can do.
        most: Cameras to try at most.
    """
    loads: list[Load] = []

    def holds(cameras: int) -> bool:
        for _ in range(2):
            loads.append(measure(cameras))
            if loads[-1].holds(goal):
                return True
        return False

    good, bad, tried = 0, most + 1, 1
    while good + 1 < bad:
        room = memory_room(loads, alone)
        if room is not None and room <= good:
            break
        tried = tried if room is None else min(tried, room)
        if holds(tried):
            good = tried
        else:
            bad = tried
        tried = min(2 * good, most) if bad > most else (good + bad) // 2
    room = memory_room(loads, alone)
    full = bad > most
    saturated, why = judge(loads, goal, alone)
    if full and good < most and room is not None:
        saturated, why = "memory", f"the next camera's memory is not there: room for {room}"
        full = False
    return Capacity(good, full, saturated, why, camera_bytes(loads), tuple(loads))


def memory_room(loads: list[Load], alone: Alone) -> int | None:
    """Return how many cameras the memory holds, a tenth of it spared; None where that cannot be told yet."""
    each = camera_bytes(loads)
    if each is None or each <= 0:
        return None
    first = min(loads, key=lambda load: load.cameras)
    return first.cameras + math.floor((1 - _SPARED) * alone.free_bytes / each)


def camera_bytes(loads: list[Load]) -> int | None:
    """Return the memory of one more camera: from the first step to the largest, while steps grew."""
    grown: list[Load] = []
    for load in loads:  # after the first step back, memory was not given back
        if grown and load.cameras < grown[-1].cameras:
            break
        grown.append(load)
    if len(grown) < 2 or grown[-1].cameras == grown[0].cameras:
        return None
    return max(0, grown[-1].rss_bytes - grown[0].rss_bytes) // (grown[-1].cameras - grown[0].cameras)


def judge(loads: list[Load], goal: Goal, alone: Alone) -> tuple[Saturated, str]:
    """Return what ran out at the smallest number of cameras that missed the goal, and how that is seen."""
    missed = [load for load in loads if not load.holds(goal)]
    good = {load.cameras for load in loads if load.holds(goal)}
    missed = [load for load in missed if load.cameras not in good]
    if not missed:
        return "nothing", "the goal was reached with as many cameras as were tried"
    load = min(missed, key=lambda load: load.cameras)
    # Of several measurements, the one that others disturbed least.
    load = min((one for one in missed if one.cameras == load.cameras), key=lambda one: one.other_cores)
    at = f"with {load.cameras} camera{'s' if load.cameras > 1 else ''}"
    used = f"{load.cores:.1f} of {alone.cores:g} core{'s' if alone.cores > 1 else ''} in use"
    others = f", {load.other_cores:.1f} more by other programs" if load.other_cores >= 0.1 else ""
    if load.other_cores > alone.cores / 2:
        taken = f"{load.other_cores:.1f} of {alone.cores:g} cores"
        return "nothing", f"{at} other programs took {taken}: end them"
    if load.busy > _BUSY:
        return "inference", f"{at} the model is busy {load.busy:.0%} of the time ({used}{others})"
    if load.cores + load.other_cores >= _USED_UP * alone.cores:
        decoding = load.cameras * alone.fps * alone.decode_s
        saturated: Saturated = "decode" if decoding >= load.cores / 2 else "inference"
        busy = f"the model is busy {load.busy:.0%} of the time"
        return saturated, f"{at} {used}{others}: {decoding:.1f} by decoding, and {busy}"
    late = load.p95_age_s > goal.age_s
    fact = "results are too old" if late else f"only {load.looked_share:.0%} of the frames are looked at"
    return "nothing", f"{at} {fact}, though the model is busy {load.busy:.0%} of the time with {used}{others}"
