"""NanoDet: class scores and, for each side of a box, a distribution over distances.

Two outputs per stride 8, 16, 32: class scores (N, classes), sigmoid already, and (N, 4 x bins)
distances left, top, right, bottom of a cell, as logits over 0, 1 ... bins-1 strides. NanoDet-Plus
gives the same in one output (N, classes + 4 x bins) over strides 8, 16, 32, 64. The picture is
BGR with the mean and deviation of ImageNet.

Source: RangiLyu/nanodet; Li et al., "Generalized Focal Loss", NeurIPS 2020.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.engines.protocol import Arithmetic, Arrays, Signature
from argus.vision.models.layouts.layout import (
    Candidates,
    Clues,
    DetectTask,
    above,
    cell_corners,
    cells,
    softmax,
)
from argus.vision.models.preparation import Geometry, Preparation

_BGR = Arithmetic((103.53, 116.28, 123.675), (57.375, 57.12, 58.395))
_STRIDES = (8, 16, 32)
_PLUS_STRIDES = (8, 16, 32, 64)
_PLUS_BINS = 8

_PREPARATION = Preparation(channels="bgr", arithmetic=_BGR, pad=0, truncates=True, exact_scale=True)


@dataclass(frozen=True, slots=True)
class NanoDet:
    """Distances from a cell to the sides of its box."""

    classes: int
    bins: int
    outputs: tuple[tuple[int, int], ...] = ()
    """Indices of scores and distances per stride; empty where one output holds all (NanoDet-Plus)."""
    task: DetectTask = "detect"
    has_doubles: bool = True
    preparation: Preparation = _PREPARATION

    @property
    def name(self) -> str:
        """`nanodet` or `nanodet-plus`."""
        return "nanodet" if self.outputs else "nanodet-plus"

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return nothing: it wants the picture alone."""
        return {}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return what stands above `confidence`; a box counts with its best class."""
        if self.outputs:
            strides: tuple[int, ...]
            levels = [_flat(outputs[scores], self.classes) for scores, _ in self.outputs]
            sides = [_flat(outputs[distances], 4 * self.bins) for _, distances in self.outputs]
            # The middle of a cell is half a pixel short of half its stride in this first version.
            strides, middle = _STRIDES, 0.5
        else:
            rows = outputs[0]
            levels, sides = [rows[:, : self.classes]], [rows[:, self.classes :]]
            strides, middle = _PLUS_STRIDES, 0.0
        scores = np.concatenate(levels) if len(levels) > 1 else levels[0]
        index, not_finite = above(scores.max(axis=1), confidence)
        chosen = scores[index].astype(np.float32, copy=False)
        class_id = chosen.argmax(axis=1)
        bins = (np.concatenate(sides) if len(sides) > 1 else sides[0])[index].astype(np.float32, copy=False)
        places, sizes = _grid(canvas_wh, strides)
        stride = sizes[index, None]
        distance = softmax(bins.reshape(-1, 4, self.bins)) @ np.arange(self.bins, dtype=np.float32) * stride
        centre = places[index] * stride + np.float32(middle) * (stride - np.float32(1))
        xyxy = np.concatenate((centre - distance[:, :2], centre + distance[:, 2:]), axis=1).astype(np.float32)
        return Candidates(
            xyxy, chosen[np.arange(len(index)), class_id], class_id.astype(np.int32), not_finite
        )


_grid = lru_cache(maxsize=16)(cell_corners)


def _flat(values: NDArray[Any], width: int) -> NDArray[Any]:
    return values.reshape(-1, width)


def recognise(signature: Signature, clues: Clues) -> NanoDet | None:
    """Return the layout if the outputs look like it."""
    shapes = [tuple(n for n in port.shape if n != 1) for port in signature.outputs]
    if len(shapes) == 1 and len(signature.outputs[0].shape) == 3:
        _, count, width = signature.outputs[0].shape
        classes = (width or 0) - 4 * _PLUS_BINS
        if count != cells(clues.canvas_wh, _PLUS_STRIDES) or classes < 1:
            return None
        # YOLOX with four scales has the same number of rows: only the labels can tell.
        return NanoDet(classes, _PLUS_BINS) if clues.classes == classes else None
    if len(shapes) != 6 or any(len(shape) != 2 for shape in shapes):
        return None
    counts = [cells(clues.canvas_wh, (stride,)) for stride in _STRIDES]
    widths = {shape[1] for shape in shapes[:3]}, {shape[1] for shape in shapes[3:]}
    if [s[0] for s in shapes] == counts * 2 and all(len(w) == 1 for w in widths):
        pairs = ((0, 3), (1, 4), (2, 5))
    elif [s[0] for s in shapes] == [n for n in counts for _ in range(2)]:
        pairs = ((0, 1), (2, 3), (4, 5))
    else:
        return None
    scores, distances = shapes[pairs[0][0]][1], shapes[pairs[0][1]][1]
    return NanoDet(scores, distances // 4, pairs) if scores and distances and distances % 4 == 0 else None
