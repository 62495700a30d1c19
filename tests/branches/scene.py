"""Pictures with coloured objects, and small honest models that look at them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable
from argus.core.frame import Frame, Image
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import BranchSpec
from argus.vision.branches.finding import Box
from argus.vision.models.load import AnyModel
from argus.vision.models.protocols import Classification
from argus.vision.pictures import ArrayPicture

BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
LABELS = ("person", "car", "dog")
RED, GREEN, BLUE, WHITE = (0, 0, 255), (0, 255, 0), (255, 0, 0), (255, 255, 255)
WIDTH, HEIGHT = 320, 240
NEAR: Box = (100, 60, 180, 140)
"""A box that shows its object as well as any could: large, and far from the edges."""

Painted = Sequence[tuple[Box, tuple[int, int, int]]]


def frame(painted: Painted = (), *, index: int = 0, fps: float = 10.0, source: str = "gate") -> Frame:
    """A black picture with rectangles, painted in order."""
    picture = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    for (x1, y1, x2, y2), colour in painted:
        picture[int(y1) : int(y2), int(x1) : int(x2)] = colour
    time_s = index / fps
    return Frame(ArrayPicture(picture), source, index, time_s, BEGIN + timedelta(seconds=time_s))


def seen(
    boxes: Mapping[int, Box] | Sequence[Box],
    *,
    classes: Mapping[int, str] | None = None,
    confidence: float | Sequence[float] = 0.9,
) -> Detections:
    """Detections by track id; of a list without tracks."""
    tracks = list(boxes) if isinstance(boxes, Mapping) else None
    rows = list(boxes.values()) if isinstance(boxes, Mapping) else list(boxes)
    keys = tracks if tracks is not None else list(range(len(rows)))
    names = [(classes or {}).get(key, "person") for key in keys]
    return Detections(
        np.array(rows, np.float32).reshape(-1, 4),
        np.broadcast_to(np.array(confidence, np.float32), len(rows)).copy(),
        np.array([LABELS.index(name) for name in names], np.int32),
        LABELS,
        None if tracks is None else np.array(tracks, np.int64),
    )


class Looking:
    """What all models here share: a name, a size, how many pictures came at a time."""

    labels: tuple[str, ...] = ()

    def __init__(self, name: str = "model", *, batch: int = 1, side: int = 32) -> None:
        self.name = name
        self.batch = batch
        self.input_wh = (side, side)
        self.calls: list[int] = []
        self.closed = 0
        self.go_on = threading.Event()
        """While cleared, a call does not return."""
        self.go_on.set()
        self.called = threading.Event()
        self.broken: Callable[[Image], bool] = lambda _: False
        """Pictures at which it fails."""

    def enter(self, pictures: Sequence[Image]) -> None:
        self.calls.append(len(pictures))
        self.called.set()
        assert self.go_on.wait(20)
        if any(self.broken(picture) for picture in pictures):
            raise ModelUnavailable(f"{self.name} cannot bear this picture")

    def close(self) -> None:
        self.closed += 1


class Colours(Looking):
    """Says whether a picture is red, green or blue: the mean of each channel, and a little doubt."""

    labels = ("red", "green", "blue")

    def classify(self, pictures: Sequence[Image]) -> list[Classification]:
        self.enter(pictures)
        means = [picture.reshape(-1, 3).mean(axis=0)[::-1] + 10 for picture in pictures]
        return [Classification((m / m.sum()).astype(np.float32), self.labels) for m in means]


class Patches(Looking):
    """Finds the patches of one colour in a picture, `small` or `large` ones."""

    labels = ("small", "large")

    def __init__(self, colour: tuple[int, int, int], name: str = "patches") -> None:
        super().__init__(name)
        self._colour = colour

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        self.enter([one.bgr for one in frames])
        return [self._find(one.bgr) for one in frames]

    def _find(self, picture: Image) -> Detections:
        mask = (picture == self._colour).all(axis=2).astype(np.uint8)
        _, _, stats, _ = cv2.connectedComponentsWithStats(mask)
        boxes = np.array([(x, y, x + w, y + h) for x, y, w, h, _ in stats[1:]], np.float32).reshape(-1, 4)
        large = (boxes[:, 2] - boxes[:, 0] >= 16).astype(np.int32)
        return Detections(boxes, np.full(len(boxes), 0.8, np.float32), large, self.labels)


class MeanColour(Looking):
    """Embeds a picture as its mean colour."""

    def embed(self, pictures: Sequence[Image]) -> NDArray[np.float32]:
        self.enter(pictures)
        rows = np.array([picture.reshape(-1, 3).mean(axis=0) + 1 for picture in pictures], np.float32)
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit


def opening(**models: Any) -> Callable[[ModelSpec], AnyModel]:
    """Open these models by their names."""

    def open_model(spec: ModelSpec) -> AnyModel:
        model: AnyModel = models[spec.path]
        return model

    return open_model


def branch(model: str, **fields: Any) -> BranchSpec:
    """A spec, with branches below as specs or mappings."""
    return BranchSpec.model_validate({"model": model, **fields})
