"""What the tests see of a camera: a few pictures in a row, small and grey, and what came with them."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Frame


@dataclass(frozen=True, slots=True)
class Glance:
    """Some frames that followed each other."""

    frames: list[Frame]
    small: list[NDArray[np.int16]]
    """(60, 80) grey, one per frame."""

    @property
    def brightness(self) -> float:
        """Mean of the last picture, 0..255."""
        return float(self.small[-1].mean())

    @property
    def sharpness(self) -> float:
        """Mean square of the second derivative of the last picture at full size."""
        full = self.frames[-1].bgr[:, :, 1].astype(np.float32)
        return float((np.diff(full, n=2, axis=1) ** 2).mean())

    @property
    def change(self) -> float:
        """Largest mean difference between two pictures in a row."""
        return max(float(np.abs(b - a).mean()) for a, b in itertools.pairwise(self.small))

    @property
    def longest_gap_s(self) -> float:
        """Longest time from one picture to the next, by the camera's clock."""
        return max(b.time_s - a.time_s for a, b in itertools.pairwise(self.frames))

    @property
    def size(self) -> tuple[int, int]:
        """Columns and rows of the last picture."""
        return self.frames[-1].width, self.frames[-1].height

    @property
    def plain_columns(self) -> float:
        """Part of the last picture's columns in which nothing but noise is."""
        rough = np.abs(np.diff(self.small[-1], axis=0)).mean(axis=0)
        return float((rough < 2).mean())


def glance(frames: Iterator[Frame], count: int = 4) -> Glance:
    """Return what the next frames show."""
    taken = list(itertools.islice(frames, count))
    small = [cast("NDArray[np.int16]", f.resized(80, 60, "gray").astype(np.int16)) for f in taken]
    return Glance(taken, small)


def comes_to_show(frames: Iterator[Frame], what: Callable[[Glance], bool], within: int = 60) -> bool:
    """Return whether `what` becomes true of a camera within so many frames: some are on their way."""
    return any(what(glance(frames)) for _ in range(within // 4))
