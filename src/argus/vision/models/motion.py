"""`builtin:motion`: whatever moves before a camera that stands still, without weights.

A background is learned for each source by itself, so frames of several cameras may come in any
order, but those of one camera in theirs. Source: Zivkovic and van der Heijden, "Efficient
adaptive density estimation per image pixel", Pattern Recognition Letters 2006 (OpenCV's MOG2).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable
from argus.core.frame import Frame
from argus.core.resources.model import ModelSpec
from argus.vision.models.labels import class_ids
from argus.vision.models.preparation import Preparation, fit

LABELS = ("motion",)
_LONGEST = 480
"""Pixels of the longer side at which motion is looked for."""
_SMALLEST = 0.0006
"""Share of the picture that a moving thing must cover."""
_SETTLING = 5
"""Frames of a new source that only teach the background."""
_MOST_SOURCES = 256
"""Sources whose background is kept; the one unused for longest is forgotten."""
_FOREGROUND = 255  # MOG2 marks shadows with 127
_HISTORY = 300


@dataclass(slots=True)
class _Background:
    """What is known of one source."""

    model: Any
    canvas: tuple[int, int]
    seen: int = 0


class MotionDetector:
    """Finds moving things; each is a `motion`, as sure as its box is filled by what moves."""

    def __init__(self, spec: ModelSpec) -> None:
        """Take thresholds and size from the spec.

        Raises:
            UnknownName: a class besides `motion` is asked for.
        """
        class_ids(LABELS, spec.classes)
        self._spec = spec
        self._longest = max(spec.input_size) if spec.input_size is not None else _LONGEST
        self._backgrounds: OrderedDict[str, _Background] = OrderedDict()
        self._closed = False
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name shown to people."""
        return "builtin:motion"

    @property
    def labels(self) -> tuple[str, ...]:
        """`motion`."""
        return LABELS

    @property
    def description(self) -> str:
        """What it runs on, in words."""
        return "OpenCV MOG2 on CPU"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` per frame.

        Raises:
            ModelUnavailable: the model was closed.
        """
        with self._lock:
            return [self._detect(frame) for frame in frames]

    def close(self) -> None:
        """Forget all backgrounds; idempotent."""
        with self._lock:
            self._closed = True
            self._backgrounds.clear()

    def _detect(self, frame: Frame) -> Detections:
        if self._closed:
            raise ModelUnavailable("the model was closed: load it again to use it")
        scale = min(1.0, self._longest / max(frame.width, frame.height))
        canvas = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
        background = self._background(frame.source, canvas)
        moving = background.model.apply(cv2.blur(frame.resized(*canvas, "gray"), (3, 3)))
        background.seen += 1
        if background.seen <= _SETTLING:
            return Detections.empty(LABELS)
        # Not `compare`, which takes a picture of one pixel for a number.
        _, solid = cv2.threshold(moving, _FOREGROUND - 1, _FOREGROUND, cv2.THRESH_BINARY)
        solid = cv2.morphologyEx(solid, cv2.MORPH_OPEN, np.ones((3, 3), np.uint8))
        solid = cv2.morphologyEx(solid, cv2.MORPH_CLOSE, np.ones((9, 9), np.uint8))
        count, _, stats, _ = cv2.connectedComponentsWithStats(solid)
        if count < 2:
            return Detections.empty(LABELS)
        boxes = np.asarray(stats[1:], np.float32)  # the first is what stands still
        filled = boxes[:, 4] / (boxes[:, 2] * boxes[:, 3])
        large = boxes[:, 4] >= _SMALLEST * canvas[0] * canvas[1]
        chosen = np.flatnonzero(large & (filled > self._spec.confidence))
        chosen = chosen[np.argsort(-boxes[chosen, 4], kind="stable")][: self._spec.max_detections]
        geometry = fit(Preparation(fit="stretch"), (frame.width, frame.height), canvas)
        xyxy = np.concatenate((boxes[chosen, :2], boxes[chosen, :2] + boxes[chosen, 2:4]), axis=1)
        return Detections(geometry.to_picture(xyxy), filled[chosen], np.zeros(len(chosen), np.int32), LABELS)

    def _background(self, source: str, canvas: tuple[int, int]) -> _Background:
        known = self._backgrounds.get(source)
        if known is None or known.canvas != canvas:  # another resolution is another scene
            model = cv2.createBackgroundSubtractorMOG2(history=_HISTORY, varThreshold=25, detectShadows=True)
            known = self._backgrounds[source] = _Background(model, canvas)
        self._backgrounds.move_to_end(source)
        if len(self._backgrounds) > _MOST_SOURCES:
            self._backgrounds.popitem(last=False)
        return known
