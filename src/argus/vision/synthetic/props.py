"""What stands on the plaza and hides who walks behind it: trees, lamps, benches, parasols, planters.

A prop is a small picture with transparency and the row of its foot. Props are drawn once.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.vision.synthetic.people import SUN_X, SUN_Z
from argus.vision.synthetic.shapes import darken, fixed_point
from argus.vision.synthetic.view import View

_FINE = 4
PLACES: tuple[tuple[str, float, float], ...] = (
    ("tree", 0.045, 0.362), ("tree", 0.31, 0.362), ("tree", 0.92, 0.362),
    ("lamp", 0.175, 0.37), ("lamp", 0.47, 0.37), ("lamp", 0.80, 0.37),
    ("bench", 0.24, 0.405), ("bench", 0.40, 0.405), ("planter", 0.12, 0.43), ("planter", 0.565, 0.40),
    ("parasol", 0.875, 0.47), ("parasol", 0.955, 0.455), ("planter", 0.985, 0.99), ("planter", 0.015, 1.0),
)  # fmt: skip
"""Kind and relative point of the foot."""


@dataclass(frozen=True, slots=True, eq=False)
class Prop:
    """One thing that never moves."""

    x: int
    """Column of its picture's left edge; may be negative."""
    y: int
    depth: float
    """Metres from the camera."""
    colour: Image
    """(h, w, 3) BGR."""
    alpha: NDArray[np.uint8]
    """(h, w) 0 clear, 255 solid."""

    def over(self, image: Image, region: tuple[int, int, int, int]) -> None:
        """Draw the part inside `region` (x0, y0, x1, y1 in pixels) over `image`."""
        height, width = self.alpha.shape
        x0, y0 = max(region[0], self.x, 0), max(region[1], self.y, 0)
        x1 = min(region[2], self.x + width, image.shape[1])
        y1 = min(region[3], self.y + height, image.shape[0])
        if x1 <= x0 or y1 <= y0:
            return
        rows, columns = slice(y0 - self.y, y1 - self.y), slice(x0 - self.x, x1 - self.x)
        patch = image[y0:y1, x0:x1]
        solid = cv2.merge((self.alpha[rows, columns],) * 3)
        front = cv2.multiply(self.colour[rows, columns], solid, scale=1 / 255)
        behind = cv2.multiply(patch, cv2.bitwise_not(solid), scale=1 / 255)
        cv2.add(front, behind, patch)


def place_props(view: View, seed: int) -> list[Prop]:
    """Return everything that stands on the plaza, far things first."""
    rng = np.random.default_rng([seed, 31])
    props = [_make(kind, view, u, v, rng) for kind, u, v in PLACES]
    return sorted(props, key=lambda prop: -prop.depth)


def cast_prop_shadows(view: View, image: Image) -> None:
    """Darken the ground of `image` where props stand in the sun."""
    outlines = []
    for kind, u, v in PLACES:
        x, z = view.ground(u, v)
        tall, broad = {"tree": (4.2, 1.5), "lamp": (4.6, 0.12), "parasol": (2.4, 1.3)}.get(kind, (0.6, 0.8))
        turn = np.linspace(0, 2 * np.pi, 20)
        shift = tall * (0.75 if kind in {"tree", "parasol"} else 0.3)
        if kind in {"tree", "lamp"}:
            trunk = [
                (x - 0.08, z),
                (x + 0.08, z),
                (x + SUN_X * tall + 0.05, z + SUN_Z * tall),
                (x + SUN_X * tall - 0.05, z + SUN_Z * tall),
            ]
            outlines.append(_on_ground(view, trunk))
        if kind != "lamp":
            blob = [
                (x + SUN_X * shift + broad * np.cos(a), z + SUN_Z * shift + 0.7 * broad * np.sin(a))
                for a in turn
            ]
            outlines.append(_on_ground(view, blob))
    darken(image, outlines, 0.32)


def _on_ground(view: View, points: list[tuple[float, float]]) -> NDArray[np.int32]:
    return fixed_point(view.project(np.array([(x, 0.0, max(z, 1.0)) for x, z in points])))


