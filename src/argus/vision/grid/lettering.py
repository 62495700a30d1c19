"""Texts of one size, cut to the room that there is. How glyphs are made is `argus.vision.chips`."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import Final

import cv2

from argus.core.frame import Image
from argus.vision.chips import Chips
from argus.vision.palette import INK, Color

_REMEMBERED: Final = 1024
_LONGEST: Final = 300
"""Letters beyond which no tile has room anyway."""
# OpenCV 4 has strokes for ASCII alone.
_ASCII_ONLY: Final = not hasattr(cv2, "FontFace")
_CUT: Final = "..." if _ASCII_ONLY else "…"


class Lettering:
    """Measures, cuts and paints texts of one size."""

    def __init__(self, size: int) -> None:
        """Use letters of about `size` pixels."""
        self.chips = Chips(size)
        self.size = size
        self.height = self.chips.height
        """Pixels from the upper to the lower edge of a painted text."""
        self._fitted: OrderedDict[tuple[str, int], str] = OrderedDict()

    @classmethod
    def of_height(cls, height: int) -> Lettering:
        """Return the largest letters whose ground is no higher than so many pixels, 8 at least."""
        size = max(8, height)
        while size > 8 and size + 2 * max(2, round(size * 0.22)) > height:
            size -= 1
        return cls(size)

    def width(self, text: str) -> int:
        """Return how many pixels wide a text is with its ground."""
        return self.chips.width(text, INK)

    def paste(self, image: Image, text: str, at: tuple[int, int], ground: Color, opacity: float = 1.0) -> int:
        """Paint a text on its ground at x, y, cut off at the picture's edges; return the column after it."""
        return self.chips.paste(image, text, at, ground, opacity)

    def fitted(self, text: str, width: int) -> str:
        """Return the text on one line, cut with an ellipsis to so many pixels; empty where nothing fits."""
        key = (text, width)
        known = self._fitted.get(key)
        if known is None:
            known = self._fitted[key] = self._cut(plain(text), width)
            if len(self._fitted) > _REMEMBERED:
                self._fitted.popitem(last=False)
        return known

    def wrapped(self, text: str, width: int, lines: int) -> list[str]:
        """Return the text in at most so many lines, broken between words; the last is cut to fit."""
        made = [plain(text)] if text and lines > 0 else []
        while made and len(made) < lines and self.width(made[-1]) > width:
            words = made[-1].split(" ")
            first = max(1, self._words_that_fit(words, width))
            if first == len(words):
                break
            made[-1:] = [" ".join(words[:first]), " ".join(words[first:])]
        return [line for line in (self.fitted(line, width) for line in made) if line]

    def _words_that_fit(self, words: list[str], width: int) -> int:
        return _most(len(words), lambda n: self.width(" ".join(words[:n])) <= width)

    def _cut(self, text: str, width: int) -> str:
        if not text or self.width(text) <= width:
            return text
        n = _most(len(text), lambda n: self.width(text[:n].rstrip() + _CUT) <= width)
        return text[:n].rstrip() + _CUT if n else ""


def plain(text: str) -> str:
    """Return the text's beginning on one line, with nothing in it that has no glyph."""
    text = " ".join("".join(c if c.isprintable() else " " for c in text[:_LONGEST]).split())
    return text.encode("ascii", "replace").decode() if _ASCII_ONLY else text


def _most(limit: int, fits: Callable[[int], bool]) -> int:
    """Return the largest number up to `limit` that fits, where all smaller ones do; 0 where none does."""
    low, high = 0, limit
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if fits(middle) else (low, middle - 1)
    return low
