"""YOLOX: an undecoded grid with objectness, doubles to be removed.

Output (N, 5 + classes), N cells of strides 8, 16, 32, row by row: offsets of the centre in cells,
logarithms of the size in cells, objectness, class scores (both sigmoid already). The picture is
BGR, 0..255, in the top left corner. `yolox-decoded` reads exports whose boxes are in pixels.

Source: Ge et al., "YOLOX: Exceeding YOLO Series in 2021", arXiv 2107.08430, and its demo of ONNX.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.engines.protocol import Arrays, Signature
from argus.vision.models.layouts.layout import Candidates, Clues, DetectTask, above, cell_corners, cells
from argus.vision.models.layouts.yolov5 import decode_rows
from argus.vision.models.preparation import RAW, Geometry, Preparation

_STRIDES = ((8, 16, 32), (8, 16, 32, 64))
_PREPARATION = Preparation(fit="corner", channels="bgr", arithmetic=RAW, truncates=True)


@dataclass(frozen=True, slots=True)
class YoloX:
    """Boxes relative to their grid cell."""

    classes: int
    strides: tuple[int, ...] = (8, 16, 32)
    decoded: bool = False
    """True where the network itself has turned offsets into pixels."""
    task: DetectTask = "detect"
    has_doubles: bool = True
    preparation: Preparation = _PREPARATION

    @property
    def name(self) -> str:
        """`yolox` or `yolox-decoded`."""
        return "yolox-decoded" if self.decoded else "yolox"

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return nothing: it wants the picture alone."""
        return {}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return what stands above `confidence`; a box counts with its best class."""
        rows = outputs[0]
        if self.decoded:
            return decode_rows(rows, self.classes, confidence)
        index, not_finite = above(rows[:, 4], confidence)
        chosen = rows[index].astype(np.float32, copy=False)
        scores = chosen[:, 5 : 5 + self.classes]
        class_id = scores.argmax(axis=1)
        best = scores[np.arange(len(index)), class_id] * chosen[:, 4]
        kept, more = above(best, confidence)
        places, sizes = _grid(canvas_wh, self.strides)
        chosen, cell, stride = chosen[kept], places[index[kept]], sizes[index[kept], None]
        centre = (chosen[:, :2] + cell) * stride
        # An overflow gives infinity, and boxes that are not finite are left out later.
        with np.errstate(over="ignore"):
            half = np.exp(chosen[:, 2:4]) * stride * np.float32(0.5)
        xyxy = np.concatenate((centre - half, centre + half), axis=1)
        return Candidates(xyxy, best[kept], class_id[kept].astype(np.int32), not_finite + more)


_grid = lru_cache(maxsize=16)(cell_corners)


def recognise(signature: Signature, clues: Clues) -> YoloX | None:
    """Return the layout if there is one output with one row for every grid cell."""
    if len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 3:
        return None
    _, count, width = signature.outputs[0].shape
    if count is None or width is None or width < 6:
        return None
    for strides in _STRIDES:
        if count == cells(clues.canvas_wh, strides):
            return YoloX(width - 5, strides)
    return None
