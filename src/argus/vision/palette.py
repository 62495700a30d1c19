"""The colours of drawings: told apart by people who see colours differently, and readable on any picture."""

from __future__ import annotations

from typing import Final

from argus.core.resources.regions import Severity

Color = tuple[int, int, int]
"""Blue, green, red, 0..255."""

# Okabe and Ito's palette, brightened for dark footage and ordered for streets: people blue, cars orange.
# Source: M. Okabe, K. Ito, "Color Universal Design", 2008.
_CLASSES: Final[tuple[Color, ...]] = (
    (245, 186, 72),
    (128, 200, 40),
    (32, 160, 250),
    (80, 228, 242),
    (190, 132, 230),
    (48, 104, 240),
    (250, 140, 86),
    (150, 220, 190),
    (200, 170, 255),
    (110, 190, 220),
)

SEVERITIES: Final[dict[Severity, Color]] = {
    "critical": (60, 50, 225),
    "high": (48, 96, 245),
    "medium": (40, 178, 250),
    "low": (220, 170, 60),
}
CALM: Final[Color] = (186, 190, 60)
"""Zones without a severity."""
QUIET: Final[Color] = (205, 205, 205)
"""Zones with one, while nobody is inside."""
LINE: Final[Color] = (96, 220, 250)
CROWD: Final[Color] = (214, 112, 190)
INK: Final[Color] = (28, 24, 22)
PAPER: Final[Color] = (250, 250, 250)


def class_color(number: int) -> Color:
    """Return the colour of a class; the same number always has the same one."""
    return _CLASSES[number % len(_CLASSES)]


def track_color(track_id: int) -> Color:
    """Return the colour of a track; neighbouring ids look different."""
    return _CLASSES[(track_id * 7) % len(_CLASSES)]


def ink_on(background: Color) -> Color:
    """Return dark or light text, whichever is read better on a background.

    Source: relative luminance of the Web Content Accessibility Guidelines 2.1, without its gamma.
    """
    blue, green, red = background
    return INK if 0.0722 * blue + 0.7152 * green + 0.2126 * red > 118 else PAPER
