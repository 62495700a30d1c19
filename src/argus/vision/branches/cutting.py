"""Parts of pictures: where a box with its margin lies, and its pixels, made without the rest of the picture.

Arithmetic and slices; who is to be looked at is `choosing`.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from argus.core.detections import Detections
from argus.core.frame import Frame, Image, Picture
from argus.vision.branches.finding import Box
from argus.vision.crop_view import Divisible
from argus.vision.pictures import ArrayPicture

Cut = tuple[int, int, int, int]
"""Left, right, top and bottom of a part of a picture, in whole pixels."""


def cut(frame: Frame, xyxy: Box | None, margin: float) -> Cut | None:
    """Return the edges that show a box with its margin; None for the whole frame.

    Always inside the picture, and never empty.
    """
    if xyxy is None:
        return None
    x1, y1, x2, y2 = xyxy
    wide, high = (x2 - x1) * margin, (y2 - y1) * margin
    return (*_run(x1 - wide, x2 + wide, frame.width), *_run(y1 - high, y2 + high, frame.height))


def _run(first: float, last: float, size: int) -> tuple[int, int]:
    begin = min(max(0, math.floor(first)), size - 1)
    return begin, min(size, max(begin + 1, math.ceil(last)))


def evened(frame: Frame, place: Cut) -> Cut:
    """Return the same part up to the next even edges, or the picture's own.

    A decoder stores one colour for two pixels: such a part is made without the rest of the picture.
    """
    left, right, top, bottom = place
    return (
        left - left % 2,
        min(right + right % 2, frame.width),
        top - top % 2,
        min(bottom + bottom % 2, frame.height),
    )


def moved(detections: Detections, x: int, y: int) -> Detections:
    """Return what was found in a crop, in coordinates of the frame that the crop was cut from at x, y."""
    masks = detections.masks
    if masks is not None:
        masks = replace(masks, origins=masks.origins + np.array((x, y), masks.origins.dtype))
    return replace(detections, xyxy=detections.xyxy + np.array((x, y, x, y), np.float32), masks=masks)


def pixels(frame: Frame, xyxy: Box | None, margin: float) -> Image:
    """Return the (H, W, 3) BGR pixels of a box with its margin; of the whole frame where there is no box."""
    place = cut(frame, xyxy, margin)
    if place is None:
        return frame.bgr
    left, right, top, bottom = place
    around = evened(frame, place)
    made = part(frame, around).bgr()
    return made[top - around[2] : bottom - around[2], left - around[0] : right - around[0]]


def part(frame: Frame, place: Cut) -> Picture:
    """Return a part of a frame's picture; its pixels are made when somebody asks."""
    left, right, top, bottom = place
    if isinstance(frame.picture, Divisible):
        return frame.picture.part(left, top, right - left, bottom - top)
    return ArrayPicture(frame.bgr[top:bottom, left:right])
