"""How long the very same picture has been coming.

A stream repeats a picture almost, not quite: at key frames an encoder writes it anew, with other small
errors. So a picture is no news when it looks like any of the few remembered ones. A sensor's noise
makes every picture of a still scene news, as long as the encoder lets some of it through at key frames.
What was measured, and where this fails: `docs/decisions/0010-camera-health.md`.
"""

from __future__ import annotations

from collections import deque
from typing import Final, Literal

import cv2

from argus.core.frame import Image
from argus.vision.health.looks import strongest_tile

_REMEMBERED: Final = 8
"""Pictures that differ: a repeated one has about as many faces as its group of pictures has phases."""
_ALL_OVER: Final = 0.45
"""Mean difference, in grey levels, from which a picture is news."""
_ANOTHER_SCENE: Final = 3.0
_SOMEWHERE: Final = 6.0
"""Difference of one tile from which it is news: a hand of a clock, a person far away."""
_PLAIN: Final = 2.0
"""Mean difference from which news is beyond doubt, and no encoder's."""
_REPEATS: Final = 3
"""Repetitions without which nothing is still: a camera of one picture a minute may well send two alike."""

News = Literal["none", "faint", "plain"]
"""What a picture brings: nothing; as much as noise or an encoder may bring; certainly something."""


class Stillness:
    """What the last pictures looked like, and since when none was news."""

    def __init__(self) -> None:
        """Begin without pictures."""
        self._faces: deque[Image] = deque(maxlen=_REMEMBERED)
        self._repeats = 0
        self._since_s = 0.0

    def step(self, grey: Image, now_s: float, *, between: bool = False) -> News:
        """Take the next look, (H, W), and return whether it is news.

        Args:
            grey: What is seen.
            now_s: When.
            between: It comes sooner than looks usually do. Only plain news counts then, and faint news ends
                no stillness: more of the faces that an encoder gives a repeated picture would be seen than
                can be remembered.
        """
        news = self._news(grey, between=between)
        if between and news != "plain":
            return news
        if news == "none":
            self._repeats += 1
        else:
            self._repeats = 0
            self._since_s = now_s
        return news

    @property
    def since_s(self) -> float | None:
        """When the last news came; None where there were too few pictures since to say that they repeat."""
        return self._since_s if self._repeats >= _REPEATS else None

    def _news(self, grey: Image, *, between: bool) -> News:
        faces = self._faces
        if faces and faces[0].shape != grey.shape:
            faces.clear()
        nearest = 255.0
        for face in faces:
            mean = cv2.norm(grey, face, cv2.NORM_L1) / grey.size
            if mean <= _ALL_OVER and strongest_tile(cv2.absdiff(grey, face)) <= _SOMEWHERE:
                return "none"
            nearest = min(nearest, mean)
            if mean > _ANOTHER_SCENE:
                break  # nothing about this scene stands still: the older ones need no look
        news: News = "plain" if nearest > _PLAIN else "faint"
        if news == "plain" or not between:
            faces.appendleft(grey)
        return news
