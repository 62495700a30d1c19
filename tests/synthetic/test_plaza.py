"""The synthetic plaza: the same for everybody, true to what it says, and worth watching."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from argus.core.frame import Image
from argus.vision.synthetic import Plaza, PlazaOptions


@pytest.fixture(scope="module")
def plaza() -> Plaza:
    return Plaza(640, 360, fps=10, people=8, vehicles=3, seed=7)


def test_equal_options_give_equal_pictures_and_truths(plaza: Plaza) -> None:
    again = Plaza(640, 360, fps=10, people=8, vehicles=3, seed=7)
    (image, truth), (other, same) = plaza.render(123), again.render(123)
    assert np.array_equal(image, other)
    assert np.array_equal(truth.xyxy, same.xyxy)
    assert np.array_equal(truth.ids, same.ids)
    assert np.array_equal(truth.visibility, same.visibility)


def test_another_seed_gives_other_people_on_other_ways(plaza: Plaza) -> None:
    other = Plaza(640, 360, fps=10, people=8, vehicles=3, seed=8)
    assert not np.array_equal(plaza.truth(100).xyxy, other.truth(100).xyxy)


def test_any_picture_can_be_asked_for_without_the_ones_before_it() -> None:
    in_order, at_random = (Plaza(320, 180, fps=5, people=6, vehicles=2, seed=3) for _ in range(2))
    played = [in_order.render(index)[0] for index in range(40)]
    for index in (39, 0, 17, 38, 16, 1):
        assert np.array_equal(at_random.render(index)[0], played[index])


def test_the_truth_is_the_same_with_and_without_drawing(plaza: Plaza) -> None:
    drawn = plaza.render(200)[1]
    told = plaza.truth(200)
    assert np.array_equal(drawn.xyxy, told.xyxy)
    assert np.array_equal(drawn.visibility, told.visibility)


def test_a_scene_goes_on_after_a_year(plaza: Plaza) -> None:
    truth = plaza.truth(10 * 3600 * 24 * 365)
    assert len(truth) > 0
    assert np.isfinite(truth.xyxy).all()


def test_boxes_lie_in_the_picture_and_visibility_is_a_share(plaza: Plaza) -> None:
    for index in range(0, 600, 25):
        truth = plaza.truth(index)
        x1, y1, x2, y2 = truth.xyxy.T
        assert ((x1 >= 0) & (y1 >= 0) & (x2 <= 640) & (y2 <= 360)).all()
        assert ((x2 > x1) & (y2 > y1)).all()
        assert ((truth.visibility > 0) & (truth.visibility <= 1)).all()
        assert len(set(truth.ids.tolist())) == len(truth)


def test_what_differs_from_the_empty_scene_lies_inside_boxes_and_shadows(plaza: Plaza) -> None:
    empty = plaza.background()
    for index in (60, 180, 300):
        image, truth = plaza.render(index)
        unlike = _difference(image, empty)
        # Shadows fall to the right of those who cast them and are darker than the ground.
        allowed = np.zeros((360, 640), np.bool_)
        for x1, y1, x2, y2 in truth.xyxy.tolist():
            tall = y2 - y1
            allowed[max(int(y1) - 3, 0) : int(y2) + 4, max(int(x1) - 3, 0) : int(x2) + 4] = True
            allowed[
                max(int(y2 - 0.3 * tall) - 3, 0) : int(y2 + 0.4 * tall) + 4,
                int(x1) : int(x2 + 1.2 * tall) + 4,
            ] = True
        stray = unlike & ~allowed
        left_out = [box for box in np.argwhere(stray) if box[1] > 12]  # shadows of those still outside, left
        assert len(left_out) < 20


def test_every_box_that_is_well_seen_holds_its_object(plaza: Plaza) -> None:
    empty = plaza.background()
    for index in (60, 180, 300):
        image, truth = plaza.render(index)
        unlike = _difference(image, empty)
        for box, seen in zip(truth.xyxy, truth.visibility, strict=True):
            x1, y1, x2, y2 = (int(v) for v in box)
            if seen > 0.9:
                inside = unlike[y1 : y2 + 1, x1 : x2 + 1]
                rows, columns = np.flatnonzero(inside.any(axis=1)), np.flatnonzero(inside.any(axis=0))
                assert rows[0] <= 3
                assert rows[-1] >= inside.shape[0] - 4
                assert columns[0] <= 4
                assert columns[-1] >= inside.shape[1] - 5


def test_objects_keep_their_id_and_class_and_move_smoothly(plaza: Plaza) -> None:
    before = plaza.truth(0)
    for index in range(1, 120):
        now = plaza.truth(index)
        for row, number in enumerate(now.ids.tolist()):
            earlier = np.flatnonzero(before.ids == number)
            if len(earlier):
                assert now.class_id[row] == before.class_id[earlier[0]]
                foot = now.xyxy[row, 3] - before.xyxy[earlier[0], 3]
                assert abs(float(foot)) < 30
        before = now


def test_somebody_hides_somebody_else_sooner_or_later(plaza: Plaza) -> None:
    least = min(float(plaza.truth(index).visibility.min()) for index in range(0, 400, 5))
    assert least < 0.7


def test_people_and_vehicles_come_in_the_numbers_asked_for() -> None:
    plaza = Plaza(320, 180, fps=1, people=12, vehicles=4, seed=5)
    people = [int((plaza.truth(index).class_id == 0).sum()) for index in range(120)]
    vehicles = [int((plaza.truth(index).class_id == 1).sum()) for index in range(120)]
    assert max(people) <= 12
    assert max(vehicles) <= 4
    assert 6 <= np.mean(people) <= 12
    assert np.mean(vehicles) >= 1


def test_an_empty_plaza_is_its_background_but_for_the_noise() -> None:
    plaza = Plaza(320, 180, people=0, vehicles=0, seed=1)
    image, truth = plaza.render(10)
    assert len(truth) == 0
    assert len(truth.detections()) == 0
    assert np.abs(image.astype(int) - plaza.background()).max() <= 14
    assert not np.array_equal(image, plaza.render(11)[0])


def test_a_night_is_darker_than_the_day_and_its_truth_the_same() -> None:
    day, night = Plaza(320, 180, seed=4), Plaza(320, 180, seed=4, night=True)
    (bright, truth), (dark, same) = day.render(50), night.render(50)
    assert dark.mean() < 0.75 * bright.mean()
    assert np.array_equal(truth.xyxy, same.xyxy)


def test_truth_turns_into_perfect_detections_and_into_what_may_be_asked_of_a_detector(plaza: Plaza) -> None:
    truth = plaza.truth(150)
    perfect = truth.detections()
    assert perfect.labels == ("person", "vehicle")
    assert perfect.track_id is not None
    assert perfect.track_id.tolist() == truth.ids.tolist()
    asked = truth.ground_truth(least_visible=0.99)
    assert asked.ignore.tolist() == (truth.visibility < 0.99).tolist()
    assert truth.ground_truth(least_visible=0.0, least_pixels=1e9).ignore.all()


def test_sizes_out_of_range_are_refused() -> None:
    with pytest.raises(ValidationError, match="width"):
        Plaza(10, 360)


@pytest.mark.parametrize("size", [(64, 64), (90, 200), (1920, 80)])
def test_odd_picture_sizes_are_drawn(size: tuple[int, int]) -> None:
    plaza = Plaza(*size, people=5, vehicles=2, seed=2)
    image, truth = plaza.render(100)
    assert image.shape == (size[1], size[0], 3)
    assert (truth.xyxy[:, 2] <= size[0]).all()


def test_a_plaza_is_made_from_its_options() -> None:
    options = PlazaOptions(width=160, height=96, people=3, vehicles=1, seed=9, frames=5)
    plaza = Plaza.from_options(options)
    assert plaza.labels == ("person", "vehicle")
    assert plaza.render(0)[0].shape == (96, 160, 3)


def _difference(image: Image, empty: Image) -> NDArray[np.bool_]:
    """Return (H, W) where the picture differs from the empty scene by more than noise."""
    return np.asarray(cv2.absdiff(image, empty).max(axis=2) > 16, np.bool_)
