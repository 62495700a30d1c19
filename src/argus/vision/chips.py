"""Short texts on coloured ground, made once and pasted often: drawing glyphs costs more than boxes."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any, Final, cast

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.vision.palette import Color, ink_on

_REMEMBERED: Final = 2048


class Chips:
    """Paints texts of one size; remembers the newest couple of thousand."""

    def __init__(self, size: int) -> None:
        """Make texts whose capitals are about `size` * 0.7 pixels high."""
        self.size = size
        self.height = size + 2 * max(2, round(size * 0.22))
        """Pixels from the upper to the lower edge of a chip."""
        self._made: OrderedDict[tuple[str, Color], Image] = OrderedDict()
        # OpenCV 5 brings smooth fonts; version 4 has strokes only.
        self._face: Any = cv2.FontFace("sans") if hasattr(cv2, "FontFace") else None

    def width(self, text: str, ground: Color) -> int:
        """Return how wide a text's chip is, in pixels."""
        return int(self._chip(text, ground).shape[1])

    def paste(self, image: Image, text: str, at: tuple[int, int], ground: Color, opacity: float = 1.0) -> int:
        """Paint a chip with its upper left corner at x, y, cut off at the picture's edges.

        Returns:
            The column after its right edge.
        """
        chip = self._chip(text, ground)
        x, y = at
        height, width = chip.shape[:2]
        left, top = max(x, 0), max(y, 0)
        right, bottom = min(x + width, image.shape[1]), min(y + height, image.shape[0])
        if left < right and top < bottom:
            part = chip[top - y : bottom - y, left - x : right - x]
            place = image[top:bottom, left:right]
            if opacity < 1.0:
                cv2.addWeighted(part, opacity, place, 1.0 - opacity, 0.0, dst=place)
            else:
                place[:] = part
        return x + int(width)

    def _chip(self, text: str, ground: Color) -> Image:
        key = (text, ground)
        chip = self._made.get(key)
        if chip is None:
            chip = self._made[key] = self._make(text, ground)
            if len(self._made) > _REMEMBERED:
                self._made.popitem(last=False)
        else:
            self._made.move_to_end(key)
        return chip

    def _make(self, text: str, ground: Color) -> Image:
        mask = self._ink(text)
        pad = max(2, round(self.size * 0.3))
        wide = np.pad(mask, ((0, 0), (pad, pad))).astype(np.float32)[..., None] / 255.0
        paper, ink = np.array(ground, np.float32), np.array(ink_on(ground), np.float32)
        return cast("Image", np.round(paper + (ink - paper) * wide).astype(np.uint8))

    def _ink(self, text: str) -> NDArray[np.uint8]:
        """Return (height, W) coverage of a text, as wide as the text is."""
        canvas = np.zeros((self.height, self.size * (len(text) + 2), 3), np.uint8)
        line = self.height - max(2, round(self.size * 0.22)) - round(self.size * 0.16)
        white = (255, 255, 255)
        if self._face is not None:
            cv2.putText(canvas, text, (self.size // 2, line), white, self._face, self.size, 500)
        else:
            scale, weight = self.size / 30.0, max(1, round(self.size / 20))
            face = cv2.FONT_HERSHEY_DUPLEX
            cv2.putText(canvas, text, (self.size // 2, line), face, scale, white, weight, cv2.LINE_AA)
        mask: NDArray[np.uint8] = canvas[..., 0]
        columns = np.flatnonzero(mask.any(axis=0))
        return mask[:, columns[0] : columns[-1] + 1] if len(columns) else mask[:, : self.size // 2]
