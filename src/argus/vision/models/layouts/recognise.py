"""Which layout a network has: asked of every family in turn, or named by the spec."""

from __future__ import annotations

from argus.core.errors import ModelUnreadable, UnknownName
from argus.vision.models.engines.protocol import Signature
from argus.vision.models.layouts import detr, end2end, fastestdet, nanodet, vectors, yolov5, yolov8, yolox
from argus.vision.models.layouts.layout import BoxLayout, Clues, VectorLayout

# In this order: whoever needs more to recognise a network is asked before those who need less.
_FAMILIES = (
    fastestdet.recognise,
    nanodet.recognise,
    end2end.recognise,
    yolov8.recognise,
    yolov5.recognise,
    yolox.recognise,
    detr.recognise,
    vectors.recognise,
)
NAMES = (
    "classifier",
    "detr",
    "detr-postprocessed",
    "detr-rows",
    "embedding",
    "end2end",
    "end2end-seg",
    "fastestdet",
    "nanodet",
    "nanodet-plus",
    "yolov5",
    "yolov8",
    "yolov8-seg",
    "yolox",
    "yolox-decoded",
)
"""What `layout:` may say."""


def recognise(
    signature: Signature, clues: Clues, file: str, wanted: str | None = None
) -> BoxLayout | VectorLayout:
    """Return how the network is read.

    Args:
        signature: its ports, all sizes known but that of the batch.
        clues: what else is known.
        file: how messages call it.
        wanted: the name of a layout; None: whatever fits.

    Raises:
        UnknownName: there is no such layout.
        ModelUnreadable: no layout fits, or not the wanted one.
    """
    if wanted is not None and wanted not in NAMES:
        raise UnknownName("layout", wanted, NAMES)
    if not signature.outputs or not signature.outputs[0].shape:
        raise ModelUnreadable(f"{file}: the first output of this network is no array; {signature}")
    if wanted is not None:
        layout = _as(wanted, signature, clues)
        if layout is None:
            raise ModelUnreadable(f"{file}: the layout {wanted!r} does not fit this network; {signature}")
        return layout
    for family in _FAMILIES:
        found = family(signature, clues)
        if found is not None:
            return found
    raise ModelUnreadable(
        f"{file}: the layout of this network is unknown; {signature}; "
        f"if it is one of {', '.join(NAMES)}, say so with `layout:`"
    )


def _as(name: str, signature: Signature, clues: Clues) -> BoxLayout | VectorLayout | None:
    """Return the layout of this name, taking what its shapes alone leave open as said."""
    width = signature.outputs[0].shape[-1]
    rows = len(signature.outputs[0].shape) == 3 and width is not None
    if name == "yolov5" and rows and width is not None and width > 5:
        return yolov5.YoloV5(width - 5)
    if name == "yolox-decoded" and rows and width is not None and width > 5:
        return yolox.YoloX(width - 5, decoded=True)
    if name == "detr-rows" and rows and width is not None and width > 4:
        return detr.DetrRows(width - 4)
    if name in {"classifier", "embedding"}:
        task = "classify" if name == "classifier" else "embed"
        clues = Clues(clues.canvas_wh, clues.classes, task, clues.name)
    for classes in (clues.classes, None, *_class_counts(signature)):
        told = Clues(clues.canvas_wh, classes, clues.task, clues.name)
        for family in _FAMILIES:
            found = family(signature, told)
            if found is not None and found.name == name:
                return found
    return None


def _class_counts(signature: Signature) -> tuple[int, ...]:
    """Return the numbers of classes that would make the first output one layout or another."""
    sizes = [n for n in signature.outputs[0].shape[1:] if n is not None]
    return tuple(n - k for n in sizes for k in (4, 5, 32) if n > k)
