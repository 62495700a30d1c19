"""What a model can do, as protocols: anything with these methods is one.

What a caller may rely on: results come back in the order of the frames; a call disturbs no
other call; `close` may be called twice; after `close` every other call raises `ModelUnavailable`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame, Image

T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True, eq=False)
class Classification:
    """What a classifier says of one picture."""

    probabilities: NDArray[np.float32]
    """(C,) probabilities, one per label, summing to 1."""
    labels: tuple[str, ...]

    def top(self, k: int = 5) -> list[tuple[str, float]]:
        """Return the `k` likeliest labels with their probabilities, best first."""
        order = np.argsort(-self.probabilities, kind="stable")[:k]
        return [(self.labels[i], float(self.probabilities[i])) for i in order.tolist()]


class Pending(Protocol[T_co]):
    """Work that was handed to an engine and will be done."""

    def result(self) -> T_co:
        """Wait for the work and return what it gave.

        Raises:
            ModelUnavailable: the engine failed at it.
        """
        ...


@runtime_checkable
class Waitable(Pending[T_co], Protocol[T_co]):
    """Work that can be waited for without being stuck in it: with it, cameras keep all of an engine busy.

    Without it a lane that waits for a result takes no frame meanwhile.
    """

    def ready(self, timeout_s: float) -> bool:
        """Wait so long at most; return whether `result` would return, or raise, at once."""
        ...


class Model(Protocol):
    """What every model has."""

    @property
    def name(self) -> str:
        """The name shown to people."""
        ...

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, by class id."""
        ...

    def close(self) -> None:
        """Free the engine; idempotent."""
        ...


class Detector(Model, Protocol):
    """Finds objects in frames."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` per frame, in the order given; boxes in pixels of the full frame.

        Raises:
            ModelUnavailable: the engine failed; the same call may work later.
        """
        ...


@runtime_checkable
class AsyncDetector(Detector, Protocol):
    """A detector that works while the caller goes on."""

    @property
    def depth(self) -> int:
        """How many submissions in flight keep the engine busy."""
        ...

    def submit(self, frames: Sequence[Frame]) -> Pending[list[Detections]]:
        """Prepare the frames, start the inference and return at once.

        Submissions may be started from any thread and waited for in any order. Blocks only while
        every slot of the engine is taken.
        """
        ...


class Segmenter(Detector, Protocol):
    """A detector whose detections carry masks."""


class Classifier(Model, Protocol):
    """Says what a picture, or the crop of one, shows."""

    def classify(self, pictures: Sequence[Image]) -> list[Classification]:
        """Return one `Classification` per (H, W, 3) BGR picture."""
        ...


class Embedder(Model, Protocol):
    """Turns the crop of an object into a vector that is near for the same object (re-identification)."""

    def embed(self, pictures: Sequence[Image]) -> NDArray[np.float32]:
        """Return (N, D) unit vectors, one per (H, W, 3) BGR crop."""
        ...
