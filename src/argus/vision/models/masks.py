"""From prototypes and coefficients to silhouettes in pixels of the picture.

Only what lies in a box is ever computed: the prototypes are mixed where the box is, and the
mixture is read at the centre of every pixel of the box.

Source: Bolya et al., "YOLACT: Real-time Instance Segmentation", ICCV 2019.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Masks
from argus.vision.models.preparation import Geometry


def cut_masks(
    coefficients: NDArray[np.float32],
    prototypes: NDArray[np.float32],
    xyxy: NDArray[np.float32],
    geometry: Geometry,
) -> Masks:
    """Return one mask per box.

    Args:
        coefficients: (N, K) how much of each prototype an object is made of.
        prototypes: (K, h, w) over the whole canvas.
        xyxy: (N, 4) boxes in pixels of the picture.
        geometry: where the picture lies on the canvas.
    """
    _, high, wide = prototypes.shape
    # A prototype's column is offset + slope x the picture's column, from centre to centre.
    slope = (geometry.scale_x * wide / geometry.canvas_wh[0], geometry.scale_y * high / geometry.canvas_wh[1])
    lead = (geometry.left * wide / geometry.canvas_wh[0], geometry.top * high / geometry.canvas_wh[1])
    offset = (lead[0] + slope[0] / 2 - 0.5, lead[1] + slope[1] / 2 - 0.5)
    width, height = geometry.picture_wh
    bits, origins = [], []
    for weights, (x1, y1, x2, y2) in zip(coefficients, xyxy.tolist(), strict=True):
        left, right = _whole(x1, x2, width)
        top, bottom = _whole(y1, y2, height)
        first = _span(offset[0], slope[0], left, right, wide)
        second = _span(offset[1], slope[1], top, bottom, high)
        part = prototypes[:, second[0] : second[1], first[0] : first[1]]
        mixture = np.tensordot(weights, part, 1)
        place = np.array(
            [
                [slope[0], 0, offset[0] + slope[0] * left - first[0]],
                [0, slope[1], offset[1] + slope[1] * top - second[0]],
            ]
        )
        logits = cv2.warpAffine(
            mixture,
            place,
            (right - left, bottom - top),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        bits.append(logits > 0)  # a sigmoid above one half
        origins.append((left, top))
    return Masks(tuple(bits), np.array(origins, np.int32).reshape(-1, 2))


def _whole(low: float, high: float, size: int) -> tuple[int, int]:
    """Return the pixels between two edges, at least one."""
    first = min(max(math.ceil(low), 0), size - 1)
    return first, max(first + 1, min(math.ceil(high), size))


def _span(offset: float, slope: float, low: int, high: int, size: int) -> tuple[int, int]:
    """Return the range of prototype cells that the pixels low..high are mixed from."""
    first = min(max(math.floor(offset + slope * low), 0), size - 1)
    last = min(max(math.floor(offset + slope * (high - 1)) + 1, first), size - 1)
    return first, last + 1
