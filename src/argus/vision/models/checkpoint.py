"""PyTorch checkpoints (`.pt`) through the `ultralytics` package, where it is installed.

Loading such a file runs whatever its author put into it, so `load` comes here only with weights
that somebody called trusted. The package may neither phone home nor install anything.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal

import numpy as np

from argus.core.detections import Detections, Masks
from argus.core.errors import MissingExtra, ModelUnavailable, ModelUnreadable, WrongTask
from argus.core.frame import Frame
from argus.core.resources.model import ModelSpec
from argus.vision.models.labels import choose_labels, class_ids, labels_of_spec

_QUIET = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}
_DEFAULT_SIDE = 640


def import_ultralytics() -> Any:
    """Return the ultralytics package, its telemetry and its installer off.

    Raises:
        MissingExtra: it is not installed.
        ModelUnavailable: it is installed and broken.
    """
    os.environ.update(_QUIET)  # read once, while the package is imported
    try:
        import ultralytics
    except ImportError as error:
        if getattr(error, "name", None) in {"ultralytics", "torch"} or find_spec("ultralytics") is None:
            raise MissingExtra("loading PyTorch weights (.pt)", "torch") from error
        raise ModelUnavailable(
            f"ultralytics is installed and cannot be imported ({_reason(error)}): "
            "install it anew with pip install --force-reinstall 'argus-vision[torch]'"
        ) from error
    return ultralytics


class CheckpointDetector:
    """Finds objects with a checkpoint, a segmenter too where it has masks."""

    def __init__(self, file: Path, spec: ModelSpec) -> None:
        """Load the checkpoint.

        Raises:
            MissingExtra: ultralytics is not installed.
            ModelUnreadable: it is no checkpoint that ultralytics can load.
            WrongTask: it neither detects nor segments.
        """
        package = import_ultralytics()
        try:
            self._model: Any = package.YOLO(str(file))
            task = str(self._model.task)
            carried = tuple(str(self._model.names[i]) for i in range(len(self._model.names)))
        except Exception as error:
            raise ModelUnreadable(
                f"{file.name}: ultralytics cannot load this checkpoint ({_reason(error)}): "
                "export it to ONNX with the version that made it"
            ) from error
        if task not in {"detect", "segment"} or spec.task not in {"auto", "detect", task}:
            raise WrongTask(f"{file.name} does {task}: only detectors and segmenters are read from .pt files")
        self.task: Literal["detect", "segment"] = "segment" if task == "segment" else "detect"
        """What it gives."""
        self._name = file.name
        self._labels = choose_labels(file.name, len(carried), labels_of_spec(spec), carried)
        self._wanted = class_ids(self._labels, spec.classes)
        self._spec = spec
        self._lock = threading.Lock()

    @property
    def name(self) -> str:
        """The name shown to people."""
        return self._name

    @property
    def labels(self) -> tuple[str, ...]:
        """All labels, by class id."""
        return self._labels

    @property
    def description(self) -> str:
        """What it runs on, in words."""
        return f"ultralytics f32 on {self._device or 'auto'}"

    @property
    def _device(self) -> str | None:
        return None if self._spec.device == "auto" else self._spec.device

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return one `Detections` per frame.

        Raises:
            ModelUnavailable: the engine failed, or the model was closed.
        """
        with self._lock:
            return [self._detect(frame) for frame in frames]

    def close(self) -> None:
        """Free the checkpoint; idempotent."""
        with self._lock:
            self._model = None

    def _detect(self, frame: Frame) -> Detections:
        if self._model is None:
            raise ModelUnavailable("the model was closed: load it again to use it")
        width, height = self._spec.input_size or (_DEFAULT_SIDE, _DEFAULT_SIDE)
        try:
            result = self._model.predict(
                np.ascontiguousarray(frame.bgr),
                imgsz=(height, width),
                rect=False,
                conf=self._spec.confidence,
                iou=self._spec.iou,
                max_det=self._spec.max_detections,
                classes=None if self._wanted is None else sorted(self._wanted),
                device=self._device,
                half=self._spec.precision == "f16",
                retina_masks=True,
                verbose=False,
            )[0]
        except Exception as error:
            raise ModelUnavailable(f"{self._name}: ultralytics failed ({_reason(error)})") from error
        boxes = result.boxes.cpu().numpy()
        xyxy = np.asarray(boxes.xyxy, np.float32).reshape(-1, 4)
        masks = None if result.masks is None else _cut(result.masks.data.cpu().numpy() > 0, xyxy)
        if masks is None and self.task == "segment":
            masks = Masks((), np.zeros((0, 2), np.int32))
        return Detections(
            xyxy,
            np.asarray(boxes.conf, np.float32).reshape(-1),
            np.asarray(boxes.cls, np.int32).reshape(-1),
            self._labels,
            masks=masks,
        )


def _cut(full: np.ndarray[Any, np.dtype[np.bool_]], xyxy: np.ndarray[Any, np.dtype[np.float32]]) -> Masks:
    """Return (N, H, W) masks, cut to their boxes."""
    height, width = full.shape[1:]
    bits, origins = [], []
    for mask, (x1, y1, x2, y2) in zip(full, xyxy.tolist(), strict=True):
        left, top = min(max(int(x1), 0), width - 1), min(max(int(y1), 0), height - 1)
        bits.append(mask[top : max(top + 1, int(np.ceil(y2))), left : max(left + 1, int(np.ceil(x2)))])
        origins.append((left, top))
    return Masks(tuple(bits), np.array(origins, np.int32).reshape(-1, 2))


def _reason(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return (lines[0] if lines else type(error).__name__)[:300]
