"""A model's first look, at nothing: the first real one is no slower than the others then."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import cast

import numpy as np

from argus.core.frame import Frame, Image
from argus.vision.models.load import AnyModel, task_of
from argus.vision.models.protocols import Classifier, Detector, Embedder
from argus.vision.pictures import ArrayPicture


def warm_up(model: AnyModel, size: tuple[int, int] = (480, 640)) -> None:
    """Let a model look at a batch of grey pictures of this height and width; close it where it cannot.

    Raises:
        ModelUnavailable: the engine failed at it.
    """
    try:
        _look(model, np.full((*size, 3), 114, np.uint8), max(1, int(getattr(model, "batch", 1))))
    except BaseException:
        model.close()
        raise


def _look(model: AnyModel, grey: Image, count: int) -> None:
    task = task_of(model)
    if task == "classify":
        cast("Classifier", model).classify([grey] * count)
    elif task == "embed":
        cast("Embedder", model).embed([grey] * count)
    else:
        frame = Frame(ArrayPicture(grey), "warm-up", 0, 0.0, datetime.now(UTC))
        cast("Detector", model).detect([frame] * count)
