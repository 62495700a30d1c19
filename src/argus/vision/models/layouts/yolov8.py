"""YOLOv8, v9, 11 and 12: one row of boxes and class scores, no objectness, doubles to be removed.

Output (4 + classes [+ 32], N): centre x, y, width, height in pixels of the canvas, then class
scores that are sigmoid already, then coefficients of a mask where a second output has prototypes.
Pose networks are read as detectors; their key points are left out.

Source: Ultralytics' export format (documentation of `export` and `predict`).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.engines.protocol import Arrays, ScoreRows, Signature
from argus.vision.models.layouts.layout import Candidates, Clues, DetectTask, above, cells, centred_to_corners
from argus.vision.models.preparation import Geometry, Preparation

_PREPARATION = Preparation()


@dataclass(frozen=True, slots=True)
class YoloV8:
    """Boxes with class scores; (channels, N) or, `transposed`, (N, channels)."""

    classes: int
    rows: int = 0
    """Index of the output with the boxes."""
    prototypes: int | None = None
    """Index of the output that masks are mixed from."""
    transposed: bool = False
    outputs: int = 1
    """How many outputs the network has of itself; an engine may add the best scores behind them."""
    has_doubles: bool = True
    preparation: Preparation = _PREPARATION

    @property
    def name(self) -> str:
        """`yolov8` or `yolov8-seg`."""
        return "yolov8" if self.prototypes is None else "yolov8-seg"

    @property
    def task(self) -> DetectTask:
        """What it gives."""
        return "detect" if self.prototypes is None else "segment"

    @property
    def score_rows(self) -> ScoreRows | None:
        """Where the class scores stand, for engines that find the best of them on their way."""
        return None if self.transposed else ScoreRows(self.rows, 4, self.classes)

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return nothing: it wants the picture alone."""
        return {}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return what stands above `confidence`; a box counts with its best class."""
        rows = outputs[self.rows].T if self.transposed else outputs[self.rows]
        scores = rows[4 : 4 + self.classes]
        told = len(outputs) > self.outputs
        best = outputs[self.outputs] if told else scores.max(axis=0)
        index, not_finite = above(best, confidence)
        chosen = rows.T[index]
        # An engine may pass over NaN. A broken proposal is broken in all its channels, so one of them tells.
        if told and not math.isfinite(float(scores[0].sum()) + float(chosen.sum())):
            best = scores.max(axis=0)
            index, not_finite = above(best, confidence)
            chosen = rows.T[index]
        chosen = chosen.astype(np.float32, copy=False)
        masks: dict[str, Any] = {}
        if self.prototypes is not None:
            prototypes = outputs[self.prototypes].astype(np.float32, copy=False)
            masks = {
                "coefficients": np.ascontiguousarray(chosen[:, 4 + self.classes :]),
                "prototypes": prototypes,
            }
        return Candidates(
            centred_to_corners(chosen[:, :4]),
            best[index].astype(np.float32, copy=False),
            chosen[:, 4 : 4 + self.classes].argmax(axis=1).astype(np.int32),
            not_finite,
            **masks,
        )


def recognise(signature: Signature, clues: Clues) -> YoloV8 | None:
    """Return the layout if the outputs look like it."""
    flat = [i for i, port in enumerate(signature.outputs) if len(port.shape) == 3]
    square = [i for i, port in enumerate(signature.outputs) if len(port.shape) == 4]
    if len(flat) != 1 or len(square) > 1 or len(signature.outputs) != len(flat) + len(square):
        return None
    _, first, last = signature.outputs[flat[0]].shape
    if first is None or last is None:
        return None
    transposed = first > last
    channels, count = (last, first) if transposed else (first, last)
    if count not in _counts(clues.canvas_wh) or channels < 5:
        return None
    if square:
        mixed = signature.outputs[square[0]].shape[1]
        classes = channels - 4 - (mixed or 0)
        return YoloV8(classes, flat[0], square[0], transposed, 2) if mixed and classes > 0 else None
    classes = channels - 4
    if transposed and clues.classes != classes:
        return None  # with objectness in front of the classes it is YOLOX
    if clues.classes is not None and clues.classes < classes and clues.task == "pose":
        classes = clues.classes
    return YoloV8(classes, flat[0], transposed=transposed)


def _counts(canvas_wh: tuple[int, int]) -> set[int]:
    return {cells(canvas_wh, strides) for strides in ((8, 16, 32), (4, 8, 16, 32), (8, 16, 32, 64), (16, 32))}
