"""What one look says by itself, before anybody waits to see whether it lasts.

Pure: a look, its difference from what is usual, and the finding before it (a state is harder to leave
than to enter, or a picture on the edge would flicker). What lasts is told by `argus.vision.health.judgement`.
"""

from __future__ import annotations

from typing import Final, Literal

from argus.core.resources.camera import HealthSpec
from argus.vision.health.looks import Look, lights
from argus.vision.health.usual import Difference

Finding = Literal["well", "dark", "covered", "blurred", "moved"]

_LIGHTS: Final = 0.2
"""A night with lamps that reach this brightness over a twentieth of the picture still shows something."""
_SAME_TONES: Final = 0.8
"""Part of the usual layout of light and dark from which lacking detail is out of focus, not hidden."""
_SURELY_SAME_TONES: Final = 0.9
"""The same for a picture without any detail: a hand may happen to be lit like the scene."""
_MOSTLY_IN_PLACE: Final = 0.4
"""Part of the landmarks that may be gone where light and dark lie otherwise than usual and all is soft."""
_STEADY: Final = 0.5
"""Part of the changed landmarks that must show the same at two looks: another view stays, people walk on."""


def find(look: Look, difference: Difference, spec: HealthSpec, before: Finding) -> Finding:
    """Return the gravest thing that a look says, in order: dark, covered, blurred, moved, well."""
    if _is_dark(look, spec, before == "dark"):
        return "dark"
    least = spec.covered_above * (0.8 if before in ("covered", "blurred") else 1.0)
    hidden = spec.covered_above < 1 and difference.faded >= least
    # Behind fog or before a lens out of focus light and dark lie where they did; behind a hand they do not.
    same_tones = difference.tones >= _SAME_TONES
    if hidden and difference.tones < (_SAME_TONES if before == "blurred" else _SURELY_SAME_TONES):
        return "covered"
    soft = difference.sharpness < spec.blurred_below * (1.3 if before == "blurred" else 1.0)
    # What fills the view and is smooth, a lorry's side, is no blur: landmarks must be where they were.
    in_place = same_tones or difference.gone < _MOSTLY_IN_PLACE
    if spec.blurred_below > 0 and ((soft and in_place) or (hidden and same_tones)):
        return "blurred"
    displaced = difference.gone >= spec.moved_above * (0.7 if before == "moved" else 1.0)
    if spec.moved_above < 1 and displaced and (difference.steady >= _STEADY or before == "moved"):
        return "moved"
    return "well"


def _is_dark(look: Look, spec: HealthSpec, already: bool) -> bool:
    margin = 1.25 if already else 1.0
    return look.brightness < spec.dark_below * margin and lights(look.grey) < _LIGHTS * margin
