from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.detections import Detections, Masks
from argus.core.geometry import anchor_points, box_area, iou_matrix

BOXES = np.array([[0, 0, 10, 10], [5, 5, 15, 15], [20, 20, 20, 30]], np.float32)


def three(**fields: Any) -> Detections:
    scores, class_id = np.array([0.9, 0.8, 0.7], np.float32), np.array([0, 1, 0], np.int32)
    return replace(Detections(BOXES, scores, class_id, ("person", "car")), **fields)


def test_overlap_is_of_intersection_and_union() -> None:
    overlap = iou_matrix(BOXES, BOXES)
    assert overlap[0, 0] == pytest.approx(1.0)
    assert overlap[0, 1] == overlap[1, 0] == pytest.approx(25 / 175)
    assert overlap[0, 2] == overlap[2, 2] == 0.0


def test_a_box_turned_inside_out_has_no_area() -> None:
    assert box_area(np.array([[10, 10, 0, 0]], np.float32)).tolist() == [0.0]


def test_anchors_are_middles_of_the_lower_edge_the_box_and_the_upper_edge() -> None:
    box = np.array([[0, 0, 10, 20]], np.float32)
    assert [anchor_points(box, a)[0].tolist() for a in ("bottom", "center", "top")] == [
        [5, 20],
        [5, 10],
        [5, 0],
    ]


@given(st.lists(st.tuples(*[st.floats(-1e4, 1e4, width=32)] * 4), min_size=1, max_size=20))
def test_overlap_lies_between_0_and_1_and_is_the_same_both_ways(corners: list[tuple[float, ...]]) -> None:
    boxes = np.array(corners, np.float32)
    overlap = iou_matrix(boxes, boxes)
    assert ((overlap >= 0) & (overlap <= 1 + 1e-5)).all()
    assert np.allclose(overlap, overlap.T)


def test_arrays_of_different_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match=r"confidence: shape \(2,\), expected \(3,\)"):
        Detections(BOXES, np.zeros(2, np.float32), np.zeros(3, np.int32), ("a",))
    with pytest.raises(ValueError, match=r"track_id: shape \(1,\), expected \(3,\)"):
        three(track_id=np.zeros(1, np.int64))


def test_taking_some_takes_all_that_belongs_to_them() -> None:
    bits = tuple(np.full((2, 2), n % 2 == 0) for n in range(3))
    masks = Masks(bits, np.array([[0, 0], [5, 5], [20, 20]], np.int32))
    some = three(track_id=np.array([7, 0, 9]), masks=masks).take(np.array([True, False, True]))
    assert some.track_id is not None
    assert some.track_id.tolist() == [7, 9]
    assert some.masks is not None
    assert some.masks.full(1, 30, 30)[20:22, 20:22].all()
    assert some.class_name == ["person", "person"]


def test_as_json_a_detection_without_a_confirmed_track_has_null() -> None:
    rows = three(track_id=np.array([7, 0, 9])).to_json()
    assert rows[0] == {"class": "person", "confidence": 0.9, "xyxy": [0, 0, 10, 10], "track_id": 7}
    assert rows[1]["track_id"] is None
    assert "track_id" not in three().to_json()[0]
