"""The seconds of a trace around a moment, added up: what `explain` reasons over.

Reads what `argus.vision.trace` writes, and tolerates what another version left out. Pure values; no codec
and no model is imported here.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import shapely

from argus.core.resources.pipeline import PipelineSpec
from argus.core.resources.regions import Region, ZoneSpec


@dataclass(slots=True)
class Window:
    """All that was traced within some seconds."""

    seconds: list[tuple[datetime, Mapping[str, Any]]] = field(default_factory=list)
    """In order of time."""
    frames: Counter[str] = field(default_factory=Counter)
    """By outcome."""

    @property
    def silent(self) -> list[tuple[datetime, Mapping[str, Any]]]:
        """Seconds in which no frame came."""
        return [(at, data) for at, data in self.seconds if not data.get("frames", {}).get("decoded")]

    @property
    def unseen(self) -> list[tuple[datetime, Mapping[str, Any]]]:
        """Seconds in which frames came and none was looked at."""
        return [
            (at, data)
            for at, data in self.seconds
            if data.get("frames", {}).get("decoded") and not data.get("frames", {}).get("processed")
        ]

    @property
    def confidence(self) -> float | None:
        """The threshold that was in force last."""
        return next((data["confidence"] for _, data in reversed(self.seconds) if "confidence" in data), None)

    @property
    def size(self) -> tuple[int, int] | None:
        """Width and height of the picture."""
        for _, data in reversed(self.seconds):
            if data.get("size"):
                width, height = data["size"]
                return int(width), int(height)
        return None

    def rows(self, name: str) -> list[tuple[datetime, Mapping[str, Any]]]:
        """Return the entries of one list of all seconds, each with its second."""
        return [(at, row) for at, data in self.seconds for row in data.get(name) or ()]


def window_around(seconds: Iterable[Mapping[str, Any]], at: datetime, window_s: float) -> Window:
    """Return what of a trace lies within half a window on either side of a moment.

    Args:
        seconds: Data of a trace, each with its `at`: a `datetime`, or a text in ISO 8601.
        at: The moment.
        window_s: Seconds.
    """
    half = timedelta(seconds=window_s / 2)
    window = Window()
    for data in seconds:
        begin = moment(data["at"])
        end = begin + timedelta(seconds=float(data.get("s", 1.0)))
        if end >= moment(at) - half and begin <= moment(at) + half:
            window.seconds.append((begin, data))
            for name, count in (data.get("frames") or {}).items():
                window.frames[name] += count
    window.seconds.sort(key=lambda second: second[0])
    return window


def moment(value: datetime | str) -> datetime:
    """Return a moment in UTC; one without a zone is UTC."""
    read = datetime.fromisoformat(value) if isinstance(value, str) else value
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


@dataclass(frozen=True, slots=True)
class Place:
    """A zone as its polygon lies in the picture."""

    name: str
    spec: ZoneSpec
    shape: shapely.Polygon
    """In pixels where the picture's size is known, else in parts of it."""
    size: tuple[int, int] | None

    def counts(self, class_name: str) -> bool:
        """Return whether objects of a class count here."""
        return self.spec.classes is None or class_name in self.spec.classes

    def distance(self, box: Sequence[float]) -> float:
        """Return how far the point that stands for a box lies outside: 0 inside; pixels, or parts of it."""
        x1, y1, x2, y2 = box
        y = {"bottom": y2, "center": (y1 + y2) / 2, "top": y1}[self.spec.anchor]
        width, height = self.size or (1, 1)
        return float(self.shape.distance(shapely.Point((x1 + x2) / 2 * width, min(1.0, y) * height)))

    def said(self, distance: float) -> str:
        """Return a distance in words."""
        if self.size is None:
            return f"{distance:.0%} of the picture"
        return f"{distance:.0f} px ({distance / self.size[0]:.0%} of the picture's width)"


def places(spec: PipelineSpec, size: tuple[int, int] | None, only: str | None) -> list[Place]:
    """Return the zones of a pipeline, or one of them; those in pixels only where the size is known."""
    found = []
    for name, zone in spec.zones.items():
        if only is not None and name != only:
            continue
        if zone.units == "pixels" and size is None:
            continue
        width, height = (1, 1) if zone.units == "pixels" else size or (1, 1)
        shape = shapely.Polygon([(x * width, y * height) for x, y in zone.polygon])
        found.append(Place(name, zone, shape, size))
    return found


def region_of(spec: PipelineSpec, name: str) -> Region | None:
    """Return a zone, line or crowd by name."""
    regions: dict[str, Region] = {**spec.zones, **spec.lines, **spec.crowds}
    return regions.get(name)
