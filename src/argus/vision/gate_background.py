"""Whether something moves in a picture: a learned background, and how restless each place of it is.

Small grey pictures in, yes or no out; time is given. What follows from movement, how long a gate stays
open and when it opens without any, is decided in `argus.vision.gate`. What moves, as boxes, is
told by `builtin:motion` in `argus.vision.models.motion`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image

CELL: Final = 8
"""Side in pixels of the squares that the small picture is judged by."""

_MEMORY_S: Final = 1.5
"""How long the background takes to follow: longer sees slower movement, shorter forgets sooner."""
_SETTLING_FRAMES: Final = 4
"""Pictures that teach the background before anything can move."""
_SCALE: Final = 4.0
"""Steps per grey level in which differences are counted; 255 of them are as much as is told apart."""
_GLOBAL: Final = 0.5
"""Share of the cells from which on it is the light, or the view, that has changed."""
_LIGHT_LEVELS: Final = 0.75
"""Median change in grey levels from which on the light is looked at."""
_SWITCH_LEVELS: Final = 20.0
"""Median change at once that is a lamp's, or a hand's, and no cloud's: it counts as movement."""
_EMPTY: Final = (0.9, 0.8)
_BUSY: Final = (0.5, 0.3)
"""The quantile of a cell's restlessness that is its noise, and how fast that is learned (times e in 1 / this
seconds). While nobody is found it learns soon that a tree sways; while people are followed it is slow to
believe, for it may be they that move there."""
_NOISE_FACTOR: Final = 2.0
"""How many times its usual restlessness a cell must change to count."""
_FRAME_FACTOR: Final = 4.0
"""How many times the median cell of the same picture, too. A coder's key frame, rain and a camera's gain
change a little everywhere; what moves, much in one place."""
_LEAST_NOISE: Final = 0.25
_MOST_NOISE: Final = 6.0
_MOST_LEVELS: Final = 48.0
"""A cell's limit never rises above so many thresholds, nor so many levels: who walks before a tree is seen.
The latter stays below the 63 levels that can be told apart."""