class _Sheet:
    """A transparent drawing with its own metres, the foot of the prop at the bottom in the middle."""

    def __init__(self, view: View, z: float, wide: float, tall: float) -> None:
        self.metre = view.scale(z) * _FINE
        self._size = (max(2, round(wide * self.metre / _FINE)), max(2, round(tall * self.metre / _FINE)))
        width, height = self._size[0] * _FINE, self._size[1] * _FINE
        self._colour = np.zeros((height, width, 3), np.uint8)
        self._alpha = np.zeros((height, width), np.uint8)
        self._x, self._y = width / 2, float(height)

    def polygon(self, points: list[tuple[float, float]], colour: tuple[int, int, int]) -> None:
        """Fill a polygon given in metres right of and above the foot."""
        table = np.array([(self._x + x * self.metre, self._y - y * self.metre) for x, y in points])
        self._fill(np.round(table).astype(np.int32), colour)

    def disc(
        self, x: float, y: float, radius: float, colour: tuple[int, int, int], flat: float = 1.0
    ) -> None:
        """Fill an ellipse given in metres."""
        centre = (round(self._x + x * self.metre), round(self._y - y * self.metre))
        axes = (max(1, round(radius * self.metre)), max(1, round(radius * flat * self.metre)))
        cv2.ellipse(self._colour, centre, axes, 0, 0, 360, colour, -1)
        cv2.ellipse(self._alpha, centre, axes, 0, 0, 360, (255,), -1)

    def bar(self, x0: float, y0: float, x1: float, y1: float, colour: tuple[int, int, int]) -> None:
        """Fill a rectangle given in metres."""
        self.polygon([(x0, y0), (x1, y0), (x1, y1), (x0, y1)], colour)

    def _fill(self, points: NDArray[np.int32], colour: tuple[int, int, int]) -> None:
        cv2.fillPoly(self._colour, [points], colour)
        cv2.fillPoly(self._alpha, [points], (255,))

    def prop(self, view: View, x: float, z: float) -> Prop:
        """Return the drawing, made smooth, standing at the ground point `x`, `z`."""
        weight = self._alpha.astype(np.float32)[..., None] / 255
        soft = cv2.resize(weight, self._size, interpolation=cv2.INTER_AREA)
        colour = cv2.resize(
            self._colour.astype(np.float32) * weight, self._size, interpolation=cv2.INTER_AREA
        )
        colour = colour / np.maximum(soft, 1e-3)[..., None]
        foot = view.project(np.array([x, 0.0, z]))
        left, top = round(float(foot[0]) - self._size[0] / 2), round(float(foot[1])) - self._size[1]
        return Prop(
            left, top, z, np.clip(colour, 0, 255).astype(np.uint8), np.round(soft * 255).astype(np.uint8)
        )


def _make(kind: str, view: View, u: float, v: float, rng: np.random.Generator) -> Prop:
    x, z = view.ground(u, v)
    draw = {"tree": _tree, "lamp": _lamp, "bench": _bench, "parasol": _parasol, "planter": _planter}[kind]
    return draw(view, z, rng).prop(view, x, z)


def _tree(view: View, z: float, rng: np.random.Generator) -> _Sheet:
    sheet = _Sheet(view, z, 4.0, 5.0)
    sheet.polygon([(-0.14, 0), (0.14, 0), (0.07, 2.6), (-0.07, 2.6)], (52, 72, 92))
    sheet.polygon([(0.02, 0), (0.14, 0), (0.07, 2.6), (0.0, 2.6)], (40, 56, 72))
    for layer in range(5):  # from the dark inside to the lit leaves
        for _ in range(60):
            angle, reach = rng.uniform(0, 2 * np.pi), 1.25 * np.sqrt(rng.uniform(0, 1)) * (1 - 0.08 * layer)
            dx, dy = reach * np.cos(angle) - 0.07 * layer, 0.85 * reach * np.sin(angle) + 0.08 * layer
            tone = rng.uniform(0.85, 1.15) * (0.62 + 0.13 * layer)
            leaf = (int(52 * tone), int(118 * tone), int(88 * tone))
            sheet.disc(float(dx), float(3.35 + dy), float(rng.uniform(0.1, 0.24)), leaf, 0.8)
    return sheet


