"""Boxes as arrays: overlap, size, anchors. Pure functions over (N, 4) corners x1, y1, x2, y2."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from argus.core.anchors import Anchor


def box_area(xyxy: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return (N,) areas in square pixels; 0 for a box turned inside out."""
    width: NDArray[np.float32] = np.maximum(xyxy[:, 2] - xyxy[:, 0], 0)
    height: NDArray[np.float32] = np.maximum(xyxy[:, 3] - xyxy[:, 1], 0)
    return width * height


def iou_matrix(a: NDArray[np.float32], b: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the intersection over union of every pair of boxes.

    Args:
        a: (N, 4) corners x1, y1, x2, y2 in pixels.
        b: (M, 4), likewise.

    Returns:
        (N, M) values in [0, 1]; a box without area scores 0 against every box.

    Source: overlap criterion of Everingham et al., "The PASCAL VOC Challenge", IJCV 2010.
    """
    wide = np.minimum(a[:, None, 2], b[:, 2])
    wide -= np.maximum(a[:, None, 0], b[:, 0])
    high = np.minimum(a[:, None, 3], b[:, 3])
    high -= np.maximum(a[:, None, 1], b[:, 1])
    np.maximum(wide, 0, out=wide)
    np.maximum(high, 0, out=high)
    wide *= high
    area = box_area(b)
    union = (area if a is b else box_area(a))[:, None] + area
    union -= wide
    np.maximum(union, np.float32(1e-9), out=union)
    wide /= union
    result: NDArray[np.float32] = wide
    return result


def anchor_points(xyxy: NDArray[np.float32], anchor: Anchor = "bottom") -> NDArray[np.float32]:
    """Return (N, 2) points x, y in pixels that stand for the boxes."""
    x = (xyxy[:, 0] + xyxy[:, 2]) * np.float32(0.5)
    y: NDArray[Any]
    if anchor == "bottom":
        y = xyxy[:, 3]
    elif anchor == "top":
        y = xyxy[:, 1]
    else:
        y = (xyxy[:, 1] + xyxy[:, 3]) * np.float32(0.5)
    return np.stack((x, y), axis=1)
