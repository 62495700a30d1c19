"""What a camera usually shows, learned slowly, and how far a look is from it.

Only what stays counts: edges that lie where they always lay. People, traffic and leaves average out,
and a cell in which nothing stays put is asked for nothing. Values, no verdict: what is ill is decided in
`argus.vision.health.judgement`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np

from argus.vision.health.looks import Cells, Look, cell_means, likeness

LEARN_S: Final = 60.0
"""Seconds in which two thirds of a lasting change of light are taken over."""
_READY_LOOKS: Final = 8
_READY_S: Final = 4.0
_DETAILED: Final = 9.0
"""Strength of edges, in grey levels, above which a cell shows more than noise."""
_STEADY: Final = 0.6
"""Usual likeness to the learned edges from which a cell is a landmark."""
_FEWEST: Final = 8
"""Cells without which nothing can be said of a cover or a move: an empty sky has no landmarks."""
_FADED: Final = 0.35
"""Part of a cell's usual detail below which it has lost it."""
_BLANK: Final = 6.0
"""Strength of edges below which it has lost it whatever was usual: noise and a soft shadow make as much."""
_POOR: Final = 0.5
"""Part of all usual detail below which landmarks that are gone are hidden rather than elsewhere: what is held
before a lens is out of focus, and has folds and shadows at most."""
_GRAIN: Final = 3.0
"""Times the usual sharpness from which fine detail is noise: no scene becomes so fine by itself."""
_FEW_GONE: Final = 0.2
"""Part of the cells that people hide at any time: not worth a second glance."""
_NOT_SOFT: Final = 0.6
"""Part of the usual sharpness above which nothing is out of focus."""
_KNOWN_AGAIN: Final = 0.45
"""Part of a cell's usual likeness below which its edges are not the usual ones."""


@dataclass(frozen=True, slots=True)
class Difference:
    """How far one look is from what is usual; every part in 0..1.

    Where nearly all of a sharp picture is as usual, the other parts are not measured: they are 0, `tones` 1.
    """

    sharpness: float
    """Part of the usual sharpness; above 1 where it is sharper."""
    faded: float
    """Part of the cells that usually show something and show nothing now."""
    tones: float
    """How well light and dark lie where they did, as part of how well they usually do: near 1 where the
    picture is only out of focus, low behind a hand."""
    gone: float
    """Part of the landmarks still in sight whose place shows other edges now."""
    steady: float
    """Part of those that show the same as at the look before: people walk on, another view stays. 0 where few
    are gone."""


UNKNOWN: Final = Difference(1.0, 0.0, 1.0, 0.0, 0.0)
"""Nothing is known to be different."""


class Usual:
    """The usual view of one camera, for pictures of one size."""

    def __init__(self) -> None:
        """Begin knowing nothing."""
        self.reset()

    def reset(self) -> None:
        """Forget the view."""
        self._looks = 0
        self._first_s = self._last_s = 0.0
        self._size = (0, 0)

    @property
    def ready(self) -> bool:
        """True when enough was seen to compare with."""
        return self._looks >= _READY_LOOKS and self._last_s - self._first_s >= _READY_S

    def fits(self, look: Look) -> bool:
        """Return whether the look is of the size that was learned."""
        return self._looks == 0 or self._size == look.size

    def learn(self, look: Look, alike: Cells | None, now_s: float) -> None:
        """Take a look of the usual view into account.

        Args:
            look: What was seen; of the same size as all before.
            alike: What `compare` made of it.
            now_s: When.
        """
        if self._looks == 0:
            self._size, self._first_s, self._last_s = look.size, now_s, now_s
            self._edges = look.edges.copy()
            self._detail, self._tones = look.detail.copy(), look.tones.copy()
            self._sharpness = look.sharpness
            self._likeness = np.zeros_like(look.detail)
            self._tones_likeness = 1.0
        share = max(1.0 / (self._looks + 1), 1.0 - float(np.exp((self._last_s - now_s) / LEARN_S)))
        cv2.accumulateWeighted(look.edges, self._edges, share)
        self._detail += share * (look.detail - self._detail)
        self._tones_likeness += share * (_correlation(look.tones, self._tones) - self._tones_likeness)
        self._tones += share * (look.tones - self._tones)
        self._sharpness += share * (look.sharpness - self._sharpness)
        if alike is not None:
            # The first look is like itself, which says nothing: likeness is one look behind.
            self._likeness += max(share, 1.0 / self._looks) * (alike - self._likeness)
        self._mean = cell_means(self._edges)
        self._spread = cell_means(cv2.multiply(self._edges, self._edges)) - self._mean * self._mean
        self._shows = self._detail >= _DETAILED
        self._shown = int(np.count_nonzero(self._shows))
        self._landmarks = self._shows & (self._likeness >= _STEADY)
        self._known_again = _KNOWN_AGAIN * np.maximum(self._likeness, _STEADY)
        self._mean_tone = max(float(self._tones.mean()), 1.0)
        self._mean_detail = float(self._detail.mean())
        self._looks += 1
        self._last_s = now_s

    def likeness(self, look: Look) -> Cells | None:
        """Return how well each cell's edges lie on the usual ones; None while nothing was learned."""
        if self._looks == 0:
            return None
        return likeness(look.edges, look.detail, look.spread, self._edges, self._mean, self._spread)

    def compare(self, look: Look, alike: Cells, before: Look | None) -> Difference:
        """Return how far a look is from what is usual.

        Args:
            look: What was seen.
            alike: Its `likeness`.
            before: The look before it, of the same size, or None.
        """
        if not self.ready:
            return UNKNOWN
        sharpness = look.sharpness / max(self._sharpness, 1e-6)
        shown = self._shown
        if shown < _FEWEST:
            return Difference(sharpness, 0.0, 1.0, 0.0, 0.0)
        unknown = self._shows & (alike < self._known_again)
        if sharpness > _NOT_SOFT and np.count_nonzero(unknown) < _FEW_GONE * shown:
            return Difference(sharpness, 0.0, 1.0, 0.0, 0.0)  # nearly always so, and looked at no further
        mean = look.brightness * 255.0
        # Less light makes fainter edges of the same scene.
        shade = min(1.0, mean / self._mean_tone)
        blank = look.detail < np.maximum((_FADED * shade) * self._detail, _BLANK)
        if float(look.detail.mean()) < _POOR * self._mean_detail or sharpness > _GRAIN:
            blank |= self._landmarks
        faded = unknown & blank
        in_sight = int(np.count_nonzero(self._landmarks & ~faded))
        lost = unknown & self._landmarks & ~blank
        gone = float(np.count_nonzero(lost)) / in_sight if in_sight >= _FEWEST else 0.0
        steady = 0.0
        if before is not None and gone > _FEW_GONE:
            again = likeness(look.edges, look.detail, look.spread, before.edges, before.detail, before.spread)
            steady = float(np.mean(again[lost] >= _KNOWN_AGAIN))
        return Difference(
            sharpness,
            float(np.count_nonzero(faded)) / shown,
            _correlation(look.tones, self._tones) / max(self._tones_likeness, 0.1),
            gone,
            steady,
        )


def _correlation(some: Cells, other: Cells) -> float:
    a, b = (some - some.mean()).ravel(), (other - other.mean()).ravel()
    # A floor of two grey levels: what is left of a flat picture is noise.
    floor = 4.0 * a.size
    return float(np.dot(a, b)) / math.sqrt((float(np.dot(a, a)) + floor) * (float(np.dot(b, b)) + floor))
