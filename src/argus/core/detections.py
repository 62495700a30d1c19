"""What a model saw in one frame, as arrays side by side.

The type knows no vendor; converters live beside the library they convert for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True, eq=False)
class Masks:
    """One silhouette per object, stored only where its box is."""

    bits: tuple[NDArray[np.bool_], ...]
    """N arrays (h, w), True where the object is; sizes differ."""
    origins: NDArray[np.int32]
    """(N, 2) column and row of each array's top left corner in the full picture."""

    def __len__(self) -> int:
        """Number of masks."""
        return len(self.bits)

    def take(self, index: NDArray[Any]) -> Masks:
        """Return the masks at `index`, in that order."""
        return Masks(tuple(self.bits[int(i)] for i in index), self.origins[index])

    def full(self, i: int, width: int, height: int) -> NDArray[np.bool_]:
        """Return mask `i` as (height, width) over the full picture."""
        canvas = np.zeros((height, width), dtype=np.bool_)
        x, y = (int(v) for v in self.origins[i])
        h, w = self.bits[i].shape
        canvas[y : y + h, x : x + w] = self.bits[i]
        return canvas


@dataclass(frozen=True, slots=True, eq=False)  # arrays have no single truth for ==
class Detections:
    """What one model saw in one frame: N objects, N may be 0."""

    xyxy: NDArray[np.float32]
    """(N, 4) corners x1, y1, x2, y2 in pixels of the full frame, origin top left."""
    confidence: NDArray[np.float32]
    """(N,) scores in [0, 1]."""
    class_id: NDArray[np.int32]
    """(N,) indices into the model's labels."""
    labels: tuple[str, ...]
    """All labels of the model: `labels[class_id[i]]` is the name of object i."""
    track_id: NDArray[np.int64] | None = None
    """(N,) ids of tracks, 0 where an object belongs to none (yet); None where nothing tracks."""
    masks: Masks | None = None
    embedding: NDArray[np.float32] | None = None
    """(N, D) unit vectors of appearance, or None."""

    def __post_init__(self) -> None:
        n = len(self.xyxy)
        expect_shape("xyxy", self.xyxy, (n, 4))
        expect_shape("confidence", self.confidence, (n,))
        expect_shape("class_id", self.class_id, (n,))
        if self.track_id is not None:
            expect_shape("track_id", self.track_id, (n,))
        if self.masks is not None and len(self.masks) != n:
            raise ValueError(f"masks: {len(self.masks)} for {n} boxes")
        if self.embedding is not None and len(self.embedding) != n:
            raise ValueError(f"embedding: {len(self.embedding)} rows for {n} boxes")

    @classmethod
    def empty(cls, labels: Sequence[str] = ()) -> Detections:
        """Return the detections of a frame in which nothing was seen."""
        return cls(
            np.zeros((0, 4), np.float32), np.zeros(0, np.float32), np.zeros(0, np.int32), tuple(labels)
        )

    def __len__(self) -> int:
        """Number of objects."""
        return len(self.xyxy)

    @property
    def class_name(self) -> list[str]:
        """(N,) names, one per object."""
        return [self.labels[i] for i in self.class_id.tolist()]

    def take(self, index: NDArray[Any]) -> Detections:
        """Return the objects at `index` (integers or a mask of bools), in that order."""
        rows = np.flatnonzero(index) if index.dtype == np.bool_ else index
        return replace(
            self,
            xyxy=self.xyxy[rows],
            confidence=self.confidence[rows],
            class_id=self.class_id[rows],
            track_id=None if self.track_id is None else self.track_id[rows],
            masks=None if self.masks is None else self.masks.take(rows),
            embedding=None if self.embedding is None else self.embedding[rows],
        )

    def with_track_id(self, track_id: NDArray[np.int64]) -> Detections:
        """Return the same objects carrying the given track ids (N,)."""
        return replace(self, track_id=track_id)

    def to_json(self) -> list[dict[str, Any]]:
        """Return one dict per object: class, confidence, xyxy and, where tracked, track_id (or None)."""
        boxes = np.round(self.xyxy.astype(np.float64), 2).tolist()
        scores = np.round(self.confidence.astype(np.float64), 4).tolist()
        rows: list[dict[str, Any]] = [
            {"class": name, "confidence": score, "xyxy": box}
            for name, score, box in zip(self.class_name, scores, boxes, strict=True)
        ]
        if self.track_id is not None:
            for row, track in zip(rows, self.track_id.tolist(), strict=True):
                row["track_id"] = track or None
        return rows


def expect_shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    """Raise `ValueError` naming the field unless `array` has exactly this shape."""
    if array.shape != shape:
        raise ValueError(f"{name}: shape {array.shape}, expected {shape}")
