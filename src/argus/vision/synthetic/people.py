"""What people look like: clothes drawn from a seed, and a body that walks.

A person is a stack of tapered capsules in the plane that faces the camera. The way they take is
decided in `schedule`; here a place, a direction and the metres walked become a shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from argus.vision.synthetic.schedule import Standing
from argus.vision.synthetic.shapes import Colour, Limb, Shape, from_limbs
from argus.vision.synthetic.view import View

SKIN: tuple[Colour, ...] = (
    (180, 205, 240),
    (150, 180, 225),
    (120, 155, 205),
    (85, 120, 170),
    (55, 80, 120),
    (40, 58, 90),
)
HAIR: tuple[Colour, ...] = (
    (30, 35, 45),
    (45, 60, 90),
    (70, 110, 150),
    (120, 175, 210),
    (165, 165, 165),
    (35, 60, 130),
)
TOPS: tuple[Colour, ...] = (
    (60, 60, 190), (170, 90, 40), (70, 130, 60), (60, 160, 220), (190, 190, 195), (55, 50, 50),
    (140, 60, 120), (150, 150, 60), (90, 120, 215), (110, 80, 60), (225, 225, 230), (130, 110, 200),
    (200, 160, 90), (40, 70, 110),
)  # fmt: skip
TROUSERS: tuple[Colour, ...] = (
    (110, 70, 45), (60, 50, 45), (40, 40, 42), (85, 100, 120), (120, 150, 175), (95, 90, 85), (140, 100, 70),
    (70, 85, 70),
)  # fmt: skip
SHOES: tuple[Colour, ...] = ((35, 35, 38), (220, 220, 225), (50, 70, 110), (60, 60, 160))


@dataclass(frozen=True, slots=True)
class Looks:
    """What stays the same about a person."""

    tall_m: float
    broad: float
    """Width of the body, 1 on average."""
    skin: Colour
    hair: Colour
    top: Colour
    trousers: Colour
    shoes: Colour
    garment: str
    """`trousers`, `skirt`, `coat` or `shorts`."""
    carries: str
    """`nothing`, `backpack` or `bag`."""
    carried: Colour
    long_hair: bool
    hat: Colour | None
    short_sleeves: bool


def draw_looks(rng: np.random.Generator) -> Looks:
    """Return the looks of a person that nobody has seen before."""

    def pick(palette: tuple[Colour, ...]) -> Colour:
        base = np.array(palette[int(rng.integers(len(palette)))]) + rng.integers(-14, 15, 3)
        return _colour(base)

    return Looks(
        tall_m=float(np.clip(rng.normal(1.73, 0.09), 1.5, 1.95)),
        broad=float(rng.uniform(0.9, 1.15)),
        skin=pick(SKIN),
        hair=pick(HAIR),
        top=pick(TOPS),
        trousers=pick(TROUSERS),
        shoes=pick(SHOES),
        garment=str(rng.choice(["trousers", "trousers", "trousers", "shorts", "skirt", "coat"])),
        carries=str(rng.choice(["nothing", "nothing", "backpack", "bag"])),
        carried=pick(TOPS),
        long_hair=bool(rng.random() < 0.4),
        hat=pick(TOPS) if rng.random() < 0.15 else None,
        short_sleeves=bool(rng.random() < 0.45),
    )


def person_shape(view: View, looks: Looks, standing: Standing, time_s: float) -> Shape:
    """Return the person as seen at one moment."""
    body = _Body(view, looks, standing, time_s)
    return body.shape()


def shadow_limb(view: View, looks: Looks, standing: Standing) -> Limb:
    """Return the shadow on the ground as one capsule, to be filled dark."""
    scale = view.scale(standing.z)
    length = 1.15 * looks.tall_m
    feet = view.project(np.array([standing.x, 0.0, standing.z]))
    tip = view.project(np.array([standing.x + SUN_X * length, 0.0, max(standing.z + SUN_Z * length, 1.0)]))
    return (float(feet[0]), float(feet[1]), float(tip[0]), float(tip[1]), 0.15 * scale, 0.2 * scale)


SUN_X, SUN_Z = 0.62, -0.16
"""Where on the ground, in metres per metre of height, shadows fall."""


class _Body:
    """Collects limbs in drawing order."""

    def __init__(self, view: View, looks: Looks, standing: Standing, time_s: float) -> None:
        self._looks = looks
        self._limbs: list[Limb] = []
        self._colours: list[Colour] = []
        scale = view.scale(standing.z)
        self._metre = scale * looks.tall_m / 1.75
        foot = view.project(np.array([standing.x, 0.0, standing.z]))
        self._x, self._y = float(foot[0]), float(foot[1])
        speed = float(np.hypot(standing.vx, standing.vz))
        self._pace = min(1.0, speed / 0.8)
        self._phase = standing.walked / (0.78 * looks.tall_m / 1.75) * np.pi
        if speed > 0.15:
            across, away = standing.vx / speed, standing.vz / speed
        elif standing.faces is not None:
            across, away = (0.8 if standing.faces > standing.x else -0.8), -0.6
        else:
            across, away = 0.35, -0.94
        self._across, self._away = across, away
        sway = 0.012 * np.sin(1.7 * time_s + standing.x) * (1 - self._pace)
        self._sway = float(sway)
        # Seen from a mast, what comes towards the camera stands lower in the picture.
        self._slant = 0.34

    def _point(self, forward: float, aside: float, up: float) -> tuple[float, float]:
        right = forward * self._across - aside * self._away + self._sway * up
        away = forward * self._away + aside * self._across
        return self._x + right * self._metre, self._y - (up + away * self._slant) * self._metre

    def _limb(
        self,
        a: tuple[float, float, float],
        b: tuple[float, float, float],
        ra: float,
        rb: float,
        colour: Colour,
    ) -> None:
        (x0, y0), (x1, y1) = self._point(*a), self._point(*b)
        m = self._metre
        self._limbs.append((x0, y0, x1, y1, ra * m, rb * m))
        self._colours.append(colour)

    def shape(self) -> Shape:
        """Return the finished body: what is far from the camera first."""
        looks, broad = self._looks, self._looks.broad
        # The side whose limbs are farther from the camera.
        far = 1.0 if self._across > 0 else -1.0
        for side, shade in ((far, 0.8), (-far, 1.0)):
            self._leg(side, shade)
        behind = looks.carries == "backpack" and self._away < 0
        if behind:
            self._backpack()
        self._arm(far, 0.82)
        bob = 0.025 * self._pace * abs(np.cos(self._phase))
        frontal = abs(self._away)
        chest = (0.125 + 0.06 * frontal) * broad
        hips = (0.115 + 0.04 * frontal) * broad
        if looks.garment == "skirt":
            self._limb((0, 0, 0.98), (0.02, 0, 0.56), 0.12 * broad, 0.2 * broad, looks.trousers)
        elif looks.garment == "coat":
            self._limb((0, 0, 1.0), (0.0, 0, 0.6), 0.14 * broad, 0.19 * broad, _shade(looks.top, 0.92))
        else:
            self._limb((0, 0, 0.95), (0, 0, 0.9), hips, hips, _shade(looks.trousers, 0.95))
        self._limb((0, 0, 1.33 + bob), (0, 0, 1.0 + bob), chest, hips, looks.top)
        lit = 0.4 * chest  # the sun stands to the left
        x0, y0 = self._point(0, 0, 1.33 + bob)
        x1, y1 = self._point(0, 0, 1.03 + bob)
        m = self._metre
        self._limbs.append((x0 - lit * m, y0, x1 - lit * m, y1, 0.5 * chest * m, 0.45 * hips * m))
        self._colours.append(_shade(looks.top, 1.14))
        if looks.carries == "backpack" and not behind:
            self._backpack()
        self._arm(-far, 1.0)
        if looks.carries == "bag":
            hand = self._hand(-far)
            self._limb(hand, (hand[0], hand[1], hand[2] - 0.18), 0.09, 0.12, looks.carried)
        self._head(bob)
        return from_limbs(self._limbs, self._colours)

    def _swing(self, side: float) -> float:
        return float(np.sin(self._phase + (0.0 if side > 0 else np.pi)) * self._pace)

    def _leg(self, side: float, shade: float) -> None:
        looks = self._looks
        swing = self._swing(side)
        lift = max(0.0, float(np.cos(self._phase + (0.0 if side > 0 else np.pi)))) * self._pace
        aside = 0.09 * side
        hip = (0.0, aside, 0.93)
        knee = (0.24 * swing + 0.08 * lift, aside, 0.5 + 0.03 * lift)
        ankle = (0.36 * swing - 0.1 * lift, aside, 0.09 + 0.1 * lift)
        toe = (ankle[0] + 0.13, aside, max(ankle[2] - 0.035, 0.05))
        lower = looks.skin if looks.garment in {"shorts", "skirt"} else looks.trousers
        self._limb(ankle, toe, 0.05, 0.045, _shade(looks.shoes, shade))
        self._limb(knee, ankle, 0.068, 0.05, _shade(lower, shade))
        self._limb(hip, knee, 0.095, 0.072, _shade(looks.trousers, shade))

    def _elbow(self, side: float) -> tuple[float, float, float]:
        return (-0.12 * self._swing(side) - 0.02, 0.235 * side * self._looks.broad, 1.1)

    def _hand(self, side: float) -> tuple[float, float, float]:
        swing = self._swing(side)
        return (-0.27 * swing + 0.06, 0.235 * side * self._looks.broad, 0.86 + 0.03 * abs(swing))

    def _arm(self, side: float, shade: float) -> None:
        looks = self._looks
        shoulder = (0.0, 0.19 * side * looks.broad, 1.4)
        elbow, hand = self._elbow(side), self._hand(side)
        sleeve = _shade(looks.top, 0.9 * shade)
        self._limb(elbow, hand, 0.045, 0.036, _shade(looks.skin, shade) if looks.short_sleeves else sleeve)
        self._limb(hand, hand, 0.045, 0.045, _shade(looks.skin, shade))
        self._limb(shoulder, elbow, 0.065, 0.052, sleeve)

    def _backpack(self) -> None:
        back = (-0.17, 0.0, 1.32)
        self._limb(back, (-0.19, 0.0, 1.08), 0.12, 0.14, self._looks.carried)

    def _head(self, bob: float) -> None:
        looks = self._looks
        self._limb((0, 0, 1.45 + bob), (0, 0, 1.52 + bob), 0.055, 0.055, _shade(looks.skin, 0.85))
        if looks.long_hair:
            self._limb((-0.05, 0, 1.62 + bob), (-0.07, 0, 1.42 + bob), 0.11, 0.085, _shade(looks.hair, 0.9))
        self._limb((-0.015, 0, 1.64 + bob), (-0.015, 0, 1.625 + bob), 0.112, 0.1, looks.hair)
        if self._away < 0.55:
            # The face looks where the person walks; from behind there is only hair.
            self._limb((0.035, 0, 1.605 + bob), (0.03, 0, 1.575 + bob), 0.083, 0.07, looks.skin)
        if looks.long_hair and self._away > 0.3:
            self._limb((-0.03, 0, 1.6 + bob), (-0.05, 0, 1.42 + bob), 0.1, 0.09, looks.hair)
        if looks.hat is not None:
            self._limb((-0.1, 0, 1.695 + bob), (0.1, 0, 1.695 + bob), 0.03, 0.03, _shade(looks.hat, 0.85))
            self._limb((0, 0, 1.72 + bob), (0, 0, 1.7 + bob), 0.085, 0.1, looks.hat)


def _shade(colour: Colour, factor: float) -> Colour:
    b, g, r = (min(int(c * factor), 255) for c in colour)
    return (b, g, r)


def _colour(values: NDArray[np.int64]) -> Colour:
    b, g, r = (int(v) for v in np.clip(values, 0, 255))
    return (b, g, r)