class Background:
    """The learned background of one view, for pictures of one size.

    Source: the idea of a running average with thresholds of each place's own, as in Manzanera and
    Richefeu, "A new motion detection algorithm based on sigma-delta background estimation", Pattern
    Recognition Letters 2007; the light is fitted out by trimmed least squares.
    """

    def __init__(
        self, width: int, height: int, threshold: float, ignore: Sequence[Sequence[tuple[float, float]]] = ()
    ) -> None:
        """Begin without knowledge.

        Args:
            width: Columns of the pictures; a multiple of `CELL`.
            height: Rows, likewise.
            threshold: Grey levels by which a patch of 3x3 pixels must differ in a calm cell.
            ignore: Polygons in relative coordinates in which nothing counts.
        """
        self._threshold = threshold
        self._most_limit = min(threshold * _MOST_NOISE, _MOST_LEVELS)
        self._cells = (width // CELL, height // CELL)
        self._looked_at = None
        self._judged = np.ones((self._cells[1], self._cells[0]), np.bool_)
        if ignore:
            self._looked_at = np.full((height, width), 255, np.uint8)
            for polygon in ignore:
                corners = np.round(np.array(polygon) * (width, height) * 16 - 8).astype(np.int32)
                cv2.fillPoly(self._looked_at, [corners], 0, shift=4)
            in_cells = self._looked_at.reshape(height // CELL, CELL, -1, CELL)
            self._judged = np.asarray(in_cells.any(axis=(1, 3)), np.bool_)
        self._judged_cells = int(np.count_nonzero(self._judged))
        self._mean = np.zeros((height, width), np.float32)
        # Kept from picture to picture: to ask for this much memory each time costs as much as to work in it.
        self._change = np.empty_like(self._mean)
        self._patches = np.empty((height, width), np.uint8)
        self._noise = np.full((self._cells[1], self._cells[0]), threshold / _NOISE_FACTOR / 2, np.float32)
        self._seen = 0

    @property
    def settled(self) -> bool:
        """Whether it has seen enough to say that nothing moves."""
        return self._seen >= _SETTLING_FRAMES

    def moved(self, grey: Image, elapsed_s: float, *, busy: bool) -> bool:
        """Learn from the next picture, and return whether something moves in it.

        Args:
            grey: (height, width) brightness.
            elapsed_s: Time since the last picture.
            busy: Whether objects were found of late, so that movement is theirs and no noise.
        """
        self._seen += 1
        if self._seen == 1:
            self._mean[:] = grey
            return False
        self._compare(grey)
        brighter = self._follow_light()
        if brighter:
            self._compare(grey)
        restless = self._restlessness()
        share = max(1 - math.exp(-elapsed_s / _MEMORY_S), 1 / self._seen)
        cv2.accumulateWeighted(grey, self._mean, share)
        everywhere = _median(self._counting(restless))
        least = max(self._threshold, everywhere * _FRAME_FACTOR)
        limit = self._noise * np.float32(_NOISE_FACTOR)
        np.maximum(limit, np.float32(least), out=limit)
        np.minimum(limit, np.float32(self._most_limit), out=limit)
        moving = int(np.count_nonzero(restless > limit))
        if moving >= _GLOBAL * max(1, self._judged_cells):
            self._mean[:] = grey
        else:
            self._learn(restless, elapsed_s, *(_BUSY if busy else _EMPTY))
        return (moving > 0 or abs(brighter) > _SWITCH_LEVELS) and self.settled

    def _compare(self, grey: Image) -> None:
        """Put into `_change` how far each patch of 3x3 pixels has changed, in levels."""
        # With its sign: grain cancels out, and what has a size stays. A background of patches would be
        # cheaper, but cannot follow the light where that drives single pixels into black or white.
        np.subtract(grey, self._mean, out=self._change)
        cv2.blur(self._change, (3, 3), self._change)

    def _restlessness(self) -> NDArray[np.float32]:
        """Return how far the patch that changed most has changed in each cell, in levels."""
        cv2.convertScaleAbs(self._change, self._patches, alpha=_SCALE)
        if self._looked_at is not None:
            cv2.bitwise_and(self._patches, self._looked_at, self._patches)
        columns, rows = self._cells
        strips = self._patches.reshape(rows, CELL, columns * CELL).max(axis=1)
        # A pixel of this holds the greatest of the `CELL` around it: asked where they are those of a cell.
        of_cells = cv2.dilate(strips, _ROW)[:, CELL // 2 :: CELL]
        return np.asarray(of_cells, np.float32) / np.float32(_SCALE)

    def _follow_light(self) -> float:
        """Do to the background what exposure, gain or the sun did to all of the picture.

        Returns:
            By how many levels the median cell that counts became brighter; 0 where that is too little.
        """
        # Nearly always all is as it was, which a patch in the middle of each cell tells as well as all of it.
        middles = self._change[CELL // 2 :: CELL, CELL // 2 :: CELL]
        if abs(_median(self._counting(middles))) < _LIGHT_LEVELS:
            return 0.0
        moved = self._counting(cv2.resize(self._change, self._cells, interpolation=cv2.INTER_AREA))
        brighter = _median(moved)
        before = self._counting(cv2.resize(self._mean, self._cells, interpolation=cv2.INTER_AREA))
        slope, offset = 0.0, brighter
        for _ in range(3):
            left = np.abs(moved - offset - slope * before)
            kept = left <= max(1.0, 2.5 * _median(left))
            x, y = before[kept], moved[kept]
            spread = float(x.var())
            slope = float(((x - x.mean()) * (y - y.mean())).mean()) / spread if spread > 1 else 0.0
            offset = float(y.mean() - slope * x.mean())
        np.clip(self._mean * (1 + slope) + offset, 0, 255, out=self._mean)
        return brighter

    def _counting(self, cells: NDArray[Any]) -> NDArray[Any]:
        """Return the values (N,) of the cells (rows, columns) of which anything is looked at.

        What is ignored may be most of the picture, and says nothing of the light on the rest.
        """
        return cells.ravel() if self._looked_at is None else cells[self._judged]

    def _learn(self, restless: NDArray[np.float32], elapsed_s: float, quantile: float, rate: float) -> None:
        """Let each cell's noise follow the quantile of what is seen there."""
        up = math.exp(rate * elapsed_s * quantile)
        down = math.exp(-rate * elapsed_s * (1 - quantile))
        noise = self._noise
        noise *= np.where(restless > noise, np.float32(up), np.float32(down))
        np.maximum(noise, np.float32(_LEAST_NOISE), out=noise)
        np.minimum(noise, np.float32(self._most_limit), out=noise)


def _median(values: NDArray[np.float32]) -> float:
    """Return the median of (N,) values, 0 where there are none, in a sixth of the time of `numpy.median`."""
    if not len(values):
        return 0.0
    ordered = np.sort(values)
    return float(ordered[(len(values) - 1) // 2] + ordered[len(values) // 2]) / 2


_ROW: Final = np.ones((1, CELL), np.uint8)
