"""End-to-end YOLO: v10 and 26, and exports with NMS inside. Boxes are final, nothing is removed.

Output (N, 6 [+ 32]): corners x1, y1, x2, y2 in pixels of the canvas, score, class, and
coefficients of a mask where a second output has prototypes.

Source: Wang et al., "YOLOv10", NeurIPS 2024; Ultralytics' export format.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.engines.protocol import Arrays, Signature
from argus.vision.models.layouts.layout import Candidates, Clues, DetectTask, above, cells
from argus.vision.models.preparation import Geometry, Preparation

MOST_ROWS = 1000
"""A network that has removed doubles gives at most this many rows."""

_PREPARATION = Preparation()


@dataclass(frozen=True, slots=True)
class EndToEnd:
    """Final boxes with score and class in a row."""

    classes: int
    """0 where nothing says how many there are: labels then follow what is seen."""
    rows: int = 0
    prototypes: int | None = None
    has_doubles: bool = False
    preparation: Preparation = _PREPARATION

    @property
    def name(self) -> str:
        """`end2end` or `end2end-seg`."""
        return "end2end" if self.prototypes is None else "end2end-seg"

    @property
    def task(self) -> DetectTask:
        """What it gives."""
        return "detect" if self.prototypes is None else "segment"

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return nothing: it wants the picture alone."""
        return {}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return the rows above `confidence`."""
        rows = outputs[self.rows]
        index, not_finite = above(rows[:, 4], confidence)
        chosen = rows[index].astype(np.float32, copy=False)
        masks: dict[str, Any] = {}
        if self.prototypes is not None:
            prototypes = outputs[self.prototypes].astype(np.float32, copy=False)
            masks = {"coefficients": np.ascontiguousarray(chosen[:, 6:]), "prototypes": prototypes}
        # A class that is not finite becomes -1 here and is left out with the boxes that are not.
        class_id = np.nan_to_num(chosen[:, 5], nan=-1, posinf=-1, neginf=-1).astype(np.int32)
        return Candidates(chosen[:, :4], chosen[:, 4], class_id, not_finite, **masks)


def recognise(signature: Signature, clues: Clues) -> EndToEnd | None:
    """Return the layout if the outputs look like it."""
    flat = [i for i, port in enumerate(signature.outputs) if len(port.shape) == 3]
    square = [i for i, port in enumerate(signature.outputs) if len(port.shape) == 4]
    if len(flat) != 1 or len(square) > 1 or len(signature.outputs) != len(flat) + len(square):
        return None
    _, count, width = signature.outputs[flat[0]].shape
    if count is None or width is None or count > MOST_ROWS:
        return None
    if count == cells(clues.canvas_wh, (8, 16, 32)) and signature.metadata.get("end2end") != "True":
        return None  # one row per cell: nothing has been removed yet
    mixed = signature.outputs[square[0]].shape[1] if square else 0
    if mixed is None or width != 6 + mixed:
        return None
    return EndToEnd(clues.classes or 0, flat[0], square[0] if square else None)
