"""What the cameras of the lab see while nobody is there."""

from __future__ import annotations

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
