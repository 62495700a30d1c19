"""Average precision against ground truth, computed by hand beside it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.detections import Detections
from argus.vision.evaluation import GroundTruth, average_precision, evaluate, match

LABELS = ("person", "vehicle")


def detections(*rows: tuple[float, float, float, float, float, int]) -> Detections:
    table = np.array(rows, np.float32).reshape(-1, 6)
    return Detections(table[:, :4], table[:, 4], table[:, 5].astype(np.int32), LABELS)


def truth(*rows: tuple[float, float, float, float, int, bool]) -> GroundTruth:
    table = np.array(rows, np.float64).reshape(-1, 6)
    return GroundTruth(table[:, :4].astype(np.float32), table[:, 4].astype(np.int32), table[:, 5] > 0)


def test_finding_everything_and_nothing_else_is_worth_one() -> None:
    score = evaluate([detections((0, 0, 10, 10, 0.9, 0))], [truth((0, 0, 10, 10, 0, False))], LABELS)
    assert score.mean == 1.0
    assert math.isnan(score.classes[1].average_precision)


def test_a_missed_object_costs_its_share() -> None:
    score = evaluate(
        [detections((0, 0, 10, 10, 0.9, 0))],
        [truth((0, 0, 10, 10, 0, False), (50, 50, 60, 60, 0, False))],
        LABELS,
    )
    assert score.mean == pytest.approx(0.5)


def test_the_curve_is_the_one_worked_out_by_hand() -> None:
    # Ranked hit, miss, hit, miss, hit of 4 objects: precision 1, 2/3, 3/5 at recall 1/4, 2/4, 3/4.
    confidence = np.array([0.9, 0.8, 0.7, 0.6, 0.5], np.float32)
    hit = np.array([True, False, True, False, True])
    assert average_precision(confidence, hit, 4) == pytest.approx((1 + 2 / 3 + 3 / 5) / 4)


def test_precision_at_a_recall_is_the_best_to_be_had_at_that_recall_or_beyond() -> None:
    confidence = np.array([0.9, 0.8, 0.7], np.float32)
    hit = np.array([False, True, True])
    assert average_precision(confidence, hit, 2) == pytest.approx(2 / 3)


def test_an_object_is_found_once_and_by_the_surest() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 11]], np.float32)
    one = np.array([[0, 0, 10, 10]], np.float32)
    hit, counted = match(boxes, np.array([0.5, 0.9], np.float32), one, np.array([False]), 0.5)
    assert hit.tolist() == [False, True]
    assert counted.tolist() == [True, True]


def test_a_detection_takes_the_object_it_overlaps_most_among_the_free() -> None:
    boxes = np.array([[0, 0, 10, 10], [0, 0, 10, 10]], np.float32)
    two = np.array([[0, 0, 10, 10], [0, 2, 10, 12]], np.float32)
    hit, _ = match(boxes, np.array([0.9, 0.8], np.float32), two, np.array([False, False]), 0.5)
    assert hit.all()


def test_ignored_objects_are_no_fault_to_miss_and_no_merit_to_find() -> None:
    there = truth((0, 0, 10, 10, 0, False), (50, 50, 60, 60, 0, True))
    missed = evaluate([detections((0, 0, 10, 10, 0.9, 0))], [there], LABELS)
    found = evaluate([detections((0, 0, 10, 10, 0.8, 0), (50, 50, 60, 60, 0.9, 0))], [there], LABELS)
    assert missed.mean == found.mean == 1.0
    assert found.classes[0].false == 0
    assert found.classes[0].objects == 1


def test_a_detection_of_part_of_an_ignored_object_is_not_counted() -> None:
    there = truth((0, 0, 10, 10, 0, False), (50, 50, 90, 90, 0, True))
    score = evaluate([detections((0, 0, 10, 10, 0.8, 0), (50, 50, 60, 60, 0.9, 0))], [there], LABELS)
    assert score.classes[0].false == 0


def test_the_right_box_of_the_wrong_class_is_a_miss_and_a_false_alarm() -> None:
    score = evaluate([detections((0, 0, 10, 10, 0.9, 1))], [truth((0, 0, 10, 10, 0, False))], LABELS)
    person, vehicle = score.classes
    assert (person.average_precision, person.found) == (0.0, 0)
    assert vehicle.false == 1


def test_confidences_are_ranked_across_pictures() -> None:
    pictures = [detections((0, 0, 10, 10, 0.4, 0)), detections((70, 70, 80, 80, 0.9, 0))]
    score = evaluate(pictures, [truth((0, 0, 10, 10, 0, False)), truth()], LABELS)
    assert score.mean == pytest.approx(0.5)


def test_pictures_without_their_truth_are_refused() -> None:
    with pytest.raises(ValueError, match="1 pictures detected, 0 with truth"):
        evaluate([detections()], [], LABELS)


@given(st.lists(st.tuples(st.floats(0, 1, width=32), st.booleans()), max_size=30), st.integers(1, 40))
def test_it_is_always_a_share_and_never_more_than_the_recall(
    ranked: list[tuple[float, bool]], spare: int
) -> None:
    hit = np.array([h for _, h in ranked], np.bool_)
    objects = int(hit.sum()) + spare
    area = average_precision(np.array([c for c, _ in ranked], np.float32), hit, objects)
    assert 0.0 <= area <= hit.sum() / objects + 1e-12
