"""What a layout is: how one family of networks wants its pictures and how its outputs are read."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.crops import CropPreparation
from argus.vision.models.engines.protocol import Arrays, Port, ScoreRows, Signature
from argus.vision.models.preparation import Geometry, Preparation

DetectTask = Literal["detect", "segment"]


@dataclass(frozen=True, slots=True, eq=False)
class Candidates:
    """What a network proposes for one picture, before doubles are removed."""

    xyxy: NDArray[np.float32]
    """(N, 4) corners in pixels of the canvas."""
    confidence: NDArray[np.float32]
    """(N,) scores, all above the asked one."""
    class_id: NDArray[np.int32]
    """(N,) classes."""
    not_finite: int = 0
    """How many proposals were left out because they were NaN or infinite."""
    coefficients: NDArray[np.float32] | None = None
    """(N, K) weights of the prototypes, for masks."""
    prototypes: NDArray[np.float32] | None = None
    """(K, h, w) what masks are mixed from, over the whole canvas."""

    def take(self, index: NDArray[Any]) -> Candidates:
        """Return the candidates at `index`."""
        coefficients = None if self.coefficients is None else self.coefficients[index]
        return Candidates(
            self.xyxy[index],
            self.confidence[index],
            self.class_id[index],
            self.not_finite,
            coefficients,
            self.prototypes,
        )


class BoxLayout(Protocol):
    """How a detector or a segmenter is read."""

    @property
    def name(self) -> str:
        """What `layout:` calls it."""
        ...

    @property
    def task(self) -> DetectTask:
        """What it gives."""
        ...

    @property
    def preparation(self) -> Preparation:
        """What it wants to see."""
        ...

    @property
    def classes(self) -> int:
        """How many classes it knows."""
        ...

    @property
    def has_doubles(self) -> bool:
        """True where one object may be proposed several times, so that NMS is needed."""
        ...

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return the inputs besides the pictures, by name."""
        ...

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return what stands above `confidence` in the outputs of one picture, their batch axis removed."""
        ...


@runtime_checkable
class Scored(Protocol):
    """A layout that can do with an output more, the best score of every proposal; see `ScoreRows`."""

    @property
    def score_rows(self) -> ScoreRows | None:
        """Where the scores stand; None where they do not stand in channels."""
        ...


@dataclass(frozen=True, slots=True)
class VectorLayout:
    """How a classifier or an embedder is read: one row per picture."""

    name: str
    task: Literal["classify", "embed"]
    preparation: CropPreparation
    size: int
    """Classes of a classifier, dimensions of an embedding."""


@dataclass(frozen=True, slots=True)
class Clues:
    """What is known of a network besides its signature."""

    canvas_wh: tuple[int, int]
    """Size of its input in pixels."""
    classes: int | None = None
    """How many labels the metadata or the spec give."""
    task: str = "auto"
    """What the spec, or else the metadata, say that it does."""
    name: str = ""
    """Of the file, in lower case."""


def picture_port(signature: Signature) -> Port | None:
    """Return the input that takes a colour picture, or None."""
    for port in signature.inputs:
        if len(port.shape) == 4 and (port.shape[1] == 3 or port.shape[3] == 3):
            return port
    return None


def cells(canvas_wh: tuple[int, int], strides: Sequence[int]) -> int:
    """Return how many grid cells a canvas has, over all strides."""
    width, height = canvas_wh
    return sum(math.ceil(width / s) * math.ceil(height / s) for s in strides)


def cell_corners(
    canvas_wh: tuple[int, int], strides: Sequence[int]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return (N, 2) column and row of every cell, row by row, and (N,) its stride."""
    width, height = canvas_wh
    places, sizes = [], []
    for stride in strides:
        wide, high = math.ceil(width / stride), math.ceil(height / stride)
        rows, columns = np.divmod(np.arange(wide * high), wide)
        places.append(np.stack((columns, rows), axis=1))
        sizes.append(np.full(wide * high, stride))
    return np.concatenate(places).astype(np.float32), np.concatenate(sizes).astype(np.float32)


def above(scores: NDArray[np.float32], confidence: float) -> tuple[NDArray[np.intp], int]:
    """Return where `scores` are finite and above `confidence`, and how many are not finite."""
    (index,) = (scores > confidence).nonzero()
    # A sum tells of NaN and of infinity in one pass; the careful count is for the day it happens.
    if math.isfinite(float(scores.sum())):
        return index, 0
    finite = np.isfinite(scores)
    return index[finite[index]], int(np.count_nonzero(~finite))


def centred_to_corners(cxcywh: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N, 4) corners x1, y1, x2, y2 for boxes given as centre and size."""
    half = cxcywh[:, 2:] * np.float32(0.5)
    return np.concatenate((cxcywh[:, :2] - half, cxcywh[:, :2] + half), axis=1)


def sigmoid(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the logistic function of every value; large ones neither overflow nor warn."""
    result: NDArray[np.float32] = np.float32(0.5) * (np.tanh(values * np.float32(0.5)) + np.float32(1))
    return result


def softmax(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return probabilities over the last axis."""
    powers = np.exp(values - values.max(axis=-1, keepdims=True))
    result: NDArray[np.float32] = powers / powers.sum(axis=-1, keepdims=True)
    return result