def _lamp(view: View, z: float, _: np.random.Generator) -> _Sheet:
    sheet = _Sheet(view, z, 1.4, 4.9)
    sheet.bar(-0.13, 0, 0.13, 0.3, (58, 60, 58))
    sheet.bar(-0.055, 0, 0.055, 4.4, (66, 68, 66))
    sheet.bar(-0.05, 0, -0.01, 4.4, (104, 106, 104))
    sheet.polygon([(-0.2, 4.3), (0.2, 4.3), (0.26, 4.7), (-0.26, 4.7)], (205, 232, 240))
    sheet.polygon([(-0.3, 4.7), (0.3, 4.7), (0.08, 4.88), (-0.08, 4.88)], (54, 56, 54))
    return sheet


def _bench(view: View, z: float, _: np.random.Generator) -> _Sheet:
    sheet = _Sheet(view, z, 2.0, 1.0)
    for x in (-0.75, 0.68):
        sheet.bar(x, 0, x + 0.07, 0.85, (56, 56, 58))
    for low in (0.36, 0.5, 0.64, 0.78):
        sheet.bar(-0.9, low, 0.9, low + 0.1, (62, 104, 146) if low > 0.4 else (80, 126, 170))
    return sheet


def _parasol(view: View, z: float, rng: np.random.Generator) -> _Sheet:
    sheet = _Sheet(view, z, 3.0, 2.7)
    sheet.bar(-0.03, 0, 0.03, 2.3, (210, 214, 216))
    sheet.bar(-0.06, 0, 0.06, 0.8, (120, 124, 128))
    sheet.disc(0, 0.78, 0.5, (206, 212, 218), 0.22)
    for x in (-0.75, 0.75):
        sheet.bar(x - 0.2, 0.4, x + 0.2, 0.48, (80, 112, 140))
        sheet.bar(x - 0.2 if x < 0 else x + 0.13, 0.05, x - 0.13 if x < 0 else x + 0.2, 0.85, (80, 112, 140))
    edge = [(-1.35 + 2.7 * i / 8, 1.95 - 0.28 * (1 - ((i - 4) / 4) ** 2)) for i in range(9)]
    red = (60, 62, 178) if rng.random() < 0.5 else (110, 92, 52)
    for i in range(8):
        colour = red if i % 2 == 0 else (228, 232, 236)
        dim = 1.06 - 0.04 * i
        b, g, r = (min(255, int(c * dim)) for c in colour)
        sheet.polygon([edge[i], edge[i + 1], (0, 2.55)], (b, g, r))
    return sheet


def _planter(view: View, z: float, rng: np.random.Generator) -> _Sheet:
    sheet = _Sheet(view, z, 1.5, 1.2)
    for _ in range(70):
        tone = rng.uniform(0.6, 1.15)
        sheet.disc(
            float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.5, 0.95)), float(rng.uniform(0.06, 0.13)),
            (int(50 * tone), int(120 * tone), int(84 * tone)),
        )  # fmt: skip
    for _ in range(14):
        bloom = ((70, 70, 210), (90, 200, 240), (200, 120, 190))[int(rng.integers(3))]
        sheet.disc(float(rng.uniform(-0.5, 0.5)), float(rng.uniform(0.6, 0.98)), 0.04, bloom)
    sheet.polygon([(-0.6, 0), (0.6, 0), (0.68, 0.55), (-0.68, 0.55)], (140, 150, 160))
    sheet.polygon([(0.1, 0), (0.6, 0), (0.68, 0.55), (0.1, 0.55)], (122, 132, 142))
    sheet.bar(-0.7, 0.5, 0.7, 0.6, (164, 172, 180))
    return sheet
