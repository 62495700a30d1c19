"""How long things took, counted in buckets: quantiles of millions of durations in two kilobytes.

Only the counting lives here; who shows it (a page, a table, Prometheus) reads a `HistogramSnapshot`.
"""

from __future__ import annotations

import math
import threading
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

_STEPS: Final = (
    *(f"{1 + i / 10:.1f}" for i in range(20)),
    *(f"{3 + i / 4:.2f}" for i in range(8)),
    *(f"{5 + i / 2:.1f}" for i in range(10)),
)
"""Bucket edges of one decade: none is more than 10 % above the one before, and 1, 2, 2.5, 3, 5, 6 and 7.5
are among them, so that the round limits people ask for are met exactly."""
EDGES_S: Final[tuple[float, ...]] = tuple(
    edge for exponent in range(-4, 2) for step in _STEPS if (edge := float(f"{step}e{exponent}")) <= 60.0
)
"""Upper edges of the buckets in seconds, 0.1 ms to 60 s; bucket i holds what is above edge i-1 and not above
edge i. One more bucket holds what took longer than the last."""
LIMITS_S: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""Limits for exposition where nobody asks for others."""


@dataclass(frozen=True, slots=True)
class HistogramSnapshot:
    """What a histogram held at one moment, or between two."""

    counts: tuple[int, ...] = (0,) * (len(EDGES_S) + 1)
    """How many durations fell into each bucket; the last: longer than 60 s."""
    sum: float = 0.0
    """Seconds, all durations together."""
    max: float = 0.0
    """The longest, in seconds; 0 where there is none. Of a difference: see `minus`."""

    @property
    def count(self) -> int:
        """How many durations were observed."""
        return sum(self.counts)

    @property
    def mean(self) -> float:
        """Seconds; 0 where nothing was observed."""
        count = self.count
        return self.sum / count if count else 0.0

    def quantile(self, q: float) -> float:
        """Return the duration, in seconds, that a share `q` of all durations does not exceed.

        It lies in the bucket of the exact answer (the ceil(q * count)-th smallest duration), at the place
        that its rank takes there: off by less than 10 % between 0.1 ms and 60 s, by less than 0.1 ms below,
        and anywhere between 60 s and `max` above. 0 where nothing was observed.

        Raises:
            ValueError: `q` is not within 0..1.
        """
        if not 0.0 <= q <= 1.0:
            raise ValueError(f"quantile {q}: it must be within 0..1")
        below = list(accumulate(self.counts))
        if not below[-1]:
            return 0.0
        rank = max(1, math.ceil(q * below[-1]))
        if rank == below[-1]:
            return self.max
        bucket = bisect_left(below, rank)
        lower = EDGES_S[bucket - 1] if bucket else 0.0
        upper = min(EDGES_S[bucket], self.max) if bucket < len(EDGES_S) else self.max
        inside = rank - (below[bucket] - self.counts[bucket]) - 0.5  # as if spread evenly over the bucket
        return lower + (upper - lower) * inside / self.counts[bucket]

    def minus(self, earlier: HistogramSnapshot) -> HistogramSnapshot:
        """Return what was observed since an earlier snapshot of the same histogram.

        `max` is exact where the longest of all came since then; else it is the upper edge of the highest
        bucket that counted something since.

        Raises:
            ValueError: the other is not an earlier snapshot of this histogram.
        """
        counts = tuple(now - then for now, then in zip(self.counts, earlier.counts, strict=True))
        if min(counts) < 0:
            raise ValueError(
                "snapshot: the other one counted more; give the earlier one of the same histogram"
            )
        highest = max((i for i, n in enumerate(counts) if n), default=None)
        longest = self.max
        if highest is None:
            return HistogramSnapshot()
        if self.max == earlier.max and highest < len(EDGES_S):
            longest = min(EDGES_S[highest], self.max)
        return HistogramSnapshot(counts, self.sum - earlier.sum, longest)

    def merged(self, others: Iterable[HistogramSnapshot]) -> HistogramSnapshot:
        """Return what one histogram would hold that had observed all that these did."""
        every = (self, *others)
        return HistogramSnapshot(
            tuple(map(sum, zip(*(one.counts for one in every), strict=True))),
            math.fsum(one.sum for one in every),
            max(one.max for one in every),
        )

    def buckets(self, le: Sequence[float] = LIMITS_S) -> list[tuple[float, int]]:
        """Return how many durations did not exceed each limit, the last being infinity with all of them.

        Args:
            le: Limits in seconds. One that is no bucket edge counts as the edge below it.

        Source: cumulative buckets of the Prometheus text exposition format 0.0.4.
        """
        below = (0, *accumulate(self.counts[:-1]))
        limits = sorted({limit for limit in le if limit < math.inf})
        return [*((limit, below[bisect_right(EDGES_S, limit)]) for limit in limits), (math.inf, self.count)]


class Histogram:
    """Counts durations; safe to use from several threads."""

    __slots__ = ("_counts", "_lock", "_max", "_sum")

    def __init__(self) -> None:
        """Begin with nothing observed."""
        self._lock = threading.Lock()
        self._counts = [0] * (len(EDGES_S) + 1)
        self._sum = 0.0
        self._max = 0.0

    def observe(self, seconds: float) -> None:
        """Count one duration; a negative one, which clocks that jump can give, counts as 0.

        Raises:
            ValueError: it is infinite or no number.
        """
        if not 0.0 <= seconds < math.inf:
            if not math.isfinite(seconds):
                raise ValueError(f"a duration of {seconds} s: it must be finite")
            seconds = 0.0
        bucket = bisect_left(EDGES_S, seconds)
        with self._lock:
            self._counts[bucket] += 1
            self._sum += seconds
            if seconds > self._max:  # noqa: PLR1730  half the cost of max()
                self._max = seconds

    def snapshot(self) -> HistogramSnapshot:
        """Return what is held now, as a value."""
        with self._lock:
            return HistogramSnapshot(tuple(self._counts), self._sum, self._max)

    @property
    def count(self) -> int:
        """How many durations were observed."""
        return self.snapshot().count

    @property
    def sum(self) -> float:
        """Seconds, all durations together."""
        return self._sum

    @property
    def max(self) -> float:
        """The longest duration in seconds; 0 where there is none."""
        return self._max

    @property
    def mean(self) -> float:
        """Seconds; 0 where nothing was observed."""
        return self.snapshot().mean

    def quantile(self, q: float) -> float:
        """Return the duration that a share `q` does not exceed; see `HistogramSnapshot.quantile`."""
        return self.snapshot().quantile(q)

    def merged(self, others: Iterable[Histogram]) -> HistogramSnapshot:
        """Return what one histogram would hold that had observed all that these did."""
        return self.snapshot().merged(other.snapshot() for other in others)

    def buckets(self, le: Sequence[float] = LIMITS_S) -> list[tuple[float, int]]:
        """Return how many durations did not exceed each limit; see `HistogramSnapshot.buckets`."""
        return self.snapshot().buckets(le)
