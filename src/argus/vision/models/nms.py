"""Which of many overlapping candidates stand for one object each.

Pure functions over arrays. What makes candidates of a network's outputs is in `layouts`.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from argus.core.geometry import iou_matrix

MOST_CANDIDATES = 30_000
"""More than this are never compared; the best remain."""
_TOGETHER = 768
"""Up to here one matrix of all overlaps is cheaper than a row for each object that is kept."""


def non_maximum_suppression(
    xyxy: NDArray[np.float32],
    confidence: NDArray[np.float32],
    class_id: NDArray[np.int32],
    iou: float,
    limit: int,
) -> NDArray[np.intp]:
    """Return the indices of the boxes to keep, the best first.

    Args:
        xyxy: (N, 4) corners in pixels.
        confidence: (N,) scores.
        class_id: (N,) classes; boxes of different classes never suppress each other.
        iou: boxes that overlap a better one of their class by more than this are dropped.
        limit: at most so many are kept.

    Source: greedy suppression as in Girshick et al., "Rich feature hierarchies", CVPR 2014.
    """
    order = np.argsort(-confidence, kind="stable")[:MOST_CANDIDATES]
    if len(order) <= _TOGETHER:
        kept = _by_matrix(xyxy[order], class_id[order], iou, limit)
    else:
        kept = _by_row(xyxy[order], class_id[order], iou, limit)
    return order[kept]


def _by_matrix(
    xyxy: NDArray[np.float32], class_id: NDArray[np.int32], iou: float, limit: int
) -> NDArray[np.intp]:
    clashes = iou_matrix(xyxy, xyxy) > iou
    if (class_id != class_id[:1]).any():
        clashes &= class_id[:, None] == class_id
    dropped = np.zeros(len(xyxy), np.bool_)
    # Most boxes clash with nothing but themselves: only the others are looked at one by one.
    for i in (clashes.sum(axis=1) > 1).nonzero()[0].tolist():
        if not dropped[i]:
            dropped[i + 1 :] |= clashes[i, i + 1 :]
    return (~dropped).nonzero()[0][:limit]


def _by_row(
    xyxy: NDArray[np.float32], class_id: NDArray[np.int32], iou: float, limit: int
) -> NDArray[np.intp]:
    kept: list[int] = []
    left = np.arange(len(xyxy))
    while len(left) and len(kept) < limit:
        best, left = int(left[0]), left[1:]
        kept.append(best)
        overlap = iou_matrix(xyxy[best : best + 1], xyxy[left])[0]
        left = left[(overlap <= iou) | (class_id[left] != class_id[best])]
    return np.array(kept, np.intp)
