"""Where a picture lies on a canvas, and how boxes come back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.vision.models.crops import CropPreparation, draw_crop
from argus.vision.models.preparation import UNIT, Easel, Preparation, fit
from tests.models.networks import frame, frame_of

SIDES = st.integers(1, 8192)


@pytest.mark.parametrize(
    ("picture", "inner", "place"),
    [
        ((810, 1080), (480, 640), (80, 0)),
        ((640, 360), (640, 360), (0, 140)),
        ((480, 360), (640, 480), (0, 80)),
        ((1279, 719), (640, 360), (0, 140)),
        ((333, 100), (640, 192), (0, 224)),
        ((101, 640), (101, 640), (269, 0)),  # the odd column of padding goes to the right
    ],
)
def test_a_letterbox_is_centred(
    picture: tuple[int, int], inner: tuple[int, int], place: tuple[int, int]
) -> None:
    geometry = fit(Preparation(), picture, (640, 640))
    assert geometry.inner_wh == inner
    assert (geometry.left, geometry.top) == place


def test_trainers_that_truncate_lose_a_row() -> None:
    preparation = Preparation(fit="corner", truncates=True)
    geometry = fit(preparation, (500, 333), (416, 416))
    assert geometry.inner_wh == (416, 277)  # 277.056 either way; 333 x 0.832
    assert fit(preparation, (1000, 667), (416, 416)).inner_wh == (416, 277)  # 277.47
    assert fit(preparation, (1000, 668), (416, 416)).inner_wh == (416, 277)  # 277.89 would round to 278
    assert fit(Preparation(fit="corner"), (1000, 668), (416, 416)).inner_wh == (416, 278)


@given(width=SIDES, height=SIDES, how=st.sampled_from(["centre", "corner", "stretch"]))
def test_the_corners_of_the_picture_come_back(width: int, height: int, how: str) -> None:
    geometry = fit(Preparation(fit=how), (width, height), (640, 384))  # type: ignore[arg-type]
    inner_w, inner_h = geometry.inner_wh
    assert 1 <= inner_w <= 640
    assert 1 <= inner_h <= 384
    drawn = np.array(
        [[geometry.left, geometry.top, geometry.left + inner_w, geometry.top + inner_h]], np.float32
    )
    back = geometry.to_picture(drawn)[0]
    # Half a pixel of the canvas is lost to rounding, and one pixel is the least there is.
    tolerance = np.array([1 / geometry.scale_x, 1 / geometry.scale_y]) + 1e-3
    assert (np.abs(back - [0, 0, width, height]) <= np.tile(tolerance, 2)).all()


def test_boxes_are_clipped_to_the_picture() -> None:
    geometry = fit(Preparation(), (480, 360), (640, 640))
    back = geometry.to_picture(np.array([[-50, -50, 900, 900]], np.float32))
    assert back.tolist() == [[0, 0, 480, 360]]


def test_what_lies_beside_the_picture_is_grey_whatever_was_there_before() -> None:
    preparation = Preparation(pad=114)
    easel = Easel(preparation)
    canvases = [np.full((2, 64, 64, 3), 7, np.uint8) for _ in range(3)]
    lying = np.zeros((64, 64), np.bool_)
    lying[16:48] = True
    for width, height, inside in ((40, 20, lying), (20, 40, lying.T), (20, 40, lying.T), (40, 20, lying)):
        geometry = fit(preparation, (width, height), (64, 64))
        for batch in canvases:
            for at in (0, 1):
                easel.draw(frame(width, height, value=200), geometry, batch, at)
        for canvas in (canvas for batch in canvases for canvas in batch):
            assert (canvas[inside] == 200).all()
            assert (canvas[~inside] == 114).all()


def test_what_lies_beside_the_picture_is_not_filled_again_for_the_next_of_its_size() -> None:
    preparation = Preparation(pad=114)
    easel = Easel(preparation)
    canvases = np.zeros((1, 64, 64, 3), np.uint8)
    geometry = fit(preparation, (40, 20), (64, 64))
    easel.draw(frame(40, 20, value=200), geometry, canvases, 0)
    canvases[0, 0] = 5
    easel.draw(frame(40, 20, value=90), geometry, canvases, 0)
    assert (canvases[0, 0] == 5).all()
    assert (canvases[0, 16:48] == 90).all()


def test_more_canvases_than_are_remembered_are_filled_all_the_same() -> None:
    preparation = Preparation(pad=114)
    easel = Easel(preparation)
    geometry = fit(preparation, (40, 20), (64, 64))
    for _ in range(100):
        canvases = np.zeros((1, 64, 64, 3), np.uint8)
        easel.draw(frame(40, 20, value=200), geometry, canvases, 0)
        assert (canvases[0, :16] == 114).all()
        assert (canvases[0, 48:] == 114).all()


def test_channels_follow_the_network() -> None:
    blue = frame_of(np.full((8, 8, 3), (255, 0, 0), np.uint8))
    for channels, first in (("rgb", 0), ("bgr", 255)):
        preparation = Preparation(channels=channels)  # type: ignore[arg-type]
        canvases = np.zeros((1, 8, 8, 3), np.uint8)
        Easel(preparation).draw(blue, fit(preparation, (8, 8), (8, 8)), canvases, 0)
        assert canvases[0, 0, 0, 0] == first


def test_a_classifier_sees_the_middle_with_every_pixel_counted_in() -> None:
    # Single white columns, eight apart: a filter that skips pixels would see some and miss others.
    picture = np.zeros((800, 1600, 3), np.uint8)
    picture[:, ::8] = 255
    canvas = np.zeros((80, 80, 3), np.uint8)
    draw_crop(picture, CropPreparation(UNIT, shorter_side=100), canvas)
    assert canvas.min() >= 25
    assert canvas.max() <= 40


@pytest.mark.parametrize("size", [(1, 1), (1, 300), (300, 1), (64, 64), (5000, 40)])
def test_crops_of_any_shape_fill_the_canvas(size: tuple[int, int]) -> None:
    picture = np.full((size[1], size[0], 3), 90, np.uint8)
    for side in (None, 40):
        canvas = np.zeros((32, 32, 3), np.uint8)
        draw_crop(picture, CropPreparation(UNIT, shorter_side=side), canvas)
        assert (canvas == 90).all()
