"""What the cameras of the lab see while nobody is there."""

from __future__ import annotations

import itertools

import cv2
import numpy as np

from argus.vision.health.looks import look_size
from argus.vision.health.stillness import Stillness
from argus.vision.lab.film import film_of
from argus.vision.pictures import ArrayPicture

FPS = 5


def test_an_empty_square_is_not_taken_for_a_frozen_camera() -> None:
    film, still = film_of(320, 240, FPS, 0, 7), Stillness()
    longest_s = 0.0
    for index in range(60 * FPS):
        still.step(ArrayPicture(film.at(index)).resized(*look_size(320, 240), "gray"), index / FPS)
        if still.since_s is not None:
            longest_s = max(longest_s, index / FPS - still.since_s)
    assert longest_s < 5


def test_what_comes_again_comes_with_another_noise_as_from_any_sensor() -> None:
    film = film_of(320, 240, 10, 2, 7)
    length = len(film.loop())
    assert length == 2 * (len(film.busy) - 1)
    for index in (3, 40, 70):
        change = cv2.absdiff(film.at(index), film.at(index + length))
        assert 0 < change.mean() < 4
    assert all(np.any(one != other) for one, other in itertools.combinations(film.loop(), 2))
