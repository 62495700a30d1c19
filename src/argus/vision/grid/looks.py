"""How the states of a camera look: a colour, a word and a sign each, so that none depends on colour alone."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.core.resources.camera import CameraState
from argus.vision.palette import Color


@dataclass(frozen=True, slots=True)
class Look:
    """What marks a state."""

    color: Color
    word: str
    stale: bool = False
    """True where the picture shown is not what the camera sees now."""


# Okabe and Ito's palette as in `palette`; neighbours in meaning lie far apart in brightness too.
LOOKS: Final[dict[CameraState, Look]] = {
    "online": Look((118, 200, 62), "online"),
    "connecting": Look((208, 186, 168), "CONNECTING", stale=True),
    "frozen": Look((245, 190, 84), "FROZEN", stale=True),
    "lost": Look((52, 92, 240), "LOST", stale=True),
    "dark": Look((240, 150, 176), "DARK"),
    "covered": Look((40, 164, 246), "COVERED"),
    "blurred": Look((84, 226, 240), "BLURRED"),
    "moved": Look((196, 136, 226), "MOVED"),
}

_FINE: Final = 96
"""Signs are drawn so many pixels high, then made small: their edges become smooth."""


@lru_cache(maxsize=256)
def sign(state: CameraState, size: int) -> NDArray[np.float32]:
    """Return the (size, size, 1) coverage, 0..1, of a state's sign; do not change it."""
    canvas = np.zeros((_FINE, _FINE), np.uint8)
    _SIGNS[state](canvas)
    small = cv2.resize(canvas, (size, size), interpolation=cv2.INTER_AREA)
    return np.asarray(small, np.float32)[..., None] / np.float32(255)


def paste_sign(image: Image, state: CameraState, at: tuple[int, int], size: int, color: Color) -> None:
    """Paint a state's sign, `size` pixels high, with its upper left corner at x, y inside the picture."""
    x, y = at
    place = image[y : y + size, x : x + size]
    if place.shape[:2] != (size, size):
        return
    cover = sign(state, size)
    place[:] = np.round(place + (np.array(color, np.float32) - place) * cover).astype(np.uint8)


def _dots(canvas: NDArray[np.uint8]) -> None:
    for x in (18, 48, 78):
        cv2.circle(canvas, (x, 50), 12, (255,), -1)


def _disc(canvas: NDArray[np.uint8]) -> None:
    cv2.circle(canvas, (48, 48), 38, (255,), -1)
    cv2.polylines(canvas, [np.array([(30, 50), (43, 63), (67, 36)])], False, (0,), 12)


def _flake(canvas: NDArray[np.uint8]) -> None:
    for turn in (30, 90, 150):
        arm = np.array([np.cos(np.radians(turn)), np.sin(np.radians(turn))])
        for way in (arm, -arm):
            tip = 48 + 44 * way
            cv2.line(canvas, (48, 48), _point(tip), (255,), 10)
            side = np.array([-way[1], way[0]])
            for twig in (side, -side):
                cv2.line(canvas, _point(48 + 26 * way), _point(48 + 40 * way + 13 * twig), (255,), 7)


def _cross(canvas: NDArray[np.uint8]) -> None:
    cv2.line(canvas, (16, 16), (80, 80), (255,), 18)
    cv2.line(canvas, (16, 80), (80, 16), (255,), 18)


def _moon(canvas: NDArray[np.uint8]) -> None:
    cv2.circle(canvas, (44, 50), 38, (255,), -1)
    cv2.circle(canvas, (62, 36), 32, (0,), -1)


def _lid(canvas: NDArray[np.uint8]) -> None:
    cv2.ellipse(canvas, (48, 48), (44, 27), 0, 0, 360, (255,), 9)
    cv2.circle(canvas, (48, 48), 13, (255,), -1)
    cv2.line(canvas, (10, 94), (94, 10), (0,), 22)
    cv2.line(canvas, (12, 84), (84, 12), (255,), 10)


def _waves(canvas: NDArray[np.uint8]) -> None:
    x = np.linspace(6, 90, 40)
    for y in (22, 48, 74):
        wave = np.stack((x, y + 8 * np.sin((x - 6) / 84 * 4 * np.pi)), axis=1)
        cv2.polylines(canvas, [wave.round().astype(np.int32)], False, (255,), 10)


def _arrows(canvas: NDArray[np.uint8]) -> None:
    cv2.line(canvas, (14, 48), (82, 48), (255,), 12)
    for x, way in ((6, 1), (90, -1)):
        cv2.fillPoly(canvas, [np.array([(x, 48), (x + 28 * way, 24), (x + 28 * way, 72)])], (255,))


def _point(at: NDArray[np.float64]) -> tuple[int, int]:
    return round(float(at[0])), round(float(at[1]))


_SIGNS: Final[dict[CameraState, Callable[[NDArray[np.uint8]], None]]] = {
    "online": _disc,
    "connecting": _dots,
    "frozen": _flake,
    "lost": _cross,
    "dark": _moon,
    "covered": _lid,
    "blurred": _waves,
    "moved": _arrows,
}
