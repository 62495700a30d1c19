"""Pictures and tiles for tests: plain colours, so that what was painted where can be told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from argus.core.frame import Image
from argus.vision.grid import Tile

GREEN = (40, 160, 40)


def plain(color: tuple[int, int, int] = GREEN, width: int = 320, height: int = 240) -> Image:
    return np.full((height, width, 3), color, np.uint8)


def well(name: str = "gate", **more: Any) -> Tile:
    return replace(Tile(name, plain(), "online", fps=10.0, age_s=0.1), **more)


def has_color(picture: Image, color: tuple[int, int, int], at_least: int = 1) -> bool:
    return int((picture == np.array(color, np.uint8)).all(axis=-1).sum()) >= at_least
