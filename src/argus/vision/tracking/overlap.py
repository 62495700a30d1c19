"""Which of many boxes overlap which, and how much: the candidate pairs of an association.

A cheap test over all pairs (one matrix product) leaves the few that can overlap; only for those is the
intersection over union computed. `argus.core.geometry.iou_matrix` is the plain form, for few boxes.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.intp]
ROWS = 6
"""Rows of the arrays here: two that are filled in, then x1, y1, -x2, -y2 of each box."""
SIGNS = np.array([[1.0], [1.0], [-1.0], [-1.0]])
"""What turns corners (4, N) x1, y1, x2, y2 into the form used here, and back."""
_TINY = 1e-9


def overlapping(
    boxes: NDArray[np.float64], split: int, least: float, group: NDArray[np.int64] | None = None
) -> tuple[Index, NDArray[np.float64]]:
    """Return the pairs of one of the first boxes and one of the others that overlap.

    Two boxes overlap only if the distance of their centres, squared, is below ((w + w')² + (h + h')²) / 4.
    With the upper corners negated this reads `a·b + q + q' > 0`, where q = -(x1·x2 + y1·y2): one matrix
    product tests all pairs. The larger of two entries is then also the inner one in every row.

    Args:
        boxes: (ROWS, T + N) boxes; the first two rows are overwritten.
        split: T, how many boxes belong to the first set.
        least: Pairs are returned whose intersection over union is above this, which is at least 0.
        group: (T + N,) only boxes of the same group make a pair; None where all may.

    Returns:
        (2, K) columns of `boxes`: one below T, ascending, and one from T on; and their intersection over
        union (K,). Boxes without area, or turned inside out, overlap nothing.
    """
    low, high = boxes[2:4], boxes[4:6]
    product = low * high
    np.add(product[0], product[1], out=boxes[0])
    boxes[1, split:] = boxes[0, split:]
    boxes[0, split:] = 1.0
    boxes[1, :split] = 1.0
    sides = np.add(low, high, out=product)
    area = sides[0] * sides[1]

    near = boxes[:, :split].T @ boxes[:, split:]
    flat = (near > 0.0).ravel().nonzero()[0]
    pairs = np.empty((2, len(flat)), np.intp)
    rows, columns = pairs
    n = near.shape[1]
    np.floor_divide(flat, n, out=rows)
    # Column + T = flat - row · N + T.
    np.multiply(rows, -n, out=columns)
    flat += split
    columns += flat

    both = boxes[2:].take(pairs, axis=1)
    inner = np.maximum(both[:, 0], both[:, 1])
    sides = inner[:2] + inner[2:]
    np.minimum(sides, 0.0, out=sides)
    shared = sides[0]
    shared *= sides[1]
    areas = area.take(pairs)
    union = areas[0]
    union += areas[1]
    union -= shared
    np.maximum(union, _TINY, out=union)
    shared /= union
    enough = shared > least
    if group is not None:
        groups = group.take(pairs)
        enough &= groups[0] == groups[1]
    keep = enough.nonzero()[0]
    return pairs.take(keep, axis=1), shared.take(keep)
