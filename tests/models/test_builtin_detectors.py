"""The detectors that need no weights."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from structlog.testing import capture_logs

from argus.core.errors import ModelUnavailable, UnknownName, WrongTask
from argus.vision.models import load_detector, load_model
from tests.models.networks import frame, frame_of


def street(index: int, block: int | None = None) -> NDArray[np.uint8]:
    """Return a still, textured scene of 320 x 180 with noise, and a dark block at column `block`."""
    scene = np.random.default_rng(1).integers(90, 160, (180, 320, 3))
    scene = cv2.blur(scene.astype(np.uint8), (5, 5)).astype(np.int16)
    scene += np.random.default_rng(100 + index).integers(-3, 4, scene.shape, dtype=np.int16)
    picture: NDArray[np.uint8] = np.clip(scene, 0, 255).astype(np.uint8)
    if block is not None:
        picture[60:120, block : block + 30] = 20
    return picture


def test_motion_follows_what_moves_and_ignores_what_stands() -> None:
    motion = load_detector("builtin:motion")
    for index in range(20):
        assert len(motion.detect([frame_of(street(index), index)])[0]) == 0
    for index, column in enumerate(range(20, 200, 12), start=20):
        seen = motion.detect([frame_of(street(index, column), index)])[0]
        assert seen.class_name[0] == "motion"
        x1, y1, x2, y2 = seen.xyxy[0]
        assert abs(x1 - column) <= 8 or abs(x2 - column - 30) <= 8
        assert abs(y1 - 60) <= 6
        assert abs(y2 - 120) <= 6
    motion.close()


def test_a_picture_of_one_pixel_is_looked_at_too() -> None:
    motion = load_detector("builtin:motion")
    for index in range(12):
        level = 20 if index < 10 else 220
        [seen] = motion.detect([frame_of(np.full((1, 1, 3), level, np.uint8), index)])
    assert seen.xyxy.tolist() == [[0, 0, 1, 1]]
    motion.close()


def test_sources_have_backgrounds_of_their_own() -> None:
    motion = load_detector("builtin:motion")
    for index in range(20):
        bright, dark = np.full((90, 160, 3), 220, np.uint8), np.full((90, 160, 3), 30, np.uint8)
        seen = motion.detect([frame_of(bright, index, "a"), frame_of(dark, index, "b")])
        assert [len(one) for one in seen] == [0, 0]
    motion.close()


def test_people_are_found_where_they_stand(shared_data: Path) -> None:
    people = load_detector("builtin:people", confidence=0.3)
    picture = cv2.imread(str(shared_data / "images/vtest_frames/0100.png"))
    seen = people.detect([frame_of(np.asarray(picture, np.uint8))])[0]
    people.close()
    assert len(seen) >= 3
    assert set(seen.class_name) == {"person"}
    man = np.array([370, 95, 386, 148])  # at the right, in the road
    overlaps = (
        (np.minimum(seen.xyxy[:, 2:], man[2:]) - np.maximum(seen.xyxy[:, :2], man[:2])).clip(0).prod(axis=1)
    )
    assert overlaps.max() >= 0.7 * (man[2] - man[0]) * (man[3] - man[1])


@pytest.mark.parametrize("name", ["builtin:people", "builtin:motion"])
def test_builtins_keep_the_rules_of_all_models(name: str) -> None:
    model = load_detector(name)
    assert model.name == name
    assert [len(seen) for seen in model.detect([frame(1, 1), frame(640, 2)])] == [0, 0]
    model.close()
    model.close()
    with pytest.raises(ModelUnavailable, match="the model was closed"):
        model.detect([frame()])
    with pytest.raises(UnknownName, match="unknown class 'dragon'"):
        load_detector(name, classes=["dragon"])
    with pytest.raises(WrongTask, match=f"{name} is a detector"):
        load_model(name, task="classify")


@pytest.mark.parametrize("name", ["motion", "people"])
def test_settings_of_networks_are_told_to_mean_nothing_to_what_is_none(name: str) -> None:
    with capture_logs() as told:
        load_detector(f"builtin:{name}", device="cuda", precision="bf16", layout="yolov8").close()
    assert [(line["event"], line["settings"]) for line in told] == [
        ("model.settings_unused", ["device", "precision", "layout"])
    ]
    with capture_logs() as told:
        load_detector(f"builtin:{name}", device="cpu", confidence=0.4, input_size=320).close()
    assert not told
