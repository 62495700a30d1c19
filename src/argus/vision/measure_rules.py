"""What the rules cost per frame, measured on a scene of walkers; `argus bench` prints it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.pictures import ArrayPicture
from argus.vision.rules import Rules

_FPS = 25.0
_WARM_UP = 50


@dataclass(frozen=True, slots=True)
class RulesCost:
    """CPU time of zones, lines, crowd, events and alerts together, for one frame."""

    objects: int
    zones: int
    median_ms: float
    mean_ms: float
    """Frames in which events were raised included; the median is the steady state."""
    p99_ms: float
    events: int
    """Changes of events that were told while it was measured."""


def measure_rules(objects: int = 50, zones: int = 10, frames: int = 500) -> RulesCost:
    """Measure the rules on so many walkers among so many zones, with two lines and a crowd.

    Every walker strides through the picture and turns at its edges, so that all the zones and lines
    have work; nobody is ever lost. Deterministic but for the time it takes.
    """
    scene = _Walkers(objects)
    rules = Rules(_spec(zones), "bench")
    picture = ArrayPicture(np.zeros((480, 640, 3), np.uint8))
    begin = datetime(2026, 1, 1, tzinfo=UTC)
    spent, told = [], 0
    for index in range(_WARM_UP + frames):
        frame = Frame(picture, "bench", index, index / _FPS, begin)
        detections = scene.at(index / _FPS)
        start = time.process_time_ns()
        events, _, _ = rules.step(frame, detections)
        if index >= _WARM_UP:
            spent.append((time.process_time_ns() - start) / 1e6)
            told += len(events)
    cost = np.array(spent)
    return RulesCost(
        objects,
        zones,
        median_ms=float(np.median(cost)),
        mean_ms=float(cost.mean()),
        p99_ms=float(np.percentile(cost, 99)),
        events=told,
    )


class _Walkers:
    """People of a street seen from above eye level, walking to and fro with trembling boxes."""

    def __init__(self, count: int) -> None:
        self._rng = np.random.default_rng(5)
        self._place: NDArray[np.float64] = self._rng.uniform(0, 2, (2, count))
        self._speed: NDArray[np.float64] = self._rng.uniform(0.02, 0.12, (2, count))
        self._ids: NDArray[np.int64] = np.arange(1, count + 1)
        self._labels = ("person", "bicycle", "car")
        self._class_id: NDArray[np.int32] = np.zeros(count, np.int32)

    def at(self, time_s: float) -> Detections:
        """Return who is where."""
        x, y = 1 - np.abs(1 - (self._place + self._speed * time_s) % 2)
        count = len(self._ids)
        tall = 40 + 60 * y + self._rng.normal(0, 0.5, count)
        x, y = x * 640 + self._rng.normal(0, 0.5, count), y * 480 + self._rng.normal(0, 0.5, count)
        xyxy = np.stack((x - tall / 5, y - tall, x + tall / 5, y), axis=1).astype(np.float32)
        confidence = np.clip(0.8 + self._rng.normal(0, 0.05, count), 0, 1).astype(np.float32)
        return Detections(xyxy, confidence, self._class_id, self._labels, self._ids)


def _spec(zones: int) -> PipelineSpec:
    """Return a pipeline of hexagonal zones, two lines and a crowd."""
    columns = max(1, round(zones**0.5 * 1.2))
    rows = -(-zones // columns)
    angles = np.arange(6) * np.pi / 3
    polygons = {}
    for number in range(zones):
        row, column = divmod(number, columns)
        x = (column + 0.5) / columns + 0.48 / columns * np.cos(angles)
        y = (row + 0.5) / rows + 0.48 / rows * np.sin(angles)
        polygons[f"zone-{number}"] = {
            "polygon": np.stack((x, y), axis=1).tolist(),
            "classes": ["person"],
            "dwell": 2.0,
            "severity": "high" if number % 3 == 0 else None,
        }
    return PipelineSpec.model_validate(
        {
            "zones": polygons,
            "lines": {
                "across": {"from": (0.0, 0.5), "to": (1.0, 0.5)},
                "down": {"from": (0.5, 0.1), "to": (0.5, 0.9), "severity": "low"},
            },
            "crowds": {"gathering": {"count": 8, "polygon": polygons["zone-0"]["polygon"]}} if zones else {},
        }
    )
