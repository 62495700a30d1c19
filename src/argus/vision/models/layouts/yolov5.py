"""YOLOv5 and its kin (v6 to v7 exports): boxes with objectness, doubles to be removed.

Output (N, 5 + classes): centre x, y, width, height in pixels of the canvas, objectness, class
scores, all decoded; N is three anchors for every grid cell.

Source: Ultralytics YOLOv5, `export.py`; Wang et al., "YOLOv7", CVPR 2023.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.engines.protocol import Arrays, Signature
from argus.vision.models.layouts.layout import Candidates, Clues, DetectTask, above, cells, centred_to_corners
from argus.vision.models.preparation import Geometry, Preparation

_STRIDES = ((8, 16, 32), (8, 16, 32, 64), (16, 32))
_PREPARATION = Preparation()


@dataclass(frozen=True, slots=True)
class YoloV5:
    """Boxes whose class scores are worth what their objectness is worth."""

    classes: int
    rows: int = 0
    name: str = "yolov5"
    task: DetectTask = "detect"
    has_doubles: bool = True
    preparation: Preparation = _PREPARATION

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return nothing: it wants the picture alone."""
        return {}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return what stands above `confidence`; a box counts with its best class."""
        return decode_rows(outputs[self.rows], self.classes, confidence)


def decode_rows(rows: NDArray[Any], classes: int, confidence: float) -> Candidates:
    """Return the candidates of (N, 5 + classes) decoded rows with objectness."""
    # No class score exceeds 1, so the objectness alone rules most rows out.
    index, not_finite = above(rows[:, 4], confidence)
    chosen = rows[index].astype(np.float32, copy=False)
    scores = chosen[:, 5 : 5 + classes]
    class_id = scores.argmax(axis=1)
    best = scores[np.arange(len(index)), class_id] * chosen[:, 4]
    kept, more = above(best, confidence)
    return Candidates(
        centred_to_corners(chosen[kept, :4]), best[kept], class_id[kept].astype(np.int32), not_finite + more
    )


def recognise(signature: Signature, clues: Clues) -> YoloV5 | None:
    """Return the layout if the first output has three rows for every grid cell."""
    # Older exports also give the raw maps of each scale, of rank 5, behind the decoded rows.
    first, *others = signature.outputs
    if len(first.shape) != 3 or any(len(port.shape) != 5 for port in others):
        return None
    _, count, width = first.shape
    if count is None or width is None or width < 6:
        return None
    if count not in {3 * cells(clues.canvas_wh, strides) for strides in _STRIDES}:
        return None
    return YoloV5(width - 5)
