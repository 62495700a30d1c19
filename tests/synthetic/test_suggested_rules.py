"""The rules suggested for the plaza are really used by its people within half a minute."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

import numpy as np
import pytest
import shapely
from numpy.typing import NDArray

from argus.core.geometry import anchor_points
from argus.core.resources.regions import CrowdSpec, LineSpec, ZoneSpec
from argus.vision.synthetic import PLAZA_CROWDS, PLAZA_LINES, PLAZA_ZONES, Plaza, PlazaTruth

FPS = 5.0


class HalfAMinute:
    """Thirty seconds of truth, asked in relative coordinates as rules do."""

    def __init__(self, plaza: Plaza) -> None:
        self.truths = [plaza.truth(index) for index in range(int(30 * FPS))]
        self._size = np.array([plaza.options.width, plaza.options.height], np.float32)

    def feet(self, truth: PlazaTruth) -> NDArray[np.float32]:
        """Return (N, 2) relative points where the objects meet the ground."""
        return (anchor_points(truth.xyxy) / self._size).astype(np.float32)

    def inside(self, truth: PlazaTruth, polygon: list[Any], class_id: int) -> set[int]:
        """Return the ids of the objects of a class that stand in the polygon."""
        within = shapely.contains_xy(shapely.Polygon(polygon), self.feet(truth)) & (
            truth.class_id == class_id
        )
        return set(truth.ids[within].tolist())


@pytest.fixture(
    scope="module", params=[{}, {"width": 960, "height": 540, "people": 9}], ids=["default", "demo"]
)
def half_a_minute(request: pytest.FixtureRequest) -> HalfAMinute:
    return HalfAMinute(Plaza(**{**request.param, "fps": FPS}))


def test_the_suggestion_is_in_the_form_of_a_pipeline() -> None:
    for spec, places in ((ZoneSpec, PLAZA_ZONES), (LineSpec, PLAZA_LINES), (CrowdSpec, PLAZA_CROWDS)):
        for name, place in places.items():
            assert name
            spec.model_validate(place)


def test_somebody_enters_the_restricted_zone_and_stays_as_long_as_its_dwell(
    half_a_minute: HalfAMinute,
) -> None:
    spec = ZoneSpec.model_validate(PLAZA_ZONES["restricted"])
    stays: dict[int, float] = defaultdict(float)
    for truth in half_a_minute.truths:
        for number in half_a_minute.inside(truth, PLAZA_ZONES["restricted"]["polygon"], 0):
            stays[number] += 1 / FPS
    assert spec.dwell is not None
    assert max(stays.values(), default=0.0) > spec.dwell + 1


def test_vehicles_drive_through_the_road_zone_both_ways(half_a_minute: HalfAMinute) -> None:
    way: dict[int, list[float]] = defaultdict(list)
    for truth in half_a_minute.truths:
        inside = half_a_minute.inside(truth, PLAZA_ZONES["road"]["polygon"], 1)
        for number, x in zip(truth.ids.tolist(), half_a_minute.feet(truth)[:, 0].tolist(), strict=True):
            if number in inside:
                way[number].append(x)
    moved = [xs[-1] - xs[0] for xs in way.values() if len(xs) > 3]
    assert max(moved) > 0.3
    assert min(moved) < -0.3


def test_people_cross_the_door_line_in_both_directions(half_a_minute: HalfAMinute) -> None:
    door = PLAZA_LINES["door"]
    (x, top), (_, bottom) = door["from"], door["to"]
    last: dict[int, float] = {}
    crossings = {"right": 0, "left": 0}
    for truth in half_a_minute.truths:
        for number, class_id, (u, v) in zip(
            truth.ids.tolist(), truth.class_id.tolist(), half_a_minute.feet(truth).tolist(), strict=True
        ):
            if class_id == 0 and top < v < bottom:
                if number in last and (last[number] - x) * (u - x) < 0:
                    crossings["right" if u > x else "left"] += 1
                last[number] = u
    assert crossings["right"] >= 1
    assert crossings["left"] >= 1


def test_a_crowd_gathers_for_longer_than_its_rule_asks(half_a_minute: HalfAMinute) -> None:
    spec = CrowdSpec.model_validate(PLAZA_CROWDS["gathering"])
    run = longest = 0.0
    for truth in half_a_minute.truths:
        enough = len(half_a_minute.inside(truth, PLAZA_CROWDS["gathering"]["polygon"], 0)) >= spec.count
        run = run + 1 / FPS if enough else 0.0
        longest = max(longest, run)
    assert longest > spec.formed_after + 3
