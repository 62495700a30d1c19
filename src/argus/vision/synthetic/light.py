"""The plaza after dark: moonlight, lamps on their posts, headlights on the road."""

from __future__ import annotations

import cv2
import numpy as np

from argus.core.frame import Image
from argus.vision.synthetic.props import PLACES
from argus.vision.synthetic.view import View


class NightLight:
    """How much light falls on each pixel at night."""

    def __init__(self, view: View) -> None:
        height, width = view.height, view.width
        y, x = np.mgrid[0:height, 0:width].astype(np.float32)
        light = np.empty((height, width, 3), np.float32)
        light[:] = (0.42, 0.32, 0.27)
        for kind, u, v in PLACES:
            if kind != "lamp":
                continue
            near = np.exp(-(((x / width - u) / 0.17) ** 2) - ((y / height - v - 0.1) / 0.22) ** 2)
            light += near[..., None] * np.array([0.28, 0.42, 0.52], np.float32)
            bulb = view.project(np.array([*view.ground(u, v)[:1], 4.5, view.depth(v)]))
            radius = 0.5 * view.scale(view.depth(v))
            glow = np.exp(-((x - bulb[0]) ** 2 + (y - bulb[1]) ** 2) / radius**2)
            light += glow[..., None] * np.array([0.9, 1.2, 1.3], np.float32)
        near = np.exp(-(((x / width - 0.7) / 0.5) ** 2) - ((y / height - 0.85) / 0.4) ** 2)
        light += near[..., None] * np.array([0.12, 0.18, 0.22], np.float32)
        self._light = np.clip(light * 128, 0, 255).astype(np.uint8)

    def fall_on(self, image: Image, vehicles: list[tuple[float, float, float, float]]) -> Image:
        """Return `image`, changed in place, as seen at night; within `vehicles` (pixel boxes) lamps shine."""
        lit = [self._around(box, image) for box in vehicles]
        kept = [image[region].copy() for region in lit]
        cv2.multiply(image, self._light, image, 1 / 128)
        for region, bright in zip(lit, kept, strict=True):
            if bright.size:  # lamps shine on their own
                lamps = bright.max(axis=2) > 248
                image[region][lamps] = bright[lamps]
        return image

    @staticmethod
    def _around(box: tuple[float, float, float, float], image: Image) -> tuple[slice, slice]:
        height, width = image.shape[:2]
        x0, y0, x1, y1 = (int(v) for v in box)
        return slice(max(y0, 0), min(max(y1, 0), height)), slice(max(x0, 0), min(max(x1, 0), width))
