"""What a run looked like over time, thinned to what a report can show.

Bounded: a run of any length keeps at most `POINTS` points a series and `SNAPSHOTS` pictures.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

from argus.core.frame import Image
from argus.vision.results import Alert, Event, FrameResult

POINTS = 600
PATHS = 2000


@dataclass(slots=True)
class Series:
    """Numbers over the stream's time, kept as the mean of ever wider buckets."""

    width_s: float = 0.25
    sums: dict[int, float] = field(default_factory=dict)
    counts: dict[int, int] = field(default_factory=dict)

    def add(self, time_s: float, value: float) -> None:
        """Add one sample; when there are too many buckets, two become one."""
        bucket = int(time_s / self.width_s)
        self.sums[bucket] = self.sums.get(bucket, 0.0) + value
        self.counts[bucket] = self.counts.get(bucket, 0) + 1
        if len(self.sums) > POINTS:
            self._halve()

    def points(self) -> list[tuple[float, float]]:
        """Return (time s, mean value) pairs in order of time."""
        return [((b + 0.5) * self.width_s, self.sums[b] / self.counts[b]) for b in sorted(self.sums)]

    def _halve(self) -> None:
        sums: dict[int, float] = {}
        counts: dict[int, int] = {}
        for bucket in self.sums:
            sums[bucket // 2] = sums.get(bucket // 2, 0.0) + self.sums[bucket]
            counts[bucket // 2] = counts.get(bucket // 2, 0) + self.counts[bucket]
        self.sums, self.counts, self.width_s = sums, counts, self.width_s * 2


class History:
    """A sink that remembers what a report needs."""

    def __init__(self) -> None:
        self.objects: dict[str, Series] = {}
        """Objects in the picture per class."""
        self.regions: dict[str, Series] = {}
        """Objects inside each zone and crowd area."""
        self.events: dict[str, Event] = {}
        """The last state of every event, by id, in order of their start."""
        self.alerts: list[Alert] = []
        self.background: Image | None = None
        """The first picture, (H, W, 3) BGR, for drawing paths on."""

    def write(self, result: FrameResult) -> None:
        """Take one frame's result."""
        time_s = result.frame.time_s
        if self.background is None:
            self.background = result.frame.bgr
        names = Counter(result.detections.class_name)
        for name in names.keys() - self.objects.keys():
            self.objects[name] = Series()
        for name, series in self.objects.items():
            series.add(time_s, names.get(name, 0))
        for name, count in result.zone_counts.items():
            self.regions.setdefault(name, Series()).add(time_s, count)
        for event in result.events:
            self.events[event.id] = event
        self.alerts.extend(result.alerts)

    def finish(self, still_open: Sequence[Event]) -> None:
        """Take the last state of events without an end."""
        for event in still_open:
            self.events[event.id] = event

    def close(self) -> None:
        """Nothing is held open."""
