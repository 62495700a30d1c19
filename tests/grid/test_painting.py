"""What a grid shows."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import get_args

import cv2
import numpy as np
import pytest

from argus.core.errors import SpecError
from argus.core.frame import Image
from argus.core.resources.camera import CameraState
from argus.core.resources.regions import Severity
from argus.vision.grid import GridPainter, Tile, grid_status
from argus.vision.grid.lettering import Lettering
from argus.vision.grid.looks import LOOKS, sign
from argus.vision.grid.shrinking import shrunk
from argus.vision.grid.tile import span
from argus.vision.palette import SEVERITIES
from tests.grid.scene import GREEN, has_color, plain, well

ILL: list[CameraState] = [state for state in get_args(CameraState) if state != "online"]


def test_a_picture_that_is_well_keeps_its_colours() -> None:
    assert has_color(GridPainter().paint([well()]), GREEN, at_least=200_000)


def test_the_picture_is_new_each_time_and_its_owner_may_draw_on_it() -> None:
    painter, tiles = GridPainter(), [well()]
    first = painter.paint(tiles)
    kept = first.copy()
    first[:] = 0
    assert np.array_equal(painter.paint(tiles), kept)


@pytest.mark.parametrize("state", ILL)
def test_an_ill_camera_has_a_border_a_sign_and_a_pale_picture(state: CameraState) -> None:
    picture = GridPainter().paint([well(state=state, reason="told by the tests", for_s=12.0)])
    color = LOOKS[state].color
    left_edge = picture[:, : picture.shape[1] // 2]
    assert has_color(left_edge, color, at_least=500)
    assert not has_color(picture, GREEN)


def test_every_state_has_a_sign_and_a_word_of_its_own() -> None:
    signs = {sign(state, 24).tobytes() for state in get_args(CameraState)}
    words = {LOOKS[state].word for state in get_args(CameraState)}
    assert len(signs) == len(words) == len(get_args(CameraState))


def test_the_border_is_gone_when_the_camera_is_well_again() -> None:
    painter = GridPainter()
    fresh = painter.paint([well(), well("yard")])
    painter.paint([well(), well("yard", state="frozen")])
    assert np.array_equal(painter.paint([well(), well("yard")]), fresh)


@pytest.mark.parametrize("severity", get_args(Severity))
def test_an_alert_has_a_border_in_the_colour_of_its_severity(severity: Severity) -> None:
    picture = GridPainter().paint([well(alert=severity), well("yard")])
    assert has_color(picture[:, :640], SEVERITIES[severity], at_least=2000)
    assert not has_color(picture[:, 660:], SEVERITIES[severity])


def test_a_camera_without_a_picture_has_a_place_that_says_so() -> None:
    nothing = Tile("gate")
    opened, lost = GridPainter().paint([nothing]), GridPainter().paint([replace(nothing, state="lost")])
    assert has_color(opened, LOOKS["connecting"].color, at_least=100)
    assert has_color(lost, LOOKS["lost"].color, at_least=100)


def test_a_lost_camera_keeps_the_place_its_pictures_had() -> None:
    painter = GridPainter()
    tall = plain(width=240, height=426)
    painter.paint([well("door", picture=tall), well("yard")])
    before = painter.size_for(240, 426)
    painter.paint([well("door", picture=None, state="lost"), well("yard")])
    assert painter.size_for(240, 426) == before


def test_only_what_has_changed_is_painted_yet_it_looks_as_if_all_were() -> None:
    painter, rng = GridPainter(), np.random.default_rng(7)
    states = get_args(CameraState)
    for _ in range(25):
        tiles = [
            well(
                f"camera {i}",
                picture=[None, plain(), plain((9, 9, 200))][rng.integers(3)],
                state=states[rng.integers(len(states))],
                reason=["", "said so at length, and said it again and again"][rng.integers(2)],
                note=["", "gated"][rng.integers(2)],
                alert=[None, "high"][rng.integers(2)],
                for_s=float(rng.integers(100)),
                objects=int(rng.integers(3)),
            )
            for i in range(4)
        ]
        fresh = GridPainter()
        fresh.paint([well(f"camera {i}") for i in range(4)])  # the aspects that the other one remembers
        painter.paint([well(f"camera {i}") for i in range(4)])
        assert np.array_equal(painter.paint(tiles), fresh.paint(tiles))


def test_of_too_many_cameras_the_ill_ones_are_shown() -> None:
    tiles = [well(f"camera {i}") for i in range(40)]
    tiles[39] = well("camera 39", state="lost")
    painted = GridPainter(width=320, height=240).paint(tiles)
    assert has_color(painted, LOOKS["lost"].color, at_least=50)


def test_a_grid_of_no_camera_says_so() -> None:
    picture = GridPainter().paint([])
    assert picture.shape == (720, 1280, 3)
    assert picture.max() > 100


def test_the_smallest_and_the_oddest_pictures_can_be_shown() -> None:
    odd: list[Image] = [plain(width=1, height=1), plain(width=2000, height=2), plain(width=3, height=900)]
    grey = np.full((48, 64), 90, np.uint8)
    tiles = [well(f"{i}", picture=p, state="moved", reason="x" * 400) for i, p in enumerate([*odd, grey])]
    assert GridPainter(width=160, height=120).paint(tiles).shape == (120, 160, 3)
    assert GridPainter().paint(tiles).shape == (720, 1280, 3)


def test_any_name_can_be_shown() -> None:
    for name in ("", "ворота", "大门", "a\nb\x00c\u202e", "😀 " * 40):
        assert GridPainter().paint([well(name, note=name, reason=name, state="dark")]).any()


@pytest.mark.parametrize(("width", "height", "columns"), [(100, 720, None), (1280, 60, None), (1280, 720, 0)])
def test_an_impossible_grid_is_refused(width: int, height: int, columns: int | None) -> None:
    with pytest.raises(SpecError, match="use"):
        GridPainter(width=width, height=height, columns=columns)


@pytest.mark.parametrize("width", [300, 640, 1280, 1920])
def test_thin_things_survive_being_made_small(width: int) -> None:
    """Lines as thick as boxes are drawn in pictures of that size."""
    striped = np.zeros((width * 3 // 4, width, 3), np.uint8)
    for line in range(10):
        left = line * width // 10 + width // 20
        striped[:, left : left + max(1, width // 640)] = 255
    small = shrunk(striped, 210, 156)
    lit = (small[80].max(axis=1) > 20).astype(int)
    assert np.count_nonzero(np.diff(lit) == 1) == 10


def test_passwords_in_addresses_are_masked_in_every_text() -> None:
    address = "rtsp://admin:geheim@10.0.0.7/live"
    tile = Tile(address, reason=f"{address} refused", note=address)
    assert "geheim" not in str(grid_status([tile]))
    assert "geheim" not in repr(tile)


def test_the_status_holds_numbers_that_json_knows() -> None:
    told = grid_status([well(fps=float("nan"), age_s=float("inf"), for_s=1.23456)])
    camera = told["cameras"][0]
    assert (camera["fps"], camera["age_s"], camera["for_s"]) == (None, None, 1.235)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(-1, "0.0 s"), (0.14, "0.1 s"), (9.96, "10 s"), (59.7, "1 min"), (3599, "1 h"), (400_000, "5 d")],
)
def test_lengths_of_time_are_for_a_glance(seconds: float, text: str) -> None:
    assert span(seconds) == text


def test_a_text_is_cut_to_its_room_and_broken_between_words() -> None:
    letters = Lettering(14)
    text = "the picture has not changed since this morning"
    assert letters.fitted(text, 10_000) == text
    assert letters.width(letters.fitted(text, 120)) <= 120
    lines = letters.wrapped(text, 150, 3)
    assert len(lines) == 3
    assert all(letters.width(line) <= 150 for line in lines)
    assert text.startswith(f"{lines[0]} {lines[1]}")
    assert letters.wrapped(text, 150, 0) == []
    assert letters.wrapped("", 150, 2) == []


def test_real_pictures_of_many_sizes_share_one_grid(shared_data: Path) -> None:
    paths = sorted((shared_data / "images").glob("*.jpg"))
    tiles = [well(path.stem, picture=cv2.imread(str(path))) for path in paths]
    painter = GridPainter()
    grid = painter.paint(tiles)
    whole = np.concatenate([t.picture.reshape(-1, 3) for t in tiles if t.picture is not None])
    # What is shown is as bright as what was given, up to the dark ground between the pictures.
    assert 0.25 * whole.mean() < grid.mean() < whole.mean()
