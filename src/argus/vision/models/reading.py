"""From the outputs of one picture to its detections: decode, filter, remove doubles, scale back.

Pure but for one warning; what runs networks is `argus.vision.models.detector`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from argus.core.detections import Detections
from argus.vision.models.doubts import DoubtfulDetections, best_doubts
from argus.vision.models.engines.protocol import Arrays
from argus.vision.models.layouts.layout import BoxLayout, Candidates
from argus.vision.models.masks import cut_masks
from argus.vision.models.nms import MOST_CANDIDATES, non_maximum_suppression
from argus.vision.models.preparation import Geometry


@dataclass(frozen=True, slots=True)
class Thresholds:
    """What is kept of a network's proposals."""

    confidence: float
    iou: float
    limit: int
    """At most so many objects per picture."""
    class_ids: frozenset[int] | None = None
    """Only these; None: all."""


def read_outputs(
    layout: BoxLayout,
    outputs: Arrays,
    geometry: Geometry,
    thresholds: Thresholds,
    labels: tuple[str, ...],
    doubts: float | None = None,
) -> tuple[Detections, int]:
    """Return what one picture shows, the surest first, and how many proposals were not finite.

    Args:
        layout: How the network is read.
        outputs: Its outputs for this picture.
        geometry: Where the picture lies on the canvas.
        thresholds: What is kept.
        labels: By class id.
        doubts: Score from which on the best of what is left out is told too, as `DoubtfulDetections`.
    """
    least = thresholds.confidence if doubts is None else min(doubts, thresholds.confidence)
    # Broken numbers are left out below; numpy need not warn of each.
    with np.errstate(all="ignore"):
        found = layout.decode(outputs, geometry.canvas_wh, least)
    if doubts is None:
        found, strange = _sound(found, len(labels), thresholds.class_ids)
        left_out = None
    else:
        found, strange = _sound(found, len(labels), None)
        keep = found.confidence > thresholds.confidence
        if thresholds.class_ids is not None:
            keep &= np.isin(found.class_id, list(thresholds.class_ids))
        left_out = found.take(np.flatnonzero(~keep))
        found = found.take(np.flatnonzero(keep))
    if layout.has_doubles:
        best = non_maximum_suppression(
            found.xyxy, found.confidence, found.class_id, thresholds.iou, thresholds.limit
        )
    else:
        best = np.argsort(-found.confidence, kind="stable")[: thresholds.limit]
    found = found.take(best)
    xyxy = geometry.to_picture(found.xyxy)
    visible = (xyxy[:, 2] > xyxy[:, 0]) & (xyxy[:, 3] > xyxy[:, 1])
    if not visible.all():
        found, xyxy = found.take(np.flatnonzero(visible)), xyxy[visible]
    masks = None
    if found.coefficients is not None and found.prototypes is not None:
        masks = cut_masks(found.coefficients, found.prototypes, xyxy, geometry)
    confidence = np.minimum(found.confidence, np.float32(1))
    if left_out is None or not len(left_out.confidence):
        return Detections(xyxy, confidence, found.class_id, labels, masks=masks), strange
    best_left_out = best_doubts(left_out, found)
    doubtful = None
    if best_left_out is not None:
        places = geometry.to_picture(best_left_out.xyxy)
        doubtful = Detections(places, best_left_out.confidence, best_left_out.class_id, labels)
    return DoubtfulDetections(xyxy, confidence, found.class_id, labels, masks=masks, doubts=doubtful), strange


def _is_sound(found: Candidates, classes: int) -> bool:
    """Return whether nothing need be left out, which is nearly always so and soon told."""
    ids = found.class_id
    if not 0 < len(ids) <= MOST_CANDIDATES:
        return not len(ids)
    return bool(np.isfinite(found.xyxy).all()) and int(ids.min()) >= 0 and int(ids.max()) < classes


def _sound(found: Candidates, classes: int, wanted: frozenset[int] | None) -> tuple[Candidates, int]:
    """Return the candidates that are finite, known and wanted, and how many were not finite."""
    if wanted is None and found.coefficients is None and _is_sound(found, classes):
        return found, found.not_finite
    finite = np.isfinite(found.xyxy).all(axis=1)
    if found.coefficients is not None:
        finite &= np.isfinite(found.coefficients).all(axis=1)
    strange = found.not_finite + int(np.count_nonzero(~finite))
    keep = finite & (found.class_id >= 0) & (found.class_id < classes)
    if wanted is not None:
        keep &= np.isin(found.class_id, list(wanted))
    if not keep.all():
        found = found.take(np.flatnonzero(keep))
    if len(found.confidence) > MOST_CANDIDATES:
        found = found.take(np.argpartition(-found.confidence, MOST_CANDIDATES)[:MOST_CANDIDATES])
    return found, strange
