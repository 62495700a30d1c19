"""What the tracker costs, beside the least that any tracker of its kind does; `argus bench` prints it."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment

from argus.core.detections import Detections
from argus.core.geometry import iou_matrix
from argus.core.resources.track import TrackSpec
from argus.vision.tracking.loading import load_tracker
from argus.vision.tracking.protocol import Tracker

Boxes = NDArray[np.float32]
WIDTH, HEIGHT, FPS = 1920, 1080, 30.0
_WARM_UP = 20


@dataclass(frozen=True, slots=True)
class TrackerCost:
    """CPU time for one frame, microseconds."""

    objects: int
    floor_us: float
    """One IoU matrix of the objects with themselves a frame later, in the common form, and one assignment."""
    fast_floor_us: float
    """The same with our own `iou_matrix`, which is up to eight times as fast."""
    update_us: float
    """The whole `update` of the tracker: predict, match, correct, begin and end tracks, give ids."""

    @property
    def ratio(self) -> float:
        """The tracker as a multiple of the floor."""
        return self.update_us / self.floor_us


def moving_boxes(objects: int, frames: int, seed: int = 0) -> tuple[list[Boxes], list[Detections]]:
    """Return objects that walk about in a 1920 × 1080 picture, and what a detector would give for them.

    Boxes of 30 to 120 px move up to 4 px per frame and jitter by 1.5 px. The detector misses 5 %, gives 10 %
    a low confidence, and adds one false positive per frame for every fifty objects. Deterministic.
    """
    random = np.random.default_rng(seed)
    centre = random.uniform((0, 0), (WIDTH, HEIGHT), (objects, 2))
    velocity = random.uniform(-4, 4, (objects, 2))
    size = random.uniform(30, 120, (objects, 2))
    full, detected = [], []
    for _ in range(frames):
        centre += velocity
        velocity[(centre < 0) | (centre > (WIDTH, HEIGHT))] *= -1
        boxes = _corners(centre, size) + random.normal(0, 1.5, (objects, 4)).astype(np.float32)
        full.append(boxes)
        seen = random.random(objects) >= 0.05
        score = np.where(random.random(objects) < 0.1, 0.3, 0.9) * random.uniform(0.9, 1.0, objects)
        false = int(random.poisson(objects / 50))
        strange = _corners(
            random.uniform((0, 0), (WIDTH, HEIGHT), (false, 2)), random.uniform(30, 120, (false, 2))
        )
        confidence = np.concatenate((score[seen], random.uniform(0.25, 0.7, false))).astype(np.float32)
        order = np.argsort(-confidence, kind="stable")
        class_id = np.zeros(len(order), np.int32)
        xyxy = np.concatenate((boxes[seen], strange))[order]
        detected.append(Detections(xyxy, confidence[order], class_id, ("object",)))
    return full, detected


def measure_tracker(
    objects: int = 50, frames: int = 300, rounds: int = 5, spec: TrackSpec | None = None
) -> TrackerCost:
    """Measure the tracker and the floors on the same objects, in turn; the least median counts."""
    full, detected = moving_boxes(objects, frames + _WARM_UP)
    floors, fast_floors, updates = [], [], []
    for _ in range(rounds):
        floors.append(_median_us(lambda k: linear_sum_assignment(1.0 - _iou(full[k], full[k + 1])), frames))
        fast_floors.append(
            _median_us(lambda k: linear_sum_assignment(1.0 - iou_matrix(full[k], full[k + 1])), frames)
        )
        tracker = load_tracker(spec)
        updates.append(_median_us(partial(_follow, tracker, detected), frames))
    return TrackerCost(objects, min(floors), min(fast_floors), min(updates))


def _follow(tracker: Tracker, detected: list[Detections], k: int) -> Detections:
    return tracker.update(detected[k], k / FPS)


def _iou(a: Boxes, b: Boxes) -> Boxes:
    """Return the (N, M) intersection over union in the common broadcast form, the way trackers compute it."""
    low, high = np.maximum(a[:, None, :2], b[:, :2]), np.minimum(a[:, None, 2:], b[:, 2:])
    shared = np.prod(np.clip(high - low, 0, None), axis=2)
    area_a, area_b = np.prod(a[:, 2:] - a[:, :2], axis=1), np.prod(b[:, 2:] - b[:, :2], axis=1)
    result: Boxes = shared / (area_a[:, None] + area_b - shared)
    return result


def _corners(centre: NDArray[np.float64], size: NDArray[np.float64]) -> Boxes:
    return np.concatenate((centre - size / 2, centre + size / 2), axis=1).astype(np.float32)


def _median_us(step: Callable[[int], object], frames: int) -> float:
    """Return the median CPU time of `step` over the frames after a warm-up."""
    spent = []
    for k in range(_WARM_UP + frames - 1):
        start = time.process_time_ns()
        step(k)
        spent.append(time.process_time_ns() - start)
    return float(np.median(spent[_WARM_UP:])) / 1e3
