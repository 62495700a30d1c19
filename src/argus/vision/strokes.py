"""How one thing is drawn: a box, a trail, a line with its arrows, silhouettes. Pixels in, pixels changed."""

from __future__ import annotations

from typing import Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Image
from argus.vision.palette import INK, Color
from argus.vision.stage import Way

_SHIFT: Final = 3
"""Coordinates are given to OpenCV in eighths of a pixel: trails do not tremble."""


def draw_box(image: Image, box: tuple[int, int, int, int], color: Color, thick: int) -> None:
    """A thin frame with strong corners: it marks the object without hiding it."""
    x1, y1, x2, y2 = box
    cv2.rectangle(image, (x1, y1), (x2, y2), color, thick)
    arm = max(3, min(x2 - x1, y2 - y1) // 5)
    strong = thick + 1 + thick // 3
    for x, dx in ((x1, arm), (x2, -arm)):
        for y, dy in ((y1, arm), (y2, -arm)):
            cv2.line(image, (x, y), (x + dx, y), color, strong)
            cv2.line(image, (x, y), (x, y + dy), color, strong)


def draw_trail(image: Image, way: NDArray[np.float64], color: Color, thick: int) -> None:
    """Draw an object's way, (N, 2) points from old to new: thinner and darker with age."""
    way = (way * (1 << _SHIFT)).astype(np.int32)
    third = max(1, len(way) // 3)
    for age, part in enumerate((way[-third - 1 :], way[-2 * third - 1 : -third], way[: -2 * third])):
        if len(part) > 1:
            shade = cast("Color", tuple(round(c * (1 - 0.22 * age)) for c in color))
            cv2.polylines(image, [part], False, shade, max(1, thick - age), cv2.LINE_AA, _SHIFT)


def draw_line(image: Image, line: Way, thick: int, unit: float) -> None:
    """The line, its ends, and an arrow to where `in` leads (both ways where both count)."""
    cv2.line(image, line.start, line.end, INK, thick + 2, cv2.LINE_AA)
    cv2.line(image, line.start, line.end, line.color, thick, cv2.LINE_AA)
    for end in (line.start, line.end):
        cv2.circle(image, end, thick + 2, line.color, -1, cv2.LINE_AA)
    middle = ((line.start[0] + line.end[0]) / 2, (line.start[1] + line.end[1]) / 2)
    length = 22 * unit
    for way, sign in (("in", 1.0), ("out", -1.0)):
        if line.spec.direction in {"both", way}:
            reach = length * (sign if way == "in" else 0.55 * sign)
            tip = (round(middle[0] + line.inwards[0] * reach), round(middle[1] + line.inwards[1] * reach))
            foot = (round(middle[0]), round(middle[1]))
            for color, wide in ((INK, thick + 2), (line.color, thick)):
                cv2.arrowedLine(image, foot, tip, color, wide, cv2.LINE_AA, 0, 0.4)


def draw_masks(image: Image, detections: Detections, boxes: NDArray[np.float32], colors: list[Color]) -> None:
    """Lay each silhouette's colour over the picture, with its outline."""
    masks = detections.masks
    assert masks is not None
    height, width = image.shape[:2]
    with np.errstate(divide="ignore", invalid="ignore"):
        scale = np.nan_to_num(boxes / detections.xyxy, nan=1.0, posinf=1.0, neginf=1.0)
    for bits, origin, factor, color in zip(masks.bits, masks.origins.tolist(), scale, colors, strict=True):
        shape = bits.astype(np.uint8) * 255
        fx, fy = float(factor[2]), float(factor[3])
        if shape.size == 0:
            continue
        if abs(fx - 1) > 1e-3 or abs(fy - 1) > 1e-3:
            shape = cast("NDArray[np.uint8]", cv2.resize(shape, None, fx=fx, fy=fy))
        x, y = max(0, round(origin[0] * fx)), max(0, round(origin[1] * fy))
        shape = shape[: height - y, : width - x]
        place = image[y : y + shape.shape[0], x : x + shape.shape[1]]
        if place.size == 0:
            continue
        ground = np.empty_like(place)
        ground[:] = color
        cv2.addWeighted(ground, 0.45, place, 0.55, 0.0, dst=ground)
        cv2.copyTo(ground, shape, place)
        outlines, _ = cv2.findContours(shape, cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
        cv2.drawContours(place, outlines, -1, color, 1, cv2.LINE_AA)
