"""The MOT sequences of the shared test data: detections, ground truth, and scores of a tracker's answer.

Reading and scoring only; which trackers are compared is in `compare.py`.
"""

from __future__ import annotations

import configparser
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
TrackFrame = Callable[[Floats, Floats, float], tuple[Floats, NDArray[np.int64]]]
"""A tracker under test: boxes (N, 4), scores (N,) and time in seconds → boxes (M, 4) and their ids (M,)."""

SEQUENCES = ("MOT15/TUD-Campus", "MOT15/PETS09-S2L1", "MOT17/MOT17-02-FRCNN", "MOT17/MOT17-09-FRCNN")


@dataclass(frozen=True, slots=True, eq=False)
class Sequence:
    """One sequence in memory; only its frames that have ground truth."""

    name: str
    fps: float
    boxes: tuple[Floats, ...]
    """Per frame (N, 4) detected corners x1, y1, x2, y2 in pixels."""
    scores: tuple[Floats, ...]
    """Per frame (N,) confidences."""
    truth: tuple[Floats, ...]
    """Per frame (G, 4) true corners; in MOT17 only active pedestrians (flag 1, class 1)."""
    truth_ids: tuple[NDArray[np.int64], ...]


def load_sequence(folder: Path) -> Sequence:
    """Return the sequence in `folder`, which holds seqinfo.ini, det/det.txt and gt/*.txt."""
    header = configparser.ConfigParser()
    header.read(folder / "seqinfo.ini")
    info = header["Sequence"]
    det = np.loadtxt(folder / "det" / "det.txt", delimiter=",")
    gt = np.loadtxt(next(iter(sorted((folder / "gt").glob("*.txt")))), delimiter=",")
    if folder.name.startswith("MOT17"):
        gt = gt[(gt[:, 6] == 1) & (gt[:, 7] == 1)]
    last = min(int(info["seqLength"]), int(gt[:, 0].max()))
    det_rows = [det[det[:, 0] == k] for k in range(1, last + 1)]
    gt_rows = [gt[gt[:, 0] == k] for k in range(1, last + 1)]
    return Sequence(
        name=info["name"],
        fps=float(info["frameRate"]),
        boxes=tuple(_corners(rows) for rows in det_rows),
        scores=tuple(rows[:, 6] for rows in det_rows),
        truth=tuple(_corners(rows) for rows in gt_rows),
        truth_ids=tuple(rows[:, 1].astype(np.int64) for rows in gt_rows),
    )


def follow(sequence: Sequence, track: TrackFrame) -> Iterator[tuple[Floats, NDArray[np.int64]]]:
    """Yield what `track` answers for each frame, with the clock of the sequence."""
    for k, (boxes, scores) in enumerate(zip(sequence.boxes, sequence.scores, strict=True)):
        yield track(boxes, scores, k / sequence.fps)


def trackeval_data(sequence: Sequence, answer: list[tuple[Floats, NDArray[np.int64]]]) -> dict[str, Any]:
    """Return the answer and the truth in the form that trackeval's metrics read."""
    true_ids = {v: i for i, v in enumerate(sorted({int(v) for ids in sequence.truth_ids for v in ids}))}
    found_ids = {v: i for i, v in enumerate(sorted({int(v) for _, ids in answer for v in ids}))}
    return {
        "num_timesteps": len(answer),
        "num_gt_ids": len(true_ids),
        "num_tracker_ids": len(found_ids),
        "num_gt_dets": sum(len(ids) for ids in sequence.truth_ids),
        "num_tracker_dets": sum(len(ids) for _, ids in answer),
        "gt_ids": [np.array([true_ids[int(v)] for v in ids], dtype=int) for ids in sequence.truth_ids],
        "tracker_ids": [np.array([found_ids[int(v)] for v in ids], dtype=int) for _, ids in answer],
        "similarity_scores": [_iou(t, b) for t, (b, _) in zip(sequence.truth, answer, strict=True)],
        "seq": sequence.name,
    }


def _corners(rows: Floats) -> Floats:
    return np.concatenate((rows[:, 2:4], rows[:, 2:4] + rows[:, 4:6]), axis=1)


def _iou(a: Floats, b: Floats) -> Floats:
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.prod(np.maximum(high - low, 0.0), axis=2)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    result: Floats = inter / np.maximum(area_a[:, None] + area_b[None, :] - inter, 1e-12)
    return result
