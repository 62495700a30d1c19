"""The plaza without anybody on it: houses, pavement, road and paving, drawn once per picture size.

What stands on the plaza and can hide people (trees, lamps, parasols) is in `props`.
"""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.frame import Image
from argus.vision.synthetic.view import View

PAVEMENT_V, ROAD_FAR_V, ROAD_NEAR_V, PLAZA_V = 0.203, 0.236, 0.352, 0.372
"""Relative rows of the ground's borders, from far to near: house fronts, far kerb, near kerb, paving."""
Floats = NDArray[np.float32]


def draw_backdrop(view: View, seed: int) -> Image:
    """Return the empty scene in daylight, (H, W, 3) BGR."""
    rng = np.random.default_rng([seed, 21])
    picture = _ground(view, rng)
    _houses(picture, view, rng)
    height, width = picture.shape[:2]
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    # A lens darkens its corners, and the low sun warms the left.
    radius = np.hypot((x / width - 0.5) * 1.1, y / height - 0.55)
    picture *= (1.04 - 0.28 * np.clip(radius - 0.25, 0, None))[..., None]
    picture *= 1 + (0.5 - x / width)[..., None] * np.array([-0.05, 0.02, 0.06], np.float32)
    return np.clip(picture, 0, 255).astype(np.uint8)


def _ground(view: View, rng: np.random.Generator) -> Floats:
    height, width = view.height, view.width
    rows = (np.arange(height, dtype=np.float32) + 0.5) / height
    v = np.maximum(rows, PAVEMENT_V)[:, None]
    z = np.float32(view.depth(1.0) * (1.0 - 0.05)) / (v - np.float32(0.05))
    u = ((np.arange(width, dtype=np.float32) + 0.5) / width - 0.5)[None, :]
    x = u * np.float32(view.aspect / 0.9) * z
    picture = np.empty((height, width, 3), np.float32)
    grain = _clouds(rng, x, z)

    picture[:] = _paving(view, rng, x, z)
    road = (v >= ROAD_FAR_V) & (v < ROAD_NEAR_V)
    asphalt = np.array([88, 86, 84], np.float32) + 9 * grain[..., None]
    picture = np.where(road[..., None], asphalt, picture)
    slab = np.array([150, 156, 160], np.float32) * (1 + 0.05 * grain[..., None])
    joints = np.clip(_joint(x, 1.0, z, view) + _joint(z, 1.0, z, view), 0, 1)
    slab = slab * (1 - 0.2 * joints[..., None])
    picture = np.where((v < ROAD_FAR_V)[..., None], slab, picture)

    def band(
        v0: float, v1: float, colour: tuple[float, float, float], mask: NDArray[np.bool_] | None = None
    ) -> None:
        inside = (v >= v0) & (v < v1) & (np.ones_like(x, bool) if mask is None else mask)
        picture[inside] = np.array(colour, np.float32)

    centre = (ROAD_FAR_V + ROAD_NEAR_V) / 2 - 0.004
    band(centre - 0.0016, centre + 0.0016, (205, 212, 214), (np.mod(x, 5.0) < 2.6))
    band(ROAD_FAR_V + 0.004, ROAD_FAR_V + 0.0065, (190, 196, 198))
    crossing = (np.abs(x - 7.0) < 2.2) & (np.mod(z + 0.3, 1.6) < 0.85)
    band(ROAD_FAR_V + 0.007, ROAD_NEAR_V - 0.006, (208, 214, 216), crossing)
    band(ROAD_FAR_V - 0.004, ROAD_FAR_V, (196, 200, 204))
    band(ROAD_NEAR_V - 0.004, ROAD_NEAR_V, (120, 122, 124))
    band(ROAD_NEAR_V, ROAD_NEAR_V + 0.006, (205, 208, 210))
    # A lawn between road and paving, cut by the way to the crossing.
    lawn = np.abs(x - 7.0) > 3.2
    blades = rng.normal(0, 1, (height, width)).astype(np.float32)
    green = np.array([62, 128, 96], np.float32) + (10 * grain + 9 * blades)[..., None]
    inside = (v >= ROAD_NEAR_V + 0.006) & (v < PLAZA_V) & lawn
    picture = np.where(inside[..., None], green, picture)
    band(PLAZA_V, PLAZA_V + 0.005, (188, 192, 198))
    return picture


