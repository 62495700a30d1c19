"""The yardstick itself: our compact MOTA and IDF1 against golden figures of another implementation."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from tests.tracking.mot import read, score


@pytest.mark.parametrize("index", [0, 1])
def test_the_metrics_agree_with_the_golden_figures(shared_data: Path, index: int) -> None:
    golden = json.loads((shared_data / "golden" / "mot_metrics.json").read_text())["sequences"][index]
    mot17 = golden["sequence"].startswith("MOT17")
    found = score(
        read(shared_data / golden["gt"], pedestrians_only=mot17), read(shared_data / golden["tracker"])
    )
    expected = golden["metrics"]
    assert found.switches == expected["num_switches"]
    assert found.misses == expected["num_misses"]
    assert found.false_positives == expected["num_false_positives"]
    assert found.mota == pytest.approx(expected["mota"], abs=1e-5)
    assert found.idf1 == pytest.approx(expected["idf1"], abs=1e-5)


def test_the_truth_itself_scores_full_marks() -> None:
    box = np.array([[0, 0, 10, 10]], np.float32)
    truth = {frame: (np.array([4]), box + frame) for frame in range(1, 5)}
    found = score(truth, truth)
    assert (found.mota, found.idf1) == (1.0, 1.0)


def test_a_change_of_id_half_way_costs_a_switch_and_half_of_the_identity() -> None:
    box = np.array([[0, 0, 10, 10]], np.float32)
    truth = {frame: (np.array([4]), box) for frame in range(1, 5)}
    answer = {frame: (np.array([1 if frame < 3 else 2]), box) for frame in range(1, 5)}
    found = score(truth, answer)
    assert (found.mota, found.idf1, found.switches) == (0.75, 0.5, 1)
