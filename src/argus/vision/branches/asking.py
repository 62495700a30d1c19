"""What is asked of a model about one picture, and what it says. Values; who runs models is `lane`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.branches.finding import Box

if TYPE_CHECKING:
    from argus.vision.branches.lane import Lane


@dataclass(frozen=True, slots=True)
class Named:
    """What a classifier thinks likeliest of one picture."""

    label: str
    confidence: float


Answer = Named | Detections | NDArray[np.float32]
"""What a classifier, a detector or an embedder says of one picture; boxes in pixels of the full frame."""


class Member(Protocol):
    """Who asks."""

    lane: Lane
    """Whom it asks now; set by that one."""


@dataclass(frozen=True, slots=True, eq=False)
class Request:
    """One picture to look at. Its pixels are cut out when its turn has come."""

    camera: str
    frame: Frame
    xyxy: Box | None
    """The box to look at; None: the whole frame."""
    margin: float
    answered: Callable[[Answer | None], None]
    """Called once, with None where there is no answer; mostly in the lane's thread, so it must be quick."""
    wanted: Callable[[], bool]
    """Asked when its turn has come; False: nobody waits for the answer any more."""
    member: Member | None = None
    """Who asks: the picture goes where that one has moved. None: it stays where it is."""
    tried: bool = False
    """True where a model was lost at it."""
