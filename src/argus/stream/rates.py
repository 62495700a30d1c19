"""How fast counters grow: samples of the last seconds. Arithmetic; whoever has a clock takes the samples."""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Mapping
from itertools import pairwise
from typing import Final

_SPAN: Final = 6
"""Samples that are kept: with one a second, five seconds."""


class Rates:
    """The growth of some counters per second."""

    def __init__(self) -> None:
        """Begin without samples."""
        self._samples: deque[tuple[float, dict[Hashable, int]]] = deque(maxlen=_SPAN)

    def sample(self, now_s: float, counts: Mapping[Hashable, int]) -> None:
        """Take all counters at one moment."""
        self._samples.append((now_s, dict(counts)))

    def of(self, key: Hashable) -> float:
        """Return the growth of one per second; 0 where too little is known."""
        seen = [(at_s, counts[key]) for at_s, counts in self._samples if key in counts]
        # One that begins anew, as after a change of its camera, has not shrunk.
        grown = sum(max(0, after - before) for (_, before), (_, after) in pairwise(seen))
        return grown / (seen[-1][0] - seen[0][0]) if len(seen) > 1 and seen[-1][0] > seen[0][0] else 0.0
