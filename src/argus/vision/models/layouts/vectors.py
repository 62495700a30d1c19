"""Networks that give one row per picture: classifiers and re-identification embeddings.

Source of the preparation: torchvision's reference of ImageNet (shorter side 256, middle 224) and
Zhou et al., "Omni-Scale Feature Learning for Person Re-Identification", ICCV 2019.
"""

from __future__ import annotations

from argus.vision.models.crops import CropPreparation
from argus.vision.models.engines.protocol import Signature
from argus.vision.models.layouts.layout import Clues, VectorLayout
from argus.vision.models.preparation import IMAGENET, UNIT

_REID_WORDS = ("reid", "re-id", "re_id", "osnet", "embed", "deepsort", "fastreid", "market1501", "msmt17")


def recognise(signature: Signature, clues: Clues) -> VectorLayout | None:
    """Return the layout if there is one row per picture.

    A classifier and an embedder look alike from outside: the task of the spec or of the metadata
    decides, then the name of the file, then an upright canvas, which only pedestrians have.
    """
    if len(signature.outputs) != 1:
        return None
    shape = signature.outputs[0].shape
    if len(shape) == 4 and shape[2:] == (1, 1):
        shape = shape[:2]
    if len(shape) != 2 or shape[1] is None or shape[1] < 2:
        return None
    width, height = clues.canvas_wh
    upright = height >= 1.5 * width
    named = any(word in clues.name for word in _REID_WORDS)
    if clues.task == "embed" or (clues.task == "auto" and clues.classes is None and (upright or named)):
        return VectorLayout("embedding", "embed", CropPreparation(IMAGENET), shape[1])
    if clues.task not in {"auto", "classify"}:
        return None
    if "imgsz" in signature.metadata:
        # Ultralytics' classifiers see the middle of the picture, 0..1, without mean and deviation.
        return VectorLayout("classifier", "classify", CropPreparation(UNIT, min(width, height)), shape[1])
    side = round(min(width, height) * 256 / 224)
    return VectorLayout("classifier", "classify", CropPreparation(IMAGENET, side), shape[1])
