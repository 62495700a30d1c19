"""How a model's answers are held against golden ones. Pure but for reading the files."""

from __future__ import annotations

import datetime
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.geometry import iou_matrix
from argus.vision.pictures import ArrayPicture

CLEAR = 0.05
"""A golden detection this far above the threshold must be found; nothing else may stand so far above it."""
SURE = 0.15
"""A golden detection this far above the threshold may be lost at no precision."""
IOU = 0.9
CONFIDENCE = 0.03
OVERLAP = 0.5
"""Below this overlap with everything of its class an object counts as lost."""


@dataclass(slots=True)
class Score:
    """What a comparison gave, over all pictures of a golden file."""

    golden: int = 0
    """Golden detections clearly above the threshold."""
    matched: int = 0
    lost: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    extra: list[str] = field(default_factory=list)
    differences: list[float] = field(default_factory=list)
    """|confidence - golden confidence| of every pair of same class and place."""
    mask_ious: list[float] = field(default_factory=list)

    @property
    def exact(self) -> bool:
        """True where everything is as the golden file says."""
        return self.matched == self.golden and not self.extra and all(v >= IOU for v in self.mask_ious)

    @property
    def faithful(self) -> bool:
        """True where a lower precision is as good as is asked of it."""
        masks = not self.mask_ious or float(np.mean([v >= IOU for v in self.mask_ious])) >= 0.97
        return self.matched >= 0.97 * self.golden and not self.lost and masks


def golden_files(data: Path) -> list[Path]:
    """Return the files of golden detections, by name."""
    return sorted((data / "golden").glob("detections_*.json"))


def read_golden(file: Path) -> dict[str, Any]:
    """Return one golden file."""
    return cast("dict[str, Any]", json.loads(file.read_text()))


def thresholds(golden: dict[str, Any]) -> dict[str, float]:
    """Return the settings of a `ModelSpec` that the file was made with."""
    method = golden["method"]
    return {"confidence": method["conf_threshold"], "iou": method["iou_threshold"] or 0.7}


def frames(data: Path, golden: dict[str, Any]) -> Iterator[tuple[dict[str, Any], Frame]]:
    """Yield every picture of the file with what it must show."""
    for index, entry in enumerate(golden["images"]):
        pixels = cv2.imread(str(data / entry["image"]))
        assert pixels is not None, entry["image"]
        picture = ArrayPicture(cast("NDArray[np.uint8]", pixels))
        when = datetime.datetime(2026, 1, 1, tzinfo=datetime.UTC)
        yield entry, Frame(picture, "golden", index, 0.0, when, file=entry["image"])


def compare(score: Score, entry: dict[str, Any], seen: Detections, threshold: float) -> None:
    """Add one picture to the score."""
    wanted: Sequence[dict[str, Any]] = entry["detections"]
    boxes = np.array([w["xyxy"] for w in wanted], np.float32).reshape(-1, 4)
    classes = np.array([w["class_id"] for w in wanted], np.int32)
    sure = np.array([w["confidence"] for w in wanted], np.float32)
    overlap = iou_matrix(boxes, seen.xyxy)
    overlap[classes[:, None] != seen.class_id] = 0
    difference = np.abs(sure[:, None] - seen.confidence)
    for i in np.flatnonzero(sure > threshold + CLEAR).tolist():
        what = f"{entry['image']}: {wanted[i]['class_name']} {sure[i]:.3f} at {wanted[i]['xyxy']}"
        score.golden += 1
        near = np.flatnonzero(overlap[i] >= IOU)
        if len(near):
            best = near[difference[i, near].argmin()]
            score.differences.append(float(difference[i, best]))
        if len(near) and score.differences[-1] <= CONFIDENCE:
            score.matched += 1
            if "mask_rle" in wanted[i]:
                score.mask_ious.append(mask_iou(wanted[i]["mask_rle"], seen, int(best)))
        else:
            score.missed.append(what)
        if sure[i] > threshold + SURE and (not len(seen) or overlap[i].max() < OVERLAP):
            score.lost.append(what)
    strange = (seen.confidence > threshold + CLEAR) & ~(overlap >= IOU).any(axis=0)
    score.extra += [
        f"{entry['image']}: {seen.class_name[i]} {seen.confidence[i]:.3f} at {seen.xyxy[i].tolist()}"
        for i in np.flatnonzero(strange).tolist()
    ]


def mask_iou(rle: dict[str, Any], seen: Detections, i: int) -> float:
    """Return the overlap of mask `i` with a golden one (uncompressed COCO run lengths, by column)."""
    height, width = rle["size"]
    values = np.arange(len(rle["counts"])) % 2 == 1
    golden = np.repeat(values, rle["counts"]).reshape(width, height).T
    assert seen.masks is not None
    ours = seen.masks.full(i, width, height)
    union = np.count_nonzero(golden | ours)
    return float(np.count_nonzero(golden & ours) / union) if union else 1.0
