"""How the picture itself moves when the camera pans or shakes, and moving tracks with it.

Points of the scene are followed from frame to frame on a small grey view; the objects are left out of it.

Source: Lucas and Kanade, "An Iterative Image Registration Technique", IJCAI 1981; its use for tracks is from
Aharon et al., "BoT-SORT: Robust Associations Multi-Pedestrian Tracking", arXiv:2206.14651.
"""

from __future__ import annotations

import math
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame, Image

VIEW_PIXELS = 480 * 270
"""Size of the grey view: larger sees smaller shakes, smaller costs less."""
POINTS = 200
LEAST_POINTS = 12
"""With fewer points the camera is taken to stand still: a wrong motion is worse than none."""

Motion = NDArray[np.float64]
"""(2, 3) matrix: x, y of the last frame to x, y of this one, in pixels; a similarity."""
STILL: Motion = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


class CameraMotion:
    """Estimates the motion between successive frames of one stream."""

    def __init__(self) -> None:
        self._last: Image | None = None
        self._points: NDArray[np.float32] | None = None
        self._size = (0, 0)

    def reset(self) -> None:
        """Forget the last frame."""
        self._last = self._points = None

    def since_last(self, frame: Frame, detections: Detections) -> Motion:
        """Return the motion from the frame before to this one; `STILL` for the first, and where none is sure.

        Args:
            frame: The frame; a small grey view of it is asked for.
            detections: Its objects; points on them are not used for the next motion.
        """
        scale = min(1.0, math.sqrt(VIEW_PIXELS / (frame.width * frame.height)))
        width, height = max(1, round(frame.width * scale)), max(1, round(frame.height * scale))
        view = frame.resized(width, height, "gray")
        last, points = self._last, self._points
        same_size = self._size == (frame.width, frame.height)
        self._last, self._points, self._size = (
            view,
            _points(view, detections, scale),
            (frame.width, frame.height),
        )
        if last is None or points is None or not same_size:
            return STILL
        small = _similarity(last, view, points)
        if small is None:
            return STILL
        return np.hstack((small[:, :2], small[:, 2:] / scale))


def warp(corners: NDArray[np.float64], velocity: NDArray[np.float64], motion: Motion) -> None:
    """Move boxes with the picture, in place: centres follow it, sizes scale with it.

    Args:
        corners: (4, N) x1, y1, -x2, -y2 in pixels.
        velocity: (4, N) their change per time, likewise.
        motion: What happened to the picture.
    """
    linear, shift = motion[:, :2], motion[:, 2:]
    scale = math.sqrt(abs(linear[0, 0] * linear[1, 1] - linear[0, 1] * linear[1, 0]))
    for rows, offset in ((corners, shift), (velocity, 0.0)):
        centre = linear @ ((rows[:2] - rows[2:]) * 0.5) + offset
        half = (rows[:2] + rows[2:]) * (0.5 * scale)
        rows[:2] = half + centre
        rows[2:] = half - centre


def _points(view: Image, detections: Detections, scale: float) -> NDArray[np.float32] | None:
    """Return (P, 1, 2) points of the scene that can be followed, or None where there are too few."""
    import cv2

    mask = np.full(view.shape, 255, np.uint8)
    height, width = view.shape
    boxes = detections.xyxy.astype(np.float64) * scale
    limits = np.array((width, height, width, height))
    inside = np.clip(boxes[~np.isnan(boxes).any(axis=1)], 0, limits)
    outer = np.concatenate((np.floor(inside[:, :2]), np.ceil(inside[:, 2:])), axis=1).astype(int)
    for x1, y1, x2, y2 in outer.tolist():
        mask[y1:y2, x1:x2] = 0
    found: Any = cv2.goodFeaturesToTrack(view, POINTS, 0.01, 7, mask=mask)
    return None if found is None or len(found) < LEAST_POINTS else cast("NDArray[np.float32]", found)


def _similarity(last: Image, view: Image, points: NDArray[np.float32]) -> Motion | None:
    """Return the similarity that takes points of one view to the next, or None where too few agree."""
    import cv2

    following: Any = cv2.calcOpticalFlowPyrLK(last, view, cast("Any", points), cast("Any", None))
    moved, status = following[0], following[1]
    seen = status.ravel() == 1
    if int(seen.sum()) < LEAST_POINTS:
        return None
    estimate: Any = cv2.estimateAffinePartial2D(
        points[seen], moved[seen], method=cv2.RANSAC, ransacReprojThreshold=1.5
    )
    matrix, agree = estimate
    if matrix is None or int(agree.sum()) < LEAST_POINTS:
        return None
    return np.asarray(matrix, np.float64)
