"""How well the tracker does on real detections at its defaults: floors a little below what was measured."""

from __future__ import annotations

import configparser
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.vision.tracking import load_tracker
from tests.tracking.mot import Boxes, corners, read, score


@pytest.mark.parametrize(
    ("name", "truth", "mota", "idf1"),
    [
        ("MOT15/TUD-Campus", "gt/gt.txt", 0.58, 0.70),
        ("MOT15/PETS09-S2L1", "gt/gt_frames_0001-0069.txt", 0.56, 0.71),
        ("MOT17/MOT17-02-FRCNN", "gt/gt.txt", 0.255, 0.39),
        ("MOT17/MOT17-09-FRCNN", "gt/gt.txt", 0.54, 0.60),
    ],
)
def test_people_of_a_real_sequence_are_followed(
    shared_data: Path, name: str, truth: str, mota: float, idf1: float
) -> None:
    folder = shared_data / "mot" / name
    header = configparser.ConfigParser()
    header.read(folder / "seqinfo.ini")
    fps = float(header["Sequence"]["frameRate"])
    true = read(folder / truth, pedestrians_only=name.startswith("MOT17"))
    found = score(true, _follow(folder / "det" / "det.txt", fps, max(true)))
    assert found.mota >= mota
    assert found.idf1 >= idf1


def _follow(path: Path, fps: float, frames: int) -> dict[int, tuple[NDArray[np.int64], Boxes]]:
    table = np.loadtxt(path, delimiter=",")
    tracker = load_tracker()
    answer = {}
    for frame in range(1, frames + 1):
        rows = table[table[:, 0] == frame]
        class_id = np.zeros(len(rows), np.int32)
        given = Detections(corners(rows), rows[:, 6].astype(np.float32), class_id, ("person",))
        found = tracker.update(given, frame / fps)
        assert found.track_id is not None
        known = found.track_id > 0
        answer[frame] = found.track_id[known], found.xyxy[known]
    return answer