def _paving(view: View, rng: np.random.Generator, x: Floats, z: Floats) -> Floats:
    """Slabs in a running bond, darker bands every few metres, and a round mosaic in the middle."""
    long, deep = 1.5, 0.75
    course = np.floor(z / deep)
    shifted = x + 0.5 * long * np.mod(course, 2)
    column = np.floor(shifted / long)
    tone = _hash(course, column)
    base = np.array([166, 178, 188], np.float32)
    picture = base * (1 + 0.055 * (tone - 0.5))[..., None]
    warm = (_hash(column, course + 40) > 0.9)[..., None]
    picture = np.where(warm, picture * np.array([0.93, 0.97, 1.02], np.float32), picture)
    joints = np.clip(_joint(z, deep, z, view) + _joint(shifted, long, z, view), 0, 1)
    picture *= 1 - 0.22 * joints[..., None]

    cross, depth = np.mod(x + 4.5, 9.0), np.mod(z - 9.0, 6.0)
    bands = (cross < 0.5) | (depth < 0.5)
    cobble = (
        np.array([128, 134, 142], np.float32)
        * (1 + 0.1 * (_hash(np.floor(x / 0.25), np.floor(z / 0.25)) - 0.5))[..., None]
    )
    picture = np.where(bands[..., None], cobble, picture)

    middle = 11.2
    radius, angle = np.hypot(x, z - middle), np.arctan2(z - middle, x)
    petals = np.cos(8 * angle) > 0
    rings = np.array([[112, 124, 150], [196, 204, 210], [128, 140, 166], [100, 108, 126]], np.float32)
    for number, (inner, outer) in enumerate(((0.0, 0.5), (0.5, 1.9), (0.5, 1.9), (1.9, 2.25))):
        ring = (radius >= inner) & (radius < outer)
        if number == 1:
            ring &= petals
        elif number == 2:
            ring &= ~petals
        picture = np.where(ring[..., None], rings[number] * (1 + 0.06 * (tone - 0.5))[..., None], picture)
    stained: Floats = picture * (1 + 0.035 * _clouds(rng, x, z))[..., None]
    return stained


def _joint(coordinate: Floats, period: float, z: Floats, view: View) -> Floats:
    """Return how much of each pixel a joint covers: thin lines fade with distance instead of flickering."""
    half_m = 0.018
    pixel_m = z / np.float32(view.focal)
    # Along the line of sight a pixel covers more ground.
    if coordinate is z or coordinate.shape[1] == 1:
        pixel_m = pixel_m * z / np.float32(6.5)
    away = np.abs(np.mod(coordinate + period / 2, period) - period / 2)
    covered = np.clip((half_m + pixel_m / 2 - away) / pixel_m, 0, 1) * np.clip(2 * half_m / pixel_m, 0.12, 1)
    return np.asarray(covered, np.float32)


def _hash(a: Floats, b: Floats) -> Floats:
    """Return a number in [0, 1) that looks random and depends on the two whole numbers alone."""
    value: Floats = np.mod(
        np.sin(a * np.float32(12.9898) + b * np.float32(78.233)) * np.float32(43758.547), 1.0
    )
    return value.astype(np.float32)


def _clouds(rng: np.random.Generator, x: Floats, z: Floats) -> Floats:
    """Return smooth stains in world coordinates, about -1..1."""
    tile = np.pad(rng.normal(0, 1, (256, 256)).astype(np.float32), 8, mode="wrap")  # stains meet at the seams
    coarse = np.asarray(cv2.GaussianBlur(tile, (0, 0), 2.0), np.float32)[8:-8, 8:-8]
    coarse = coarse / (coarse.std() * 2)
    columns = np.mod(x * 4, 255).astype(np.float32)
    rows = np.broadcast_to(np.mod(z * 4, 255), x.shape).astype(np.float32)
    return np.asarray(cv2.remap(coarse, columns, rows, cv2.INTER_LINEAR), np.float32)


