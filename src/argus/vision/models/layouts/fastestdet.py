"""FastestDet: one scale, one box per cell, doubles to be removed.

Output (5 + classes, h, w) over cells of 16 pixels: objectness, offsets of the centre (tanh, in
cells), size (sigmoid, of the whole picture), class probabilities; the score is objectness^0.6 x
class^0.4. The picture is BGR, stretched to the canvas.

Source: dog-qiuqiu/FastestDet, its ONNX Runtime example.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.engines.protocol import Arrays, Signature
from argus.vision.models.layouts.layout import (
    Candidates,
    Clues,
    DetectTask,
    above,
    centred_to_corners,
    sigmoid,
)
from argus.vision.models.preparation import Geometry, Preparation

_STRIDE = 16
_PREPARATION = Preparation(fit="stretch", channels="bgr")


@dataclass(frozen=True, slots=True)
class FastestDet:
    """One grid of boxes."""

    classes: int
    name: str = "fastestdet"
    task: DetectTask = "detect"
    has_doubles: bool = True
    preparation: Preparation = _PREPARATION

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return nothing: it wants the picture alone."""
        return {}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return what stands above `confidence`; a box counts with its best class."""
        grid = outputs[0].astype(np.float32, copy=False)
        high, wide = grid.shape[1:]
        cellwise = grid.reshape(grid.shape[0], -1)
        likeliest = cellwise[5 : 5 + self.classes].max(axis=0)
        # A negative value would have no root; a probability never is one.
        score = np.maximum(cellwise[0], 0) ** np.float32(0.6) * np.maximum(likeliest, 0) ** np.float32(0.4)
        index, not_finite = above(score, confidence)
        chosen = cellwise[:, index]
        cell = np.stack((index % wide, index // wide), axis=1).astype(np.float32)
        size = np.array([wide, high], np.float32)
        centre = (cell + np.tanh(chosen[1:3].T)) / size
        boxes = np.concatenate((centre, sigmoid(chosen[3:5].T)), axis=1)
        boxes *= np.array([*canvas_wh, *canvas_wh], np.float32)
        class_id = chosen[5 : 5 + self.classes].argmax(axis=0).astype(np.int32)
        return Candidates(centred_to_corners(boxes), score[index], class_id, not_finite)


def recognise(signature: Signature, clues: Clues) -> FastestDet | None:
    """Return the layout if the one output is a map of cells of 16 pixels."""
    if len(signature.outputs) != 1 or len(signature.outputs[0].shape) != 4:
        return None
    _, channels, high, wide = signature.outputs[0].shape
    width, height = clues.canvas_wh
    if channels is None or channels < 6 or (wide, high) != (width // _STRIDE, height // _STRIDE):
        return None
    return FastestDet(channels - 5)
