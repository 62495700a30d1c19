"""Transformers without NMS: RT-DETR, D-FINE, DEIM and RF-DETR, in the ways they are exported.

- `detr`: logits (Q, classes) and boxes (Q, 4), centre and size, relative to the canvas. RF-DETR
  names them `labels` and `dets` and wants ImageNet's mean and deviation.
- `detr-postprocessed`: labels (Q), boxes (Q, 4) corners and scores (Q), scaled to a second input
  `orig_target_sizes`, into which the size of the canvas is put.
- `detr-rows`: Ultralytics' RT-DETR, (Q, 4 + classes): relative centre and size, sigmoid scores.

Source: Zhao et al., "DETRs Beat YOLOs on Real-time Object Detection", CVPR 2024; the exports of
lyuwenyu/RT-DETR, Peterande/D-FINE, Hugging Face Optimum, roboflow/rf-detr and Ultralytics.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.vision.models.engines.protocol import Arrays, Signature
from argus.vision.models.layouts.end2end import MOST_ROWS
from argus.vision.models.layouts.layout import (
    Candidates,
    Clues,
    DetectTask,
    above,
    centred_to_corners,
    picture_port,
    sigmoid,
)
from argus.vision.models.preparation import IMAGENET, Geometry, Preparation

_STRETCHED = Preparation(fit="stretch")
_NUMBERS = frozenset({"int64", "int32", "float32", "float16", "float64"})
"""What a size may be given in."""


@dataclass(frozen=True, slots=True)
class DetrLogits:
    """Queries with a logit per class; a query may stand for several classes."""

    classes: int
    logits: int = 0
    boxes: int = 1
    preparation: Preparation = _STRETCHED
    name: str = "detr"
    task: DetectTask = "detect"
    has_doubles: bool = False

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return nothing: it wants the picture alone."""
        return {}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return the pairs of query and class above `confidence`, at most as many as there are queries."""
        scores = sigmoid(outputs[self.logits].astype(np.float32, copy=False))
        index, not_finite = above(scores.reshape(-1), confidence)
        flat = scores.reshape(-1)[index]
        best = np.argsort(-flat, kind="stable")[: len(scores)]
        query, class_id = np.divmod(index[best], scores.shape[1])
        boxes = outputs[self.boxes][query].astype(np.float32, copy=False)
        return Candidates(_scaled(boxes, canvas_wh), flat[best], class_id.astype(np.int32), not_finite)


@dataclass(frozen=True, slots=True)
class DetrRows:
    """Queries with sigmoid scores behind their box, in one output."""

    classes: int
    preparation: Preparation = _STRETCHED
    name: str = "detr-rows"
    task: DetectTask = "detect"
    has_doubles: bool = False

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return nothing: it wants the picture alone."""
        return {}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return the queries whose best class stands above `confidence`."""
        rows = outputs[0]
        scores = rows[:, 4 : 4 + self.classes]
        index, not_finite = above(scores.max(axis=1), confidence)
        chosen = rows[index].astype(np.float32, copy=False)
        scores = chosen[:, 4 : 4 + self.classes]
        class_id = scores.argmax(axis=1)
        best = scores[np.arange(len(index)), class_id]
        return Candidates(_scaled(chosen[:, :4], canvas_wh), best, class_id.astype(np.int32), not_finite)


@dataclass(frozen=True, slots=True)
class DetrPostprocessed:
    """Labels, boxes and scores that the network has already picked."""

    classes: int
    """0 where nothing says how many there are."""
    size_input: str
    labels: int = 0
    boxes: int = 1
    scores: int = 2
    size_dtype: str = "int64"
    preparation: Preparation = _STRETCHED
    name: str = "detr-postprocessed"
    task: DetectTask = "detect"
    has_doubles: bool = False

    def extras(self, geometries: Sequence[Geometry]) -> Mapping[str, NDArray[Any]]:
        """Return the size that the boxes are to be scaled to: the canvas."""
        return {self.size_input: np.array([g.canvas_wh for g in geometries], np.dtype(self.size_dtype))}

    def decode(self, outputs: Arrays, canvas_wh: tuple[int, int], confidence: float) -> Candidates:
        """Return the rows above `confidence`."""
        scores = outputs[self.scores].astype(np.float32, copy=False)
        index, not_finite = above(scores, confidence)
        return Candidates(
            outputs[self.boxes][index].astype(np.float32, copy=False),
            scores[index],
            outputs[self.labels][index].astype(np.int32),
            not_finite,
        )


def recognise(signature: Signature, clues: Clues) -> DetrLogits | DetrRows | DetrPostprocessed | None:
    """Return the layout if the outputs look like one of them."""
    shapes = [port.shape for port in signature.outputs]
    names = [port.name for port in signature.outputs]
    if len(shapes) == 3 and sorted(len(s) for s in shapes) == [2, 2, 3] and len(signature.inputs) == 2:
        return _postprocessed(signature, clues)
    if len(shapes) == 2 and all(len(s) == 3 for s in shapes) and shapes[0][1] == shapes[1][1]:
        four = [i for i, s in enumerate(shapes) if s[2] == 4]
        if not four:
            return None
        boxes = next((i for i in four if "box" in names[i] or names[i] == "dets"), four[0])
        classes = shapes[1 - boxes][2]
        if not classes:
            return None
        of_rf_detr = "dets" in names
        preparation = Preparation(fit="stretch", arithmetic=IMAGENET) if of_rf_detr else _STRETCHED
        return DetrLogits(classes, 1 - boxes, boxes, preparation)
    if len(shapes) == 1 and len(shapes[0]) == 3:
        _, count, width = shapes[0]
        if count and width and 10 <= count <= MOST_ROWS and width > 4 and clues.classes in {None, width - 4}:
            return DetrRows(width - 4)
    return None


def _postprocessed(signature: Signature, clues: Clues) -> DetrPostprocessed | None:
    picture = picture_port(signature)
    size = next((port for port in signature.inputs if port is not picture and len(port.shape) == 2), None)
    boxes = next(i for i, port in enumerate(signature.outputs) if len(port.shape) == 3)
    whole = [i for i, p in enumerate(signature.outputs) if i != boxes and p.dtype.startswith("int")]
    if size is None or size.dtype not in _NUMBERS or not whole:
        return None
    scores = next(i for i in range(3) if i not in {boxes, whole[0]})
    return DetrPostprocessed(clues.classes or 0, size.name, whole[0], boxes, scores, size.dtype)


def _scaled(boxes: NDArray[np.float32], canvas_wh: tuple[int, int]) -> NDArray[np.float32]:
    corners = centred_to_corners(boxes)
    corners *= np.array([*canvas_wh, *canvas_wh], np.float32)
    return corners
