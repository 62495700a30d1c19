"""Many cameras in one picture: each with its name and state, and the ill ones impossible to overlook.

It paints what the tiles say and decides nothing about cameras. Where tiles stand is `layout`, how states
look is `looks`; who looks at the picture is the matter of `page` and `writing`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np

from argus.core.errors import SpecError
from argus.core.frame import Image
from argus.vision.grid.layout import Box, Layout, arrange, fit, room
from argus.vision.grid.lettering import Lettering
from argus.vision.grid.looks import LOOKS, paste_sign
from argus.vision.grid.shrinking import paled, shrunk
from argus.vision.grid.tile import Tile, span
from argus.vision.palette import INK, SEVERITIES, Color, ink_on

_GROUND: Final[Color] = (19, 15, 13)
_BAR: Final[Color] = (50, 43, 39)
_BODY: Final[Color] = (32, 27, 24)
_ASPECT: Final = 16 / 9
"""Of a camera that has not shown a picture yet."""


@dataclass(slots=True)
class _Drawn:
    """What stands in a cell of the canvas: while it is the same, nothing is painted."""

    bar: Any = None
    body: Any = None
    picture: Image | None = None
    ring: Color = _GROUND


class GridPainter:
    """Paints a grid again and again, each time only what has changed. For one thread."""

    def __init__(self, *, width: int = 1280, height: int = 720, columns: int | None = None) -> None:
        """Begin with an empty grid.

        Args:
            width: Of the picture, in pixels; 160 at least.
            height: Likewise; 120 at least.
            columns: How many tiles beside each other; None: as many as make the pictures largest.

        Raises:
            SpecError: too small, or no columns.
        """
        if width < 160 or height < 120:
            raise SpecError(f"a grid of {width}x{height}: too small to show anything; use 160x120 at least")
        if columns is not None and columns < 1:
            raise SpecError(f"a grid of {columns} columns: use 1 at least, or leave it out")
        self.width = width
        self.height = height
        self._columns = columns
        self._aspects: dict[str, float] = {}
        self._canvas = np.empty((height, width, 3), np.uint8)
        self._letters: dict[int, Lettering] = {}
        self._small = self._large = Lettering(8)
        self._arranged: list[float] = []
        self._blank = self._canvas
        self._layout = arrange(width, height, self._arranged)
        self._start(self._layout)

    def paint(self, tiles: Sequence[Tile]) -> Image:
        """Return a new (height, width, 3) BGR picture of the tiles, in their order, row by row.

        Where there are more than can be told apart, the ill ones and those with an alert are all shown
        as far as they fit, then the first of the others; the last cell says how many are left out.
        """
        shown = _chosen(tiles, room(self.width, self.height))
        hidden = len(tiles) - len(shown)
        aspects = [self._aspect(tile) for tile in shown]
        if hidden:
            aspects.append(_ASPECT)
        if aspects != self._arranged:
            self._arranged = aspects
            layout = arrange(self.width, self.height, aspects, self._columns)
            if layout != self._layout:
                self._start(layout)
        layout = self._layout
        for index, tile in enumerate(shown):
            self._paint_bar(layout.caption_of(index), tile, self._drawn[index])
            self._paint_body(layout.body_of(index), tile, self._drawn[index])
            self._paint_ring(layout.cells[index], tile, self._drawn[index])
        if hidden:
            self._paint_rest(layout.cells[-1], hidden)
        if len(self._aspects) > 2 * len(tiles) + 16:
            names = {tile.name for tile in tiles}
            self._aspects = {name: aspect for name, aspect in self._aspects.items() if name in names}
        return self._canvas.copy()

    def size_for(self, width: int, height: int) -> tuple[int, int]:
        """Return the size, in pixels, at which the newest grid shows a picture of so many pixels.

        Who makes pictures for the grid alone saves most by making them no larger, and what is drawn on
        them stays sharp. Before the first grid it is the whole grid's size.
        """
        if not self._layout.cells:
            return fit(self.width, self.height, width / height)
        body = self._layout.body_of(0)
        return fit(body.width, body.height, width / height)

    def _aspect(self, tile: Tile) -> float:
        """Return width over height; a camera that is lost keeps the place its pictures had."""
        if tile.picture is not None:
            high, wide = tile.picture.shape[:2]
            self._aspects[tile.name] = min(max(wide / high, 0.4), 3.0)
        return self._aspects.get(tile.name, _ASPECT)

    def _start(self, layout: Layout) -> None:
        """Clear the canvas for another division."""
        self._layout = layout
        self._canvas[:] = _GROUND
        self._drawn = [_Drawn() for _ in layout.cells]
        if not layout.cells:
            large = self._of_size(24)
            at = ((layout.width - large.width("no cameras")) // 2, (layout.height - large.height) // 2)
            large.paste(self._canvas, "no cameras", at, _GROUND, 0.6)
        else:
            self._small = Lettering.of_height(layout.caption)
            body = layout.body_of(0)
            self._blank = np.full((body.height, body.width, 3), _BODY, np.uint8)
            self._large = self._of_size(max(10, min(round(body.width / 9), round(body.height / 6), 44)))

    def _of_size(self, size: int) -> Lettering:
        return self._letters.setdefault(size, Lettering(size))

    def _paint_bar(self, box: Box, tile: Tile, drawn: _Drawn) -> None:
        letters, look = self._small, LOOKS[tile.state]
        ground = _BAR
        if tile.alert is not None:
            ground = SEVERITIES[tile.alert]
        elif tile.state != "online":
            ground = _mixed(_BAR, look.color, 0.22)
        pad = max(2, letters.size // 3)
        name_at = pad + letters.size
        free = box.width - name_at - pad
        figures = self._figures(
            tile, free - min(letters.width(letters.fitted(tile.name, free)), free * 3 // 5)
        )
        name = letters.fitted(tile.name, free - sum(letters.width(text) for text in figures))
        key = (name, figures, tile.state, ground)
        if drawn.bar == key:
            return
        drawn.bar = key
        bar = self._part(box)
        bar[:] = ground
        top = (box.height - letters.height) // 2
        sign, faint = (look.color, 0.66) if tile.alert is None else (ink_on(ground), 0.9)
        paste_sign(bar, tile.state, (pad, (box.height - letters.size) // 2), letters.size, sign)
        if name:
            letters.paste(bar, name, (name_at, top), ground)
        right = box.width
        for text in reversed(figures):
            right -= letters.width(text)
            letters.paste(bar, text, (right, top), ground, faint)

    def _figures(self, tile: Tile, width: int) -> tuple[str, ...]:
        """Return as many of objects, rate and age as have room beside the name."""
        rate = "" if tile.fps is None else f"{tile.fps:.{0 if tile.fps >= 9.95 else 1}f} fps"
        age = "" if tile.age_s is None else span(tile.age_s)
        ago = f"{age} ago" if age else ""
        seen = "" if tile.objects is None else f"{tile.objects} object{'' if tile.objects == 1 else 's'}"
        # Of an ill camera it matters more how old its picture is than how fast it was.
        for parts in (
            (seen, rate, ago),
            (rate, ago),
            (rate, age),
            (rate if tile.state == "online" else age,),
        ):
            texts = tuple(filter(None, parts))
            if sum(self._small.width(text) for text in texts) <= width:
                return texts
        return ()

    def _paint_body(self, box: Box, tile: Tile, drawn: _Drawn) -> None:
        since = "" if tile.for_s is None or tile.state == "online" else _since(tile.for_s)
        key = (tile.state, tile.reason, since, tile.note, tile.alert)
        if drawn.body == key and drawn.picture is tile.picture:
            return
        drawn.body, drawn.picture = key, tile.picture
        body = self._part(box)
        body[:] = self._blank
        if tile.picture is not None:
            self._paint_picture(body, tile, tile.picture)
        if tile.picture is None or tile.state != "online":
            self._paint_state(body, tile, since)
        edge = max(2, self._small.size // 3)
        if tile.alert is not None:
            text = f"{tile.alert.upper()} ALERT"
            self._small.paste(body, text, (edge, edge), SEVERITIES[tile.alert])
        note = self._small.fitted(tile.note, box.width - 2 * edge)
        if note:
            below = box.height - self._small.height - edge
            # At the bottom of an ill camera stands what ails it.
            at = (box.width - self._small.width(note) - edge, below if tile.state == "online" else edge)
            self._small.paste(body, note, at, INK, 0.8)

    def _paint_picture(self, body: Image, tile: Tile, picture: Image) -> None:
        high, wide = body.shape[:2]
        width, height = fit(wide, high, picture.shape[1] / picture.shape[0])
        small = shrunk(picture, width, height)
        if tile.state != "online":
            # Of one that is blurred or moved somebody wants to see how much.
            small = paled(small, 0.9, 0.42) if LOOKS[tile.state].stale else paled(small, 0.45, 0.7)
        left, top = (wide - width) // 2, (high - height) // 2
        body[top : top + height, left : left + width] = small

    def _paint_state(self, body: Image, tile: Tile, since: str) -> None:
        """Write what is wrong, in large letters, and below it since when and why."""
        look, large, small = LOOKS[tile.state], self._large, self._small
        high, wide = body.shape[:2]
        word = "NO PICTURE YET" if tile.state == "online" else look.word
        while large.size > 10 and large.width(word) + large.height > wide:
            large = self._of_size(max(10, large.size * 4 // 5))
        why = ": ".join(filter(None, (since, tile.reason)))
        lines = small.wrapped(why, wide - 8, min(3, (high - large.height) // small.height))
        y = max(0, high - large.height - len(lines) * small.height)
        if look.stale or tile.picture is None:
            y //= 2
        # Where there is not even a last picture, the word need not stand out against one.
        ground = look.color if tile.picture is not None else _mixed(_BODY, look.color, 0.25)
        ink = ink_on(ground)
        wide_word = large.width(word)
        x = max(0, (wide - wide_word - large.height) // 2)
        body[y : y + large.height, x : x + large.height] = ground
        side = large.size
        corner = (x + (large.height - side) * 2 // 3, y + (large.height - side) // 2)
        paste_sign(body, tile.state, corner, side, ink if tile.picture is not None else look.color)
        large.paste(body, word, (x + large.height, y), ground)
        y += large.height
        plate = max((small.width(line) for line in lines), default=0) + 4
        left = max(0, (wide - plate) // 2)
        body[y : y + len(lines) * small.height, left : left + plate] = _BODY
        for line in lines:
            small.paste(body, line, ((wide - small.width(line)) // 2, y), _BODY, 0.9)
            y += small.height

    def _paint_ring(self, cell: Box, tile: Tile, drawn: _Drawn) -> None:
        """Draw the border in the gap around the cell, where it hides nothing."""
        color = _GROUND
        if tile.alert is not None:
            color = SEVERITIES[tile.alert]
        elif tile.state != "online":
            color = LOOKS[tile.state].color
        if drawn.ring == color:
            return
        drawn.ring = color
        thick = self._layout.gap // 2
        x1, y1 = cell.x - thick, cell.y - thick
        x2, y2 = cell.x + cell.width + thick, cell.y + cell.height + thick
        self._canvas[y1 : cell.y, x1:x2] = color
        self._canvas[y2 - thick : y2, x1:x2] = color
        self._canvas[y1:y2, x1 : cell.x] = color
        self._canvas[y1:y2, x2 - thick : x2] = color

    def _paint_rest(self, cell: Box, hidden: int) -> None:
        part, letters = self._part(cell), self._small
        part[:] = _BODY
        text = letters.fitted(f"and {hidden} more", cell.width)
        at = ((cell.width - letters.width(text)) // 2, (cell.height - letters.height) // 2)
        letters.paste(part, text, at, _BODY, 0.8)

    def _part(self, box: Box) -> Image:
        return self._canvas[box.y : box.y + box.height, box.x : box.x + box.width]


def _chosen(tiles: Sequence[Tile], most: int) -> Sequence[Tile]:
    """Return those tiles that are shown, in their order; one place is kept to count the others."""
    if len(tiles) <= most:
        return tiles
    calm = [tile.state == "online" and tile.alert is None for tile in tiles]
    first = sorted(range(len(tiles)), key=lambda index: (calm[index], index))[: max(1, most - 1)]
    return [tiles[index] for index in sorted(first)]


def _since(seconds: float) -> str:
    """Return whole seconds, so that it is not painted anew for each tenth."""
    return f"for {int(max(0.0, seconds))} s" if seconds < 60 else f"for {span(seconds)}"


def _mixed(ground: Color, color: Color, part: float) -> Color:
    return cast("Color", tuple(round(a + (b - a) * part) for a, b in zip(ground, color, strict=True)))
