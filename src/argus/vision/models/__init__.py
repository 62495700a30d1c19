"""Models: weights in, detections, classes, masks and embeddings out.

`load_model` and its kin are the door; `protocols` says what a model can do. Importing this loads
no engine.
"""

from argus.core.resources.model import ModelSpec
from argus.vision.models.load import (
    find_weights,
    load_classifier,
    load_detector,
    load_embedder,
    load_model,
    load_segmenter,
    task_of,
)
from argus.vision.models.protocols import (
    AsyncDetector,
    Classification,
    Classifier,
    Detector,
    Embedder,
    Pending,
    Segmenter,
)

__all__ = [
    "AsyncDetector",
    "Classification",
    "Classifier",
    "Detector",
    "Embedder",
    "ModelSpec",
    "Pending",
    "Segmenter",
    "find_weights",
    "load_classifier",
    "load_detector",
    "load_embedder",
    "load_model",
    "load_segmenter",
    "task_of",
]
