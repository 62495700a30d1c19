"""A camera that pans or shakes: the tracks move with the picture."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.pictures import ArrayPicture
from argus.vision.tracking import TrackSpec, load_tracker
from argus.vision.tracking.camera_motion import STILL, CameraMotion, warp
from tests.tracking.scenes import FRAME_S, ids, seen

WIDTH, HEIGHT = 640, 360


def scenery() -> np.ndarray:
    """Return a large picture with corners to hold on to."""
    random = np.random.default_rng(7)
    blocks = random.integers(0, 255, (60, 100), np.uint8)
    return np.repeat(np.repeat(blocks, 16, axis=0), 16, axis=1)


WORLD = scenery()


def view(x: int, y: int, index: int = 0) -> Frame:
    """Return what a camera sees whose upper left corner looks at x, y of the scenery."""
    grey = WORLD[y : y + HEIGHT, x : x + WIDTH]
    picture = ArrayPicture(np.ascontiguousarray(np.repeat(grey[:, :, None], 3, axis=2)))
    return Frame(picture, "camera", index, index * FRAME_S, datetime(2026, 1, 1, tzinfo=UTC))


@pytest.mark.filterwarnings("error")
def test_a_box_without_numbers_hides_nothing_and_is_no_warning() -> None:
    camera = CameraMotion()
    nowhere = Detections(
        np.array([[np.nan, 0, 50, 50], [-np.inf, -np.inf, np.inf, np.nan]], np.float32),
        np.ones(2, np.float32), np.zeros(2, np.int32), ("person",),
    )  # fmt: skip
    camera.since_last(view(300, 200), nowhere)
    motion = camera.since_last(view(312, 193), Detections.empty())
    assert motion[:, 2] == pytest.approx([-12, 7], abs=0.5)


def test_the_motion_of_a_panning_camera_is_found() -> None:
    camera = CameraMotion()
    camera.since_last(view(300, 200), Detections.empty())
    motion = camera.since_last(view(312, 193), Detections.empty())
    assert motion == pytest.approx(np.array([[1, 0, -12], [0, 1, 7]]), abs=0.3)


def test_objects_that_move_are_not_taken_for_the_camera() -> None:
    camera = CameraMotion()
    still = view(300, 200)
    big = seen((100, 50, 500, 340))
    moved = view(300, 200).bgr.copy()
    moved[50:340, 120:500] = moved[50:340, 100:480].copy()
    camera.since_last(still, big)
    after = Frame(ArrayPicture(moved), "camera", 1, FRAME_S, still.captured_at)
    assert camera.since_last(after, big) == pytest.approx(STILL, abs=0.3)


def test_a_picture_without_anything_to_hold_on_to_stands_still() -> None:
    camera = CameraMotion()
    blank = Frame(ArrayPicture(np.zeros((HEIGHT, WIDTH, 3), np.uint8)), "camera", 0, 0.0, datetime.now(UTC))
    assert camera.since_last(blank, Detections.empty()) is STILL
    assert camera.since_last(blank, Detections.empty()) is STILL


@pytest.mark.parametrize(("width", "height"), [(1, 1), (3, 200), (7680, 2)])
def test_odd_pictures_stand_still(width: int, height: int) -> None:
    camera = CameraMotion()
    tiny = Frame(ArrayPicture(np.zeros((height, width, 3), np.uint8)), "camera", 0, 0.0, datetime.now(UTC))
    camera.since_last(view(0, 0), Detections.empty())
    assert camera.since_last(tiny, seen((-50, -50, 9000, 9000), (5, 5, 2, 2))) is STILL
    assert camera.since_last(view(0, 0), Detections.empty()) is STILL


def test_boxes_move_turn_and_grow_with_the_picture() -> None:
    corners = np.array([[10.0], [20.0], [-30.0], [-60.0]])
    velocity = np.array([[1.0], [0.0], [-1.0], [0.0]])
    warp(corners, velocity, np.array([[2.0, 0.0, 5.0], [0.0, 2.0, -5.0]]))
    assert corners.ravel().tolist() == [25.0, 35.0, -65.0, -115.0]
    assert velocity.ravel().tolist() == [2.0, 0.0, -2.0, 0.0]


@pytest.mark.parametrize("compensated", [True, False])
def test_small_objects_keep_their_ids_only_if_tracks_follow_the_camera(compensated: bool) -> None:
    tracker = load_tracker(TrackSpec(camera_motion=compensated))
    found = []
    for k, x in enumerate((300, 300, 340, 300, 345, 310)):
        at = 600.0 - x
        given = seen((at, 100, at + 20, 140), (at + 120, 200, at + 140, 240))
        found.append(ids(tracker.update(given, k * FRAME_S, view(x, 200, k))))
    assert (found == [[1, 2]] * 6) is compensated


def test_without_frames_the_tracks_are_followed_as_if_the_camera_stood_still() -> None:
    tracker = load_tracker(TrackSpec(camera_motion=True))
    assert [ids(tracker.update(seen((0, 0, 50, 90)), k * FRAME_S)) for k in range(3)] == [[1]] * 3
