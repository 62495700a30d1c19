"""Objects that move as told, seen at any frame rate: what the tests of the rules are written in."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from argus.core.detections import Detections
from argus.core.frame import Channels, Frame, Image
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.results import Alert, Event
from argus.vision.rules import Rules

WIDTH, HEIGHT = 1000, 500
LABELS = ("person", "car", "dog")
BEGIN = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)

Motion = Callable[[float], tuple[float, float] | None]
"""Where the feet of an object are at a time (s), relative; None while it is not seen."""


class NoPixels:
    """A picture that has a size; asking for its pixels fails, because rules must not."""

    def __init__(self, width: int = WIDTH, height: int = HEIGHT) -> None:
        self.width = width
        self.height = height

    def bgr(self) -> Image:
        raise AssertionError("rules asked for pixels")

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        raise AssertionError("rules asked for pixels")


def frame_at(time_s: float, index: int = 0, *, width: int = WIDTH, height: int = HEIGHT) -> Frame:
    return Frame(NoPixels(width, height), "scene", index, time_s, BEGIN + timedelta(seconds=time_s))


def seen(
    feet: Mapping[int, tuple[float, float]],
    *,
    classes: Mapping[int, str] | None = None,
    confidence: float = 0.9,
    height: float = 0.1,
    tracked: bool = True,
) -> Detections:
    """Detections of objects by track id, standing at relative points, as high as told."""
    ids = list(feet)
    points = np.array([feet[i] for i in ids], np.float64).reshape(-1, 2) * (WIDTH, HEIGHT)
    half, tall = 10.0, height * HEIGHT
    xyxy = np.stack(
        (points[:, 0] - half, points[:, 1] - tall, points[:, 0] + half, points[:, 1]), axis=1
    ).astype(np.float32)
    names = [(classes or {}).get(i, "person") for i in ids]
    return Detections(
        xyxy,
        np.full(len(ids), confidence, np.float32),
        np.array([LABELS.index(n) for n in names], np.int32),
        LABELS,
        np.array(ids, np.int64) if tracked else None,
    )


@dataclass
class Told:
    """All that a run told, in order."""

    changes: list[Event] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    counts: list[dict[str, int]] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def last(self, *types: str) -> list[Event]:
        """The last state of each event of these types (all if none is named), in order of start."""
        states: dict[str, Event] = {}
        for event in self.changes:
            states[event.id] = event
        chosen = [e for e in states.values() if not types or e.type in types]
        return sorted(chosen, key=lambda e: (e.start_s, e.type))

    def one(self, type_: str) -> Event:
        """The only event of a type."""
        (event,) = self.last(type_)
        return event


def run(
    spec: PipelineSpec | Mapping[str, Any],
    motions: Mapping[int, Motion],
    times: Iterable[float],
    *,
    classes: Mapping[int, str] | None = None,
    tracked: bool = True,
    lost_after_s: float = 1.0,
    finish: bool = True,
    stream: str = "",
) -> Told:
    """Run the rules over a scene seen at these times."""
    if not isinstance(spec, PipelineSpec):
        spec = PipelineSpec.model_validate(spec)
    rules = Rules(spec, "gate", lost_after_s=lost_after_s, stream=stream)
    told = Told()
    for index, time_s in enumerate(times):
        feet = {i: place for i, motion in motions.items() if (place := motion(time_s)) is not None}
        events, alerts, counts = rules.step(
            frame_at(time_s, index), seen(feet, classes=classes, tracked=tracked)
        )
        told.changes += events
        told.alerts += alerts
        told.counts.append(counts)
        told.times.append(time_s)
    if finish:
        told.changes += rules.finish()
    return told


def at_fps(fps: float, seconds: float, *, start_s: float = 0.0) -> list[float]:
    """Times of the frames of a clip."""
    return [start_s + n / fps for n in range(int(seconds * fps) + 1)]


def walk(*points: tuple[float, float, float]) -> Motion:
    """Move through (time, x, y) points in straight lines; unseen before the first and after the last."""
    t, x, y = (np.array(column) for column in zip(*points, strict=True))

    def motion(time_s: float) -> tuple[float, float] | None:
        if not t[0] <= time_s <= t[-1] + 1e-9:
            return None
        return float(np.interp(time_s, t, x)), float(np.interp(time_s, t, y))

    return motion


def hidden(motion: Motion, since_s: float, until_s: float) -> Motion:
    """The same object, not seen for a while."""
    return lambda t: None if since_s <= t < until_s else motion(t)


MIDDLE = [[0.4, 0.2], [0.6, 0.2], [0.6, 0.8], [0.4, 0.8]]
"""A zone around the middle of the picture."""
