"""`builtin:people`: upright people by gradient histograms and a linear classifier, without weights.

Slow and rough beside any network, but always there. Source: Dalal and Triggs, "Histograms of
Oriented Gradients for Human Detection", CVPR 2005; the classifier is the one inside OpenCV.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import cv2
import numpy as np

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable
from argus.core.frame import Frame
from argus.core.resources.model import ModelSpec
from argus.vision.models.labels import class_ids
from argus.vision.models.nms import non_maximum_suppression
from argus.vision.models.preparation import Preparation, fit

LABELS = ("person",)
_LONGEST = 960
"""Pixels of the longer side that is searched; people must be 128 pixels high there."""
_WINDOW = (64, 128)
_MARGIN = (0.125, 0.0625)
"""Share of a found window, at each side, that its classifier saw as the surroundings."""


class PeopleDetector:
    """Finds upright people at least a fifth of the picture high."""

    def __init__(self, spec: ModelSpec) -> None:
        """Take thresholds and size from the spec.

        Raises:
            UnknownName: a class besides `person` is asked for.
        """
        class_ids(LABELS, spec.classes)
        self._spec = spec
        self._longest = max(spec.input_size) if spec.input_size is not None else _LONGEST
        self._hog: cv2.HOGDescriptor | None = cv2.HOGDescriptor()
        self._hog.setSVMDetector(cv2.HOGDescriptor.getDefaultPeopleDetector())
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name shown to people."""
        return "builtin:people"

    @property
    def labels(self) -> tuple[str, ...]:
        """`person`."""
        return LABELS

    @property
    def description(self) -> str:
        """What it runs on, in words."""
        return "OpenCV HOG on CPU"

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` per frame.

        Raises:
            ModelUnavailable: the model was closed.
        """
        return [self._detect(frame) for frame in frames]

    def close(self) -> None:
        """Free the classifier; idempotent."""
        self._hog = None

    def _detect(self, frame: Frame) -> Detections:
        hog = self._hog
        if hog is None:
            raise ModelUnavailable("the model was closed: load it again to use it")
        longest = max(frame.width, frame.height)
        scale = self._longest / longest
        canvas = (max(1, round(frame.width * scale)), max(1, round(frame.height * scale)))
        if canvas[0] < _WINDOW[0] or canvas[1] < _WINDOW[1]:
            return Detections.empty(LABELS)
        geometry = fit(Preparation(fit="stretch"), (frame.width, frame.height), canvas)
        gray = frame.resized(*canvas, "gray")
        with self._lock:
            found, weights = hog.detectMultiScale(gray, winStride=(8, 8), padding=(8, 8), scale=1.05)
        if not len(found):
            return Detections.empty(LABELS)
        windows = np.asarray(found, np.float32).reshape(-1, 4)
        # The classifier's distance grows without bound; this keeps 0 at 0 and 2.3 at nine tenths.
        confidence = (1 - np.exp(-np.maximum(np.asarray(weights, np.float32).reshape(-1), 0))).astype(
            np.float32
        )
        margin = windows[:, 2:] * np.array(_MARGIN, np.float32)
        xyxy = np.concatenate((windows[:, :2] + margin, windows[:, :2] + windows[:, 2:] - margin), axis=1)
        sure = np.flatnonzero(confidence > self._spec.confidence)
        xyxy, confidence = xyxy[sure], confidence[sure]
        nobody = np.zeros(len(sure), np.int32)
        # Windows that barely differ in size answer to the same person: 0.7 would leave them all.
        best = non_maximum_suppression(
            xyxy, confidence, nobody, min(self._spec.iou, 0.45), self._spec.max_detections
        )
        return Detections(geometry.to_picture(xyxy[best]), confidence[best], nobody[best], LABELS)
