"""Which point of a box stands for the object: a word of specs, apart from the arithmetic on boxes."""

from __future__ import annotations

from typing import Literal

Anchor = Literal["bottom", "center", "top"]
"""The middle of the lower edge, the centre, or the middle of the upper edge."""
