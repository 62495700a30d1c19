"""What vehicles look like: cars, vans and buses as small solids, seen in true perspective.

A vehicle is a few outlines seen from the side, extruded to its width and projected by the camera, so
that it shows its nose or its tail as it drives by. Where it drives is decided in `schedule`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argus.vision.synthetic.people import SUN_X
from argus.vision.synthetic.schedule import Driving
from argus.vision.synthetic.shapes import Colour, Shape, fixed_point, from_polygons
from argus.vision.synthetic.view import View

PAINTS: tuple[Colour, ...] = (
    (235, 235, 235), (60, 60, 62), (150, 150, 155), (50, 50, 185), (160, 90, 40), (95, 60, 35), (60, 120, 70),
    (70, 170, 225), (185, 190, 200), (40, 40, 110), (190, 150, 90),
)  # fmt: skip
GLASS: Colour = (92, 78, 66)
GLASS_LIT: Colour = (150, 132, 116)
TYRE: Colour = (38, 38, 40)
RIM: Colour = (165, 165, 168)

_CIRCLE = tuple((float(np.cos(a)), float(np.sin(a))) for a in np.linspace(0, 2 * np.pi, 18, endpoint=False))

Outline = tuple[tuple[float, float], ...]
"""Points (metres forward of the middle, metres up), around a convex figure against the clock."""


@dataclass(frozen=True, slots=True)
class Body:
    """The build of one kind of vehicle, in metres."""

    length: float
    width: float
    solids: tuple[tuple[Outline, float], ...]
    """Outlines and how far each is set in from the sides, bottom first."""
    windows: tuple[Outline, ...]
    """On the side of the last solid."""
    glass_edges: tuple[int, ...]
    """Which edges of the last solid are glass: the windscreen, the rear window."""
    wheels: tuple[float, ...]
    wheel_radius: float
    stripe: Outline | None = None


CAR = Body(
    length=4.3,
    width=1.8,
    solids=(
        (((-2.1, 0.3), (2.1, 0.3), (2.15, 0.56), (2.0, 0.76), (0.95, 0.95), (-1.9, 0.97), (-2.13, 0.8)), 0.0),
        (((-1.95, 0.95), (1.0, 0.93), (0.22, 1.45), (-1.3, 1.46)), 0.1),
    ),
    windows=(
        ((-1.62, 0.99), (-0.42, 0.99), (-0.42, 1.37), (-1.2, 1.37)),
        ((-0.32, 0.99), (0.74, 0.99), (0.17, 1.37), (-0.32, 1.37)),
    ),
    glass_edges=(1, 3),
    wheels=(-1.32, 1.34),
    wheel_radius=0.33,
)
HATCH = Body(
    length=3.7,
    width=1.7,
    solids=(
        (((-1.8, 0.3), (1.8, 0.3), (1.85, 0.58), (1.72, 0.8), (0.95, 0.98), (-1.8, 1.0), (-1.85, 0.8)), 0.0),
        (((-1.8, 0.98), (1.05, 0.96), (0.4, 1.52), (-1.45, 1.53)), 0.08),
    ),
    windows=(
        ((-1.55, 1.02), (-0.32, 1.02), (-0.32, 1.43), (-1.33, 1.43)),
        ((-0.22, 1.02), (0.82, 1.02), (0.36, 1.43), (-0.22, 1.43)),
    ),
    glass_edges=(1, 3),
    wheels=(-1.12, 1.16),
    wheel_radius=0.31,
)
VAN = Body(
    length=5.2,
    width=2.0,
    solids=(
        (((-2.55, 0.35), (2.6, 0.35), (2.62, 0.75), (2.45, 1.0), (1.9, 1.15), (-2.6, 1.15)), 0.0),
        (((-2.6, 1.13), (2.0, 1.13), (1.25, 2.15), (1.0, 2.25), (-2.55, 2.25)), 0.04),
    ),
    windows=(((0.35, 1.22), (1.75, 1.22), (1.18, 1.98), (0.35, 1.98)),),
    glass_edges=(1,),
    wheels=(-1.6, 1.65),
    wheel_radius=0.36,
    stripe=((-2.45, 1.3), (0.15, 1.3), (0.15, 1.5), (-2.45, 1.5)),
)
BUS = Body(
    length=10.6,
    width=2.5,
    solids=(
        (((-5.3, 0.35), (5.3, 0.35), (5.32, 1.2), (-5.3, 1.2)), 0.0),
        (((-5.3, 1.18), (5.32, 1.18), (5.2, 2.75), (5.0, 2.95), (-5.25, 2.95)), 0.02),
    ),
    windows=(
        *(
            ((x, 1.35), (x + 1.25, 1.35), (x + 1.25, 2.4), (x, 2.4))
            for x in (-5.1, -3.75, -2.4, -1.05, 0.3, 1.65, 3.0)
        ),
        ((4.4, 0.6), (5.1, 0.6), (5.1, 2.4), (4.4, 2.4)),
    ),
    glass_edges=(1,),
    wheels=(-3.2, 3.1),
    wheel_radius=0.48,
    stripe=((-5.2, 0.75), (4.2, 0.75), (4.2, 1.0), (-5.2, 1.0)),
)


@dataclass(frozen=True, slots=True)
class Make:
    """What stays the same about a vehicle."""

    body: Body
    paint: Colour
    trim: Colour


def draw_make(rng: np.random.Generator) -> Make:
    """Return a vehicle that nobody has seen before."""
    kind = rng.random()
    body = CAR if kind < 0.38 else HATCH if kind < 0.63 else VAN if kind < 0.85 else BUS
    paint = PAINTS[int(rng.integers(len(PAINTS)))]
    trim = PAINTS[int(rng.integers(len(PAINTS)))]
    b, g, r = (int(np.clip(c + rng.integers(-12, 13), 0, 255)) for c in paint)
    return Make(body, (b, g, r), trim)


def vehicle_shape(view: View, make: Make, driving: Driving, *, lights: bool = False) -> Shape:
    """Return the vehicle as seen at one place; `lights` switches its lamps on."""
    body, near = make.body, driving.z
    parts: list[tuple[NDArray[np.float64], Colour]] = []

    def place(outline: Outline, depth: float) -> NDArray[np.float64]:
        points = np.empty((len(outline), 3))
        table = np.array(outline)
        points[:, 0] = driving.x + driving.heading * table[:, 0]
        points[:, 1] = table[:, 1]
        points[:, 2] = depth
        return view.project(points)

    for number, (outline, inset) in enumerate(body.solids):
        front, back = place(outline, near + inset), place(outline, near + body.width - inset)
        last = number == len(body.solids) - 1
        for i in range(len(outline)):
            j = (i + 1) % len(outline)
            quad = np.array((front[i], front[j], back[j], back[i]))
            if _turned(quad) * driving.heading <= 0:
                continue
            rise = abs(outline[j][1] - outline[i][1]) / (
                np.hypot(*np.subtract(outline[j], outline[i])) + 1e-9
            )
            if last and i in body.glass_edges:
                parts.append((quad, _mix(GLASS_LIT, GLASS, rise)))
                parts.append((_shrunk(quad, 0.86), _mix(GLASS_LIT, GLASS, 0.4 + 0.5 * rise)))
            else:
                parts.append((quad, _shade(make.paint, 1.12 - 0.32 * rise)))
        parts.append((front, _shade(make.paint, 0.9)))
    side = near + body.solids[-1][1] - 0.01
    parts.extend((place(window, side), GLASS) for window in body.windows)
    if body.stripe is not None:
        parts.append((place(body.stripe, near - 0.01), make.trim))
    if body is CAR or body is HATCH:
        parts.append(
            (
                place(((-1.75, 0.36), (1.75, 0.36), (1.75, 0.44), (-1.75, 0.44)), near - 0.01),
                _shade(make.paint, 0.6),
            )
        )
        parts.append(
            (
                place(((-0.38, 0.5), (-0.35, 0.5), (-0.35, 0.98), (-0.38, 0.98)), near - 0.01),
                _shade(make.paint, 0.6),
            )
        )
        parts.append(
            (
                place(((-0.7, 0.85), (-0.5, 0.85), (-0.5, 0.89), (-0.7, 0.89)), near - 0.01),
                _shade(make.paint, 0.6),
            )
        )
    for wheel in body.wheels:
        for part, colour in ((1.0, TYRE), (0.62, RIM), (0.2, TYRE)):
            radius = body.wheel_radius * part
            ring = tuple((wheel + radius * x, body.wheel_radius + radius * y) for x, y in _CIRCLE)
            parts.append((place(ring, near - 0.02), colour))
    half = body.length / 2 - 0.02
    low, high = (0.6, 0.74) if body.length < 5 else (0.7, 0.9)
    white = (250, 255, 255) if lights else (215, 230, 235)
    red = (40, 40, 255) if lights else (45, 45, 170)
    parts.append(
        (
            place(((half - 0.32, low), (half, low), (half - 0.04, high), (half - 0.3, high)), near - 0.02),
            white,
        )
    )
    parts.append(
        (
            place(
                ((-half, low), (-half + 0.16, low), (-half + 0.16, high + 0.08), (-half, high + 0.08)),
                near - 0.02,
            ),
            red,
        )
    )
    return from_polygons(parts)


def shadow_outline(view: View, make: Make, driving: Driving) -> NDArray[np.int32]:
    """Return the shadow on the road as one polygon, to be filled dark."""
    half, near, wide = make.body.length / 2, driving.z, make.body.width
    reach = SUN_X * make.body.solids[-1][0][-1][1] * 0.8
    corners = np.array(
        [
            (driving.x - half, 0.0, near - 0.35),
            (driving.x + half + reach, 0.0, near - 0.35),
            (driving.x + half + reach, 0.0, near + wide),
            (driving.x - half, 0.0, near + wide),
        ]
    )
    return fixed_point(view.project(corners))


def _turned(quad: NDArray[np.float64]) -> float:
    """Return the signed area of a quad: its sign says which side of it the camera sees."""
    (ax, ay), (bx, by) = quad[2] - quad[0], quad[3] - quad[1]
    return float(ax * by - ay * bx) / 2


def _shrunk(quad: NDArray[np.float64], factor: float) -> NDArray[np.float64]:
    centre = quad.mean(axis=0)
    shrunk: NDArray[np.float64] = centre + (quad - centre) * factor
    return shrunk


def _shade(colour: Colour, factor: float) -> Colour:
    b, g, r = (min(int(c * factor), 255) for c in colour)
    return (b, g, r)


def _mix(first: Colour, second: Colour, share: float) -> Colour:
    b, g, r = (int(p * (1 - share) + q * share) for p, q in zip(first, second, strict=True))
    return (b, g, r)
