"""The measurement for `argus bench`; how fast it is depends on the machine and is no test."""

from __future__ import annotations

import numpy as np

from argus.vision.tracking import load_tracker
from argus.vision.tracking.measure import FPS, measure_tracker, moving_boxes


def test_the_scene_is_the_same_every_time() -> None:
    (_, first), (_, second) = moving_boxes(20, 5), moving_boxes(20, 5)
    assert all(np.array_equal(a.xyxy, b.xyxy) for a, b in zip(first, second, strict=True))


def test_the_measured_tracker_really_follows_the_scene() -> None:
    _, detected = moving_boxes(50, 120)
    tracker = load_tracker()
    shares = []
    for k, detections in enumerate(detected):
        found = tracker.update(detections, k / FPS)
        assert found.track_id is not None
        shares.append(float((found.track_id > 0).mean()))
    assert np.mean(shares[20:]) > 0.9
    # Fifty objects, and few who got a second id.
    assert tracker.tracks.id.max() < 100


def test_the_cost_is_told_beside_the_floor() -> None:
    cost = measure_tracker(10, frames=10, rounds=1)
    assert cost.objects == 10
    assert cost.ratio == cost.update_us / cost.floor_us > 0
    assert 0 < cost.fast_floor_us < cost.floor_us * 2