def _houses(picture: Floats, view: View, rng: np.random.Generator) -> None:
    """Draw a street front with shops on the far pavement."""
    base = round(PAVEMENT_V * view.height)
    metre = view.scale(view.depth(PAVEMENT_V))
    fine = 4
    canvas = np.full((max(base, 1) * fine, view.width * fine, 3), (190, 190, 190), np.uint8)
    foot = canvas.shape[0]
    unit = metre * fine

    def box(x0: float, y0: float, x1: float, y1: float, colour: tuple[int, int, int]) -> None:
        """Fill from x0, y0 to x1, y1 in metres, y upwards from the pavement."""
        cv2.rectangle(
            canvas,
            (round(x0 * unit), round(foot - y1 * unit)),
            (round(x1 * unit) - 1, round(foot - y0 * unit) - 1),
            colour,
            -1,
        )

    walls = [
        (150, 176, 196),
        (168, 190, 206),
        (132, 150, 172),
        (176, 186, 190),
        (120, 142, 178),
        (158, 172, 160),
    ]
    awnings = [(60, 60, 170), (110, 130, 60), (150, 90, 50), (60, 130, 190), (90, 60, 120)]
    x, reach = -float(rng.uniform(0, 6)), canvas.shape[1] / unit
    last = -1
    while x < reach:
        wide = float(rng.uniform(8, 13))
        choice = int(rng.integers(len(walls) - 1))
        last = choice if choice != last else len(walls) - 1
        wall = walls[last]
        box(x, 0, x + wide, 20, wall)
        box(x, 0, x + wide, 0.5, _dim(wall, 0.75))
        box(x, 3.75, x + wide, 3.95, _dim(wall, 0.82))
        bays = max(2, round(wide / 3.2))
        bay = wide / bays
        awning = awnings[int(rng.integers(len(awnings)))]
        door = int(rng.integers(bays))
        for i in range(bays):
            left = x + i * bay
            if i == door:
                box(left + 0.75, 0, left + bay - 0.75, 2.7, (60, 70, 92))
                box(left + 0.9, 0.2, left + bay - 0.9, 2.5, (72, 84, 110))
            else:
                box(left + 0.3, 0.5, left + bay - 0.3, 2.9, _dim(wall, 0.6))
                box(left + 0.4, 0.6, left + bay - 0.4, 2.8, (112, 100, 88))
                for _ in range(3):  # goods behind the glass
                    at = left + float(rng.uniform(0.5, bay - 1.1))
                    tint = [int(c) for c in rng.integers(90, 190, 3)]
                    box(at, 0.65, at + 0.5, float(rng.uniform(1.1, 1.9)), (tint[0], tint[1], tint[2]))
                box(left + 0.4, 2.3, left + bay - 0.4, 2.8, (150, 140, 130))
            stripes = 8
            if rng.random() < 0.7:
                for s in range(stripes):
                    colour = awning if s % 2 == 0 else (222, 226, 230)
                    box(
                        left + 0.1 + s * (bay - 0.2) / stripes,
                        2.75,
                        left + 0.1 + (s + 1) * (bay - 0.2) / stripes,
                        3.4,
                        colour,
                    )
            for floor in range(4):
                up = 4.6 + 3.2 * floor
                box(left + bay / 2 - 0.75, up - 0.1, left + bay / 2 + 0.75, up + 1.9, _dim(wall, 1.15))
                box(left + bay / 2 - 0.6, up, left + bay / 2 + 0.6, up + 1.75, (120, 104, 90))
                box(left + bay / 2 - 0.6, up + 0.9, left + bay / 2 + 0.6, up + 1.75, (158, 142, 124))
                box(left + bay / 2 - 0.04, up, left + bay / 2 + 0.04, up + 1.75, _dim(wall, 1.15))
        box(x + wide - 0.06, 0, x + wide + 0.06, 20, _dim(wall, 0.7))
        x += wide
    front = (
        cv2.resize(canvas, (view.width, base), interpolation=cv2.INTER_AREA)
        if base
        else canvas[:0, : view.width]
    )
    picture[:base] = np.asarray(front, np.float32) * 0.92
    # The foot of the houses lies in their own shadow.
    below = slice(base, base + max(1, round(0.006 * view.height)))
    picture[below] *= 0.7


def _dim(colour: tuple[int, int, int], factor: float) -> tuple[int, int, int]:
    b, g, r = (min(int(c * factor), 255) for c in colour)
    return (b, g, r)
