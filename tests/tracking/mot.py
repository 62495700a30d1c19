"""MOT sequences of the shared data, and how well a tracker's answer fits them: MOTA and IDF1.

A compact form of the two metrics, held against golden figures in `test_mot_metrics.py`.

Source: Bernardin and Stiefelhagen, "Evaluating Multiple Object Tracking Performance: The CLEAR MOT Metrics",
2008; Ristani et al., "Performance Measures and a Data Set for Multi-Target, Multi-Camera Tracking", 2016.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from argus.core.geometry import iou_matrix

Boxes = NDArray[np.float32]
Rows = Mapping[int, tuple[NDArray[np.int64], Boxes]]
"""Per frame number: ids (N,) and corners (N, 4)."""


@dataclass(frozen=True, slots=True)
class Score:
    """How well an answer fits the truth."""

    mota: float
    idf1: float
    switches: int
    misses: int
    false_positives: int


def read(path: Path, *, pedestrians_only: bool = False) -> dict[int, tuple[NDArray[np.int64], Boxes]]:
    """Return the rows of a MOT file by frame: ids and corners; in MOT17's truth, active pedestrians alone."""
    table = np.loadtxt(path, delimiter=",")
    if pedestrians_only:
        table = table[(table[:, 6] == 1) & (table[:, 7] == 1)]
    return {
        int(frame): (rows[:, 1].astype(np.int64), corners(rows))
        for frame in np.unique(table[:, 0])
        for rows in [table[table[:, 0] == frame]]
    }


def corners(rows: NDArray[np.float64]) -> Boxes:
    """Return (N, 4) corners of MOT rows, which hold left, top, width, height from column 2 on."""
    return np.concatenate((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]), axis=1).astype(np.float32)


def score(truth: Rows, answer: Rows, least_iou: float = 0.5) -> Score:
    """Compare an answer with the truth, frame by frame and as a whole."""
    none = np.zeros(0, np.int64), np.zeros((0, 4), np.float32)
    last: dict[int, int] = {}
    together: Counter[tuple[int, int]] = Counter()
    true_frames: Counter[int] = Counter()
    found_frames: Counter[int] = Counter()
    switches = misses = false_positives = 0
    for frame in sorted({*truth, *answer}):
        true_ids, true_boxes = truth.get(frame, none)
        found_ids, found_boxes = answer.get(frame, none)
        true_frames.update(true_ids.tolist())
        found_frames.update(found_ids.tolist())
        iou = iou_matrix(true_boxes, found_boxes).astype(np.float64)
        near = iou >= least_iou
        for i, j in zip(*near.nonzero(), strict=True):
            together[int(true_ids[i]), int(found_ids[j])] += 1
        place = {int(identity): j for j, identity in enumerate(found_ids)}
        matched: dict[int, int] = {}
        for i, identity in enumerate(true_ids.tolist()):
            j = place.get(last.get(identity, -1), -1)
            if j >= 0 and near[i, j] and j not in matched.values():
                matched[i] = j
        near[list(matched), :] = False
        near[:, list(matched.values())] = False
        for i, j in zip(*linear_sum_assignment(np.where(near, 1.0 - iou, 1e6)), strict=True):
            if near[i, j]:
                matched[int(i)] = int(j)
        for i, j in matched.items():
            identity, found = int(true_ids[i]), int(found_ids[j])
            switches += last.get(identity, found) != found
            last[identity] = found
        misses += len(true_ids) - len(matched)
        false_positives += len(found_ids) - len(matched)
    objects, found_total = true_frames.total(), found_frames.total()
    rows, columns = list(true_frames), list(found_frames)
    overlap = np.array([[together[row, column] for column in columns] for row in rows], np.float64)
    agreed = overlap[linear_sum_assignment(overlap, maximize=True)].sum() if overlap.size else 0.0
    return Score(
        mota=1.0 - (misses + false_positives + switches) / objects,
        idf1=2.0 * float(agreed) / (objects + found_total),
        switches=switches,
        misses=misses,
        false_positives=false_positives,
    )
