"""What a branch found out about an object. A value: nothing is decided or run here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections

Box = tuple[float, float, float, float]
"""Corners x1, y1, x2, y2 in pixels of the full frame."""


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)  # arrays have no single truth for ==
class Finding:
    """What one model said at one look; of `label`, `detections` and `embedding` one is given."""

    branch: str
    """Name of the branch; below another one `plate/text`."""
    frame: int
    """Index of the frame that was looked at, which may lie before the one at hand."""
    time_s: float
    """Its presentation time in seconds."""
    xyxy: Box | None = None
    """The box that was looked at, without the margin; None: the whole frame. Below a detector it is the box
    of what that one found."""
    label: str | None = None
    """What a classifier thinks likeliest."""
    confidence: float | None = None
    """Probability of `label`."""
    detections: Detections | None = None
    """What a detector found, in coordinates of the full frame; there may be nothing."""
    embedding: NDArray[np.float32] | None = None
    """(D,) unit vector of an embedder."""

    def to_json(self, *, embedding: bool = True) -> dict[str, Any]:
        """Return one JSON object; what was not found out is left out.

        Args:
            embedding: Write the vector too, some hundred numbers.
        """
        out: dict[str, Any] = {"branch": self.branch}
        if self.label is not None:
            out["label"] = self.label
        if self.confidence is not None:
            out["confidence"] = round(self.confidence, 4)
        if self.detections is not None:
            out["detections"] = self.detections.to_json()
        if self.embedding is not None and embedding:
            out["embedding"] = np.round(self.embedding.astype(np.float64), 5).tolist()
        out |= {"frame": self.frame, "time_s": round(self.time_s, 4)}
        if self.xyxy is not None:
            out["xyxy"] = [round(v, 1) for v in self.xyxy]
        return out

    @property
    def caption(self) -> str:
        """A few words for people: `red 0.91`, `2 plate`; nothing for a vector."""
        if self.label is not None:
            return self.label if self.confidence is None else f"{self.label} {self.confidence:.2f}"
        if self.detections is None or not len(self.detections):
            return ""
        names = self.detections.class_name
        counts = {name: names.count(name) for name in dict.fromkeys(names)}
        return ", ".join(name if count == 1 else f"{count} {name}" for name, count in counts.items())
