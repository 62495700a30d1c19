"""Where the tiles of a grid stand: numbers in, rectangles out.

No pixel is touched here; what fills the rectangles is `painting`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

SMALLEST: Final = (96, 68)
"""Width and height in pixels below which nobody can tell what a tile shows."""
_CAPTION: Final = (14, 30)
"""Pixels that a caption bar is high, at least and at most."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the grid, origin top left."""

    x: int
    y: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Layout:
    """How a grid is divided: equal cells, row by row, each with a caption bar above its picture."""

    width: int
    height: int
    columns: int
    rows: int
    gap: int
    """Pixels between two cells, and at least so many around all of them."""
    caption: int
    """Pixels of a cell's height that its caption bar takes."""
    cells: tuple[Box, ...]
    """One per tile, captions included."""

    def caption_of(self, index: int) -> Box:
        """Return the caption bar of a cell."""
        cell = self.cells[index]
        return Box(cell.x, cell.y, cell.width, self.caption)

    def body_of(self, index: int) -> Box:
        """Return what a cell has left for its picture."""
        cell = self.cells[index]
        return Box(cell.x, cell.y + self.caption, cell.width, cell.height - self.caption)


def arrange(width: int, height: int, aspects: Sequence[float], columns: int | None = None) -> Layout:
    """Return the division of a picture that shows most of the tiles' pictures.

    Cells are no larger than their pictures need, and all of them together stand in the middle.

    Args:
        width: Of the whole grid, in pixels.
        height: Likewise.
        aspects: Width over height of each tile's picture, in the order of the tiles; may be empty.
        columns: How many beside each other; None: those that make the pictures largest, and of equally
            good ones those that leave the fewest cells empty.
    """
    count = len(aspects)
    gap = max(4, round(min(width, height) / 120))
    if count == 0:
        return Layout(width, height, 0, 0, gap, _CAPTION[0], ())
    if columns is None:
        columns = max(range(1, count + 1), key=lambda n: _worth(width, height, aspects, n, gap))
    columns = max(1, min(columns, count))
    rows = math.ceil(count / columns)
    wide, high, caption = _cell(width, height, columns, rows, gap)
    shown = [fit(wide, high - caption, aspect) for aspect in aspects]
    wide, high = max(w for w, _ in shown), max(h for _, h in shown) + caption
    left = (width - columns * wide - (columns - 1) * gap) // 2
    top = (height - rows * high - (rows - 1) * gap) // 2
    cells = tuple(
        Box(left + (i % columns) * (wide + gap), top + (i // columns) * (high + gap), wide, high)
        for i in range(count)
    )
    return Layout(width, height, columns, rows, gap, caption, cells)


def fit(width: int, height: int, aspect: float) -> tuple[int, int]:
    """Return the width and height, in pixels, of the largest picture of an aspect that has room."""
    if width < height * aspect:
        return max(1, width), max(1, round(width / aspect))
    return max(1, round(height * aspect)), max(1, height)


def room(width: int, height: int) -> int:
    """Return how many tiles a grid can hold before they become too small to tell anything."""
    gap = max(4, round(min(width, height) / 120))
    return max(1, (width - gap) // (SMALLEST[0] + gap)) * max(1, (height - gap) // (SMALLEST[1] + gap))


def _worth(width: int, height: int, aspects: Sequence[float], columns: int, gap: int) -> tuple[int, int]:
    """Return the area of all pictures, and how few cells stay empty."""
    rows = math.ceil(len(aspects) / columns)
    wide, high, caption = _cell(width, height, columns, rows, gap)
    sizes = (fit(wide, high - caption, aspect) for aspect in aspects)
    return sum(w * h for w, h in sizes), len(aspects) - rows * columns


def _cell(width: int, height: int, columns: int, rows: int, gap: int) -> tuple[int, int, int]:
    """Return width, height and caption height, in pixels, of the largest cells that fit."""
    wide = max(8, (width - gap) // columns - gap)
    high = max(8, (height - gap) // rows - gap)
    caption = max(_CAPTION[0], min(round(wide * 0.08), round(high * 0.12), _CAPTION[1]))
    return wide, high, min(caption, high // 2)
