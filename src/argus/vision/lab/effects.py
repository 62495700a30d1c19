"""What faults do to a picture. Each is a function of the picture; the sensor's noise stays on it.

A lens cap or a hand hides the scene and not the noise of the sensor: without it a covered camera
would count as frozen.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Final, cast

import cv2
import numpy as np

from argus.core.frame import Image

_GRAIN: Final = 1.2
"""Standard deviation of the noise, of 255."""
_STEPS: Final = 61
_COVERED: Final = 0.9
_MOVED: Final = 0.3
_SOFT: Final = 16
"""Pixels over which a blurred picture is smeared, at 640 columns."""

_drawing: Final = threading.Lock()  # the cameras of a scene all want its grain in one moment

Effect = Callable[[Image, int], Image]
"""Takes a picture (H, W, 3) BGR and its number; returns a new one."""


def black(picture: Image, index: int) -> Image:
    """Return what a camera sees in the dark."""
    return grainy(np.full_like(picture, 4), index)


def blurred(picture: Image, index: int) -> Image:
    """Return the picture out of focus."""
    height, width = picture.shape[:2]
    soft = max(2, _SOFT * width // 640)
    small = cv2.resize(picture, (max(1, width // soft), max(1, height // soft)), interpolation=cv2.INTER_AREA)
    return grainy(cast("Image", cv2.resize(small, (width, height), interpolation=cv2.INTER_CUBIC)), index)


def covered(picture: Image, index: int) -> Image:
    """Return the picture with something plain before nine tenths of it."""
    hidden = picture.copy()
    hidden[:, : round(_COVERED * picture.shape[1])] = (70, 84, 96)
    return grainy(hidden, index)


def moved(picture: Image, index: int) -> Image:
    """Return what the camera sees turned aside and zoomed in: a corner of the picture, filling it."""
    height, width = picture.shape[:2]
    corner = picture[round(_MOVED * height) :, round(_MOVED * width) :]
    return grainy(cast("Image", cv2.resize(corner, (width, height), interpolation=cv2.INTER_CUBIC)), index)


def resized(picture: Image, index: int) -> Image:  # noqa: ARG001 - an effect takes it
    """Return the picture at three quarters of its size, both sides divisible by 16."""
    height, width = picture.shape[:2]
    size = tuple(max(16, side * 3 // 4 // 16 * 16) for side in (width, height))
    return cast("Image", cv2.resize(picture, size, interpolation=cv2.INTER_AREA))


EFFECTS: Final[Mapping[str, Effect]] = {
    "black": black,
    "blur": blurred,
    "cover": covered,
    "move": moved,
    "resolution": resized,
}
"""By the name of the fault."""


def grainy(picture: Image, index: int) -> Image:
    """Return the picture with noise, written over it; one index makes one noise, its next another."""
    height, width = picture.shape[:2]
    with _drawing:
        brighter, darker = _grain(height + _STEPS, width + _STEPS)
    # The same grain, shifted, is as good as new noise to any eye.
    dy, dx = index * 37 % _STEPS, index * 23 % _STEPS
    cv2.add(picture, brighter[dy : dy + height, dx : dx + width], picture)
    cv2.subtract(picture, darker[dy : dy + height, dx : dx + width], picture)
    return picture


@lru_cache(maxsize=2)
def _grain(height: int, width: int) -> tuple[Image, Image]:
    noise = np.random.default_rng(5).standard_normal((height, width, 3), np.float32)
    noise = np.round(noise * _GRAIN)
    return noise.clip(0, 255).astype(np.uint8), (-noise).clip(0, 255).astype(np.uint8)
