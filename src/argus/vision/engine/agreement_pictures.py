"""What two models saw in one frame, side by side: the live one left, the candidate right.

What both saw has a thin grey frame and no name; what one saw alone has its colour and a name, and a dashed
frame at the same place in the other's picture. Draws only; what is worth drawing is decided elsewhere.
"""

from __future__ import annotations

from typing import Final, cast

import cv2
import numpy as np

from argus.core.detections import Detections
from argus.core.frame import Frame, Image
from argus.vision.chips import Chips
from argus.vision.engine.agreement_matching import Comparison
from argus.vision.palette import INK, Color
from argus.vision.strokes import draw_box

Box = tuple[int, int, int, int]

BOTH: Final[Color] = (214, 214, 214)
ONLY_LIVE: Final[Color] = (32, 160, 250)
ONLY_CANDIDATE: Final[Color] = (245, 186, 72)
_SIDE: Final = 640
"""Pixels of the longer side of each half at most."""
_GAP: Final = 4


def draw_comparison(frame: Frame, comparison: Comparison, names: tuple[str, str]) -> Image:
    """Return both views beside each other, (H, W, 3) BGR, each at most 640 pixels wide and high.

    Args:
        frame: The picture that both looked at; it is made small first, never in full.
        comparison: What they saw in it.
        names: The live model and the candidate, as people call them.
    """
    scale = min(1.0, _SIDE / max(frame.width, frame.height))
    width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
    left = frame.resized(width, height, "bgr")
    right = left.copy()
    factor = (width / frame.width, height / frame.height)
    live = _boxes(comparison.live, factor)
    candidate = _boxes(comparison.candidate, factor)
    chips = Chips(max(11, min(16, round(width / 40))))
    for image, boxes, row in ((left, live, 0), (right, candidate, 1)):
        for i in comparison.matched[row].tolist():
            cv2.rectangle(image, boxes[i][:2], boxes[i][2:], BOTH, 1)
    # An object that has two names lies in both pictures already.
    for i in np.setdiff1d(comparison.only_live, comparison.confused[0]).tolist():
        _dashed(right, live[i], ONLY_LIVE)
    for i in np.setdiff1d(comparison.only_candidate, comparison.confused[1]).tolist():
        _dashed(left, candidate[i], ONLY_CANDIDATE)
    _mark(left, live, comparison.only_live.tolist(), comparison.live, ONLY_LIVE, chips)
    _mark(right, candidate, comparison.only_candidate.tolist(), comparison.candidate, ONLY_CANDIDATE, chips)
    heads = (f"live: {names[0]}", f"candidate: {names[1]}")
    sheet = np.full((height + chips.height, 2 * width + _GAP, 3), INK, np.uint8)
    for x, image, head, color in ((0, left, 0, ONLY_LIVE), (width + _GAP, right, 1, ONLY_CANDIDATE)):
        sheet[chips.height :, x : x + width] = image
        alone = len(comparison.only_candidate if head else comparison.only_live)
        after = chips.paste(sheet[:, x : x + width], heads[head], (0, 0), INK)
        chips.paste(sheet[:, x : x + width], f"{alone} alone", (after, 0), color if alone else INK)
    return sheet


def _boxes(detections: Detections, factor: tuple[float, float]) -> list[Box]:
    boxes = np.round(np.nan_to_num(detections.xyxy) * np.array(factor * 2, np.float32))
    return cast("list[Box]", [tuple(box) for box in boxes.astype(np.int32).tolist()])


def _mark(
    image: Image, boxes: list[Box], index: list[int], detections: Detections, color: Color, chips: Chips
) -> None:
    """Draw the boxes at `index` with their names; a name that finds no room is left out."""
    for i in index:
        x1, y1, x2, y2 = boxes[i]
        thick = 2 if min(x2 - x1, y2 - y1) >= 40 else 1
        cv2.rectangle(image, (x1, y1), (x2, y2), INK, thick + 2)
        draw_box(image, boxes[i], color, thick)
    names, taken = detections.class_name, list[Box]()
    for i in sorted(index, key=lambda i: -detections.confidence[i]):
        x1, y1, _, y2 = boxes[i]
        text = f"{names[i]} {detections.confidence[i]:.2f}"
        width = chips.width(text, color)
        left = max(0, min(x1 - 1, image.shape[1] - width))
        for top in (y1 - chips.height, y2 + 1, y1 + 1):
            place = (left, top, left + width, top + chips.height)
            if 0 <= top <= image.shape[0] - chips.height and not any(_meet(place, t) for t in taken):
                chips.paste(image, text, (left, top), color)
                taken.append(place)
                break


def _meet(a: Box, b: Box) -> bool:
    return a[0] < b[2] and b[0] < a[2] and a[1] < b[3] and b[1] < a[3]


def _dashed(image: Image, box: Box, color: Color, dash: int = 5) -> None:
    x1, y1, x2, y2 = box
    for x in range(x1, x2, 2 * dash):
        for y in (y1, y2):
            cv2.line(image, (x, y), (min(x + dash, x2), y), color, 1)
    for y in range(y1, y2, 2 * dash):
        for x in (x1, x2):
            cv2.line(image, (x, y), (x, min(y + dash, y2)), color, 1)
