import contextlib
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.errors import SpecError
from argus.core.resources.regions import CrowdSpec, LineSpec, ZoneSpec

SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


def refusal(spec: type[ZoneSpec | LineSpec | CrowdSpec], **fields: Any) -> str:
    with pytest.raises(SpecError) as caught:
        spec.read(fields, "gate.yaml", at=("zones", "yard"))
    return str(caught.value).removeprefix("gate.yaml: zones.yard")


def test_a_polygon_with_two_points_is_refused() -> None:
    message = refusal(ZoneSpec, polygon=[[0.1, 0.1], [0.9, 0.9]])
    assert message == ": a polygon needs at least 3 points, this one has 2"


def test_a_polygon_that_crosses_itself_is_refused_with_the_place() -> None:
    message = refusal(ZoneSpec, polygon=[[0, 0], [1, 1], [1, 0], [0, 1]])
    assert message == ": the polygon crosses itself (Self-intersection[0.5 0.5]): give its corners in order"


def test_a_polygon_outside_the_picture_is_refused() -> None:
    message = refusal(ZoneSpec, polygon=[[0, 0], [1.5, 0], [1, 1]])
    assert message == (
        ": the polygon has a point (1.5, 0) outside the picture: relative coordinates run from 0 to 1"
        " (for pixels, say `units: pixels`)"
    )
    message = refusal(ZoneSpec, polygon=[[0, 0], [100, -5], [100, 100]], units="pixels")
    assert message == ": the polygon has a point (100, -5) outside the picture: pixels start at 0"


@pytest.mark.parametrize(
    "points",
    [[[0, 0], [0.5, 0.5], [1, 1]], [[0.3, 0.3]] * 4, [[0.1, 0.2], [0.9, 0.2], [0.5, 0.2], [0.2, 0.2]]],
)
def test_a_polygon_of_zero_area_is_refused(points: list[list[float]]) -> None:
    assert refusal(ZoneSpec, polygon=points) == ": the polygon has no area: its points lie on one line"


@pytest.mark.parametrize("bad", [math.nan, math.inf, -math.inf])
def test_a_coordinate_that_is_no_number_is_refused(bad: float) -> None:
    message = refusal(ZoneSpec, polygon=[[0, 0], [bad, 0], [1, 1]])
    assert message == f".polygon.1: a coordinate must be a finite number (got [{bad}, 0])"


def test_a_point_of_three_numbers_is_refused() -> None:
    message = refusal(ZoneSpec, polygon=[[0, 0, 0], [1, 0], [1, 1]])
    assert message == ".polygon.0: list should have at most 2 items, not 3 (got [0, 0, 0])"


def test_a_line_without_length_or_outside_the_picture_is_refused() -> None:
    message = refusal(LineSpec, **{"from": [0.5, 0.5], "to": [0.5, 0.5]})
    assert message == ": the line has no length: `from` and `to` are the same point"
    assert "the line has a point (2, 0.5) outside" in refusal(
        LineSpec, **{"from": [0.5, 0.5], "to": [2, 0.5]}
    )


def test_a_crowd_of_one_is_refused() -> None:
    assert refusal(CrowdSpec, count=1) == ".count: input should be greater than or equal to 2 (got 1)"


def test_durations_have_units_or_are_seconds() -> None:
    zone = ZoneSpec.read({"polygon": SQUARE, "dwell": "1.5m", "enter_after": "250ms", "exit_after": 2}, "z")
    assert (zone.dwell, zone.enter_after, zone.exit_after) == (90.0, 0.25, 2.0)
    message = refusal(ZoneSpec, polygon=SQUARE, dwell="3")
    assert message == ".dwell: '3' is no duration: write a number and a unit, such as 500ms, 5s or 2m"


def test_one_class_needs_no_list() -> None:
    assert ZoneSpec.read({"polygon": SQUARE, "classes": "person"}, "z").classes == ("person",)


def test_a_closed_polygon_may_repeat_its_first_corner() -> None:
    assert ZoneSpec.read({"polygon": [*SQUARE, SQUARE[0]]}, "z").polygon[-1] == (0.1, 0.1)


@given(st.lists(st.tuples(st.floats(), st.floats()), max_size=8), st.sampled_from(["relative", "pixels"]))
def test_any_list_of_points_is_a_zone_or_refused(points: list[tuple[float, float]], units: str) -> None:
    with contextlib.suppress(SpecError):
        zone = ZoneSpec.read({"polygon": points, "units": units}, "z")
        assert len(zone.polygon) >= 3
