"""What an engine is, and what a network says of itself before anything is run.

An engine takes pictures as they are, (B, H, W, 3) `uint8`, and does the arithmetic that the
network expects (scale, mean, order of the axes) wherever that is cheapest: OpenVINO inside its
graph, ONNX Runtime in a table look-up. How a picture gets onto its canvas is `preparation`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

Arrays = list[NDArray[Any]]
"""One array per output of a network, in the order of its signature."""


@dataclass(frozen=True, slots=True)
class Port:
    """One input or output of a network."""

    name: str
    shape: tuple[int | None, ...]
    """Sizes of the axes; None where any size will do."""
    dtype: str
    """`float32`, `float16`, `uint8`, `int64` ..."""

    def __str__(self) -> str:
        """Return `name [1, 3, 640, 640] float32`, as messages show it."""
        return f"{self.name} [{', '.join('?' if n is None else str(n) for n in self.shape)}] {self.dtype}"


@dataclass(frozen=True, slots=True)
class Signature:
    """What a network takes and gives, as its file says."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    metadata: Mapping[str, str] = field(default_factory=dict)
    quantised: Literal["no", "static", "dynamic"] = "no"
    """Whether the file computes in 8-bit integers: by fixed scales, or by scales made for each picture."""

    def __str__(self) -> str:
        """Return the ports in words, for messages."""
        return (
            f"inputs: {'; '.join(map(str, self.inputs)) or 'none'}; "
            f"outputs: {'; '.join(map(str, self.outputs)) or 'none'}"
        )


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """How the values 0..255 of a picture become what the network was trained on: (value - mean) / std."""

    mean: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Per channel, in the order of the canvas."""
    std: tuple[float, float, float] = (255.0, 255.0, 255.0)


@dataclass(frozen=True, slots=True)
class ScoreRows:
    """Where an output (B, channels, N) holds the class scores of N proposals."""

    output: int
    """Index of the output in the signature."""
    first: int
    """Channel of the first class."""
    classes: int


@dataclass(frozen=True, slots=True)
class RunOptions:
    """How a network is to be run."""

    device: str
    precision: str
    """`f32`, `bf16`, `f16`; `int8` for a quantised file, which runs as it is."""
    arithmetic: Arithmetic
    canvas: tuple[int, int, int] | None
    """(B, H, W) of every inference; None where they differ from call to call."""
    threads: int | None = None
    streams: int | None = None
    """Inferences that run at once; None: as many as give most per second."""
    best_of: ScoreRows | None = None
    """Whose best score (B, N) the engine may give as one output more, behind those of the signature. It does
    so where that costs it nothing; whoever reads them works it out otherwise."""


class Request(Protocol):
    """Room for one inference at a time, reused for the next. Not to be shared without `SlotPool`."""

    def pictures(self, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
        """Return the (B, H, W, 3) canvas to draw on; it holds whatever was drawn last."""
        ...

    def start(self, extras: Mapping[str, NDArray[Any]]) -> None:
        """Begin the inference on the canvas. `extras` are the inputs besides the picture, by name."""
        ...

    def ready(self, timeout_s: float) -> bool:
        """Wait so long at most; return whether `wait` would return, or raise, at once."""
        ...

    def wait(self) -> Arrays:
        """Return the outputs; they are valid until the next `start`.

        Raises:
            ModelUnavailable: the engine failed at it.
        """
        ...


class Slot(Protocol):
    """One use of a request: draw on `pictures`, `start`, read `outputs`, `release`."""

    @property
    def pictures(self) -> NDArray[np.uint8]:
        """The (B, H, W, 3) canvas; draw on it before `start` only."""
        ...

    def start(self, extras: Mapping[str, NDArray[Any]] | None = None) -> None:
        """Begin the inference."""
        ...

    def ready(self, timeout_s: float) -> bool:
        """Wait so long at most; return whether `outputs` would return, or raise, at once."""
        ...

    def outputs(self) -> Arrays:
        """Wait for the outputs; they are valid until `release`.

        Raises:
            ModelUnavailable: the engine failed at it.
        """
        ...

    def release(self) -> None:
        """Give the room back; idempotent."""
        ...


class Network(Protocol):
    """A network that is ready to run. Safe to use from several threads."""

    @property
    def depth(self) -> int:
        """How many inferences in flight keep the engine busy."""
        ...

    @property
    def description(self) -> str:
        """Engine, precision and device in words."""
        ...

    def acquire(self, shape: tuple[int, int, int]) -> Slot:
        """Return room for one inference on a (B, H, W, 3) canvas; waits while all of it is in use.

        Raises:
            ModelUnavailable: the network was closed.
        """
        ...

    def close(self) -> None:
        """Free the engine; idempotent."""
        ...


def infer(
    network: Network, pictures: NDArray[np.uint8], extras: Mapping[str, NDArray[Any]] | None = None
) -> Arrays:
    """Return copies of the outputs for a (B, H, W, 3) batch of pictures that fit the network already."""
    batch, height, width, _ = pictures.shape
    slot = network.acquire((batch, height, width))
    try:
        slot.pictures[...] = pictures
        slot.start(extras)
        return [np.array(output) for output in slot.outputs()]
    finally:
        slot.release()
