"""Real scenes: nothing is told of a healthy one, and faults are told in them."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import cast

import av
import numpy as np
import pytest

from argus.core.frame import Frame, Image
from argus.core.resources.camera import HealthSpec
from argus.vision.health import HealthMonitor
from argus.vision.pictures import PlanarPicture
from tests.health.watching import FPS, MONOTONIC_S, START, Watch, aside, black, dimmer, hand, soft

CLIPS = ("bottle-detection.mp4", "car_traffic_small.mp4", "vtest.avi")


@lru_cache(maxsize=3)
def seconds_of(path: Path, seconds: float) -> tuple[Image, ...]:
    """Return the first seconds of a clip at `FPS`."""
    taken: list[Image] = []
    with av.open(str(path)) as container:
        for frame in container.decode(video=0):
            if frame.time >= seconds:
                break
            if frame.time >= len(taken) / FPS:
                taken.append(cast("Image", frame.to_ndarray(format="bgr24")))
    return tuple(taken)


@pytest.mark.parametrize("clip", CLIPS)
def test_nothing_is_told_of_a_whole_healthy_clip(shared_data: Path, clip: str) -> None:
    monitor = HealthMonitor(HealthSpec(), "gate", lost_after_s=5.0)
    told = []
    with av.open(str(shared_data / "video" / clip)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            now_s = MONOTONIC_S + frame.time
            monitor.frame(Frame(PlanarPicture(frame), clip, index, frame.time, START), now_s, START)
            told += [event.type for event in monitor.take().events]
    assert told == ["camera.online"]


def shown(clip: Path, fault: str) -> list[str]:
    pictures = seconds_of(clip, 28)
    begin, end = 12 * FPS, 25 * FPS
    watch = Watch()
    watch.show(pictures[:begin])
    ill = pictures[begin:end]
    match fault:
        case "frozen":
            watch.show([ill[0]] * len(ill))
        case "dark":
            watch.show(black(picture) for picture in ill)
        case "covered":
            watch.show(hand(picture, i, min(1.2, i / FPS)) for i, picture in enumerate(ill))
        case "blurred":
            watch.show(soft(picture) for picture in ill)
        case "moved":
            watch.show(aside(picture) for picture in ill)
        case _:
            watch.show(dimmer(0.4)(picture) for picture in ill)
    assert all(event.start_s == pytest.approx(12, abs=3) for t, event in watch.events if t > 12)
    watch.show(pictures[end:])
    return watch.told(after_s=12)


@pytest.mark.parametrize("fault", ["frozen", "dark", "covered", "blurred", "moved"])
@pytest.mark.parametrize("clip", CLIPS)
def test_a_fault_in_it_is_told_and_so_is_its_end(shared_data: Path, clip: str, fault: str) -> None:
    told = shown(shared_data / "video" / clip, fault)
    assert told == [f"{fault} start", f"{fault} end", "online end"]


@pytest.mark.parametrize("clip", CLIPS)
def test_less_light_in_it_is_not_told(shared_data: Path, clip: str) -> None:
    assert shown(shared_data / "video" / clip, "less light") == []


def test_the_clips_are_what_they_are_taken_for(shared_data: Path) -> None:
    shapes = {np.shape(seconds_of(shared_data / "video" / clip, 28)[0]) for clip in CLIPS}
    assert shapes == {(360, 640, 3), (360, 480, 3)}
