"""The gate opens for what moves, and for nothing else but a look now and then."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import partial
from itertools import chain

import cv2
import numpy as np
import pytest

from argus.core.frame import Image
from argus.core.resources.pipeline import GateSpec
from argus.vision.gate import MotionGate
from tests.gate.scenes import FPS, backdrop, coded, frames, grainy, reasons, still, with_person

START = 30
"""Frame in which somebody comes into the picture."""


def walking(scene: Image, index: int, *, until: int = 10**6, height: float = 40, x: float = 200) -> Image:
    if index < START:
        return scene
    steps = min(index, until) - START
    return with_person(scene, x + 0.08 * height * steps, 250, height)


def darker(scene: Image, share: float, levels: float = 0.0) -> Image:
    return np.asarray(np.clip(scene * np.float32(share) + np.float32(levels), 0, 255), np.uint8)


def test_a_still_scene_is_looked_at_as_often_as_the_spec_says_and_no_more() -> None:
    gate = MotionGate(GateSpec.model_validate({"look_every": "4s"}))
    told = reasons(gate, frames(still(13 * FPS)))
    settling = [i for i, why in enumerate(told) if why == "settling"]
    looks = [i for i, why in enumerate(told) if why == "look"]
    assert settling == list(range(len(settling)))
    assert len(settling) < FPS
    assert np.diff([settling[-1], *looks]).tolist() == [4 * FPS] * 3
    assert sum(why is not None for why in told) == len(settling) + 3


def test_the_first_frame_of_a_movement_passes_and_the_gate_stays_open_for_a_while_after() -> None:
    gate = MotionGate(GateSpec(hold=1.0, look_every=60.0))
    told = reasons(gate, frames(still(140, lambda scene, i: walking(scene, i, until=START + 20))))
    assert told[START - 1] is None
    assert told[START : START + 20] == ["motion"] * 20
    moved = [i for i, why in enumerate(told) if why == "motion"]
    # Who stands still is taken for a part of the scene within a few seconds.
    assert moved[-1] < START + 20 + 6 * FPS
    held = [i for i, why in enumerate(told) if why == "hold" and i > moved[-1]]
    assert held == list(range(moved[-1] + 1, moved[-1] + 1 + FPS))
    assert told[held[-1] + 1 :] == [None] * (140 - held[-1] - 1)


def test_who_is_followed_and_stands_still_is_looked_at_again_and_again() -> None:
    gate = MotionGate(GateSpec(look_at_objects_every=0.5, look_every=60.0))
    scene = with_person(backdrop(), 300, 250, 60)
    told = reasons(gate, frames(grainy(scene, i) for i in range(60)), followed=1)
    objects = [i for i, why in enumerate(told) if why == "objects"]
    assert np.diff(objects).tolist() == [FPS // 2] * (len(objects) - 1)
    assert len(objects) >= 10
    gate.saw(0)
    later = frames(grainy(scene, i) for i in range(60, 90))
    shifted = [gate.passes(frame, 6.0 + frame.time_s) for frame in later]
    assert not any(shifted)


@pytest.mark.parametrize(("percent", "within"), [(2.5, 0), (2.0, 2)])
def test_a_distant_person_is_seen_at_medium_sensitivity(percent: float, within: int) -> None:
    height = percent / 100 * 360
    for x in (120, 333, 480):
        pictures = still(50, partial(walking, height=height, x=x))
        told = reasons(MotionGate(GateSpec()), coded(pictures, crf=26, key_every=25))
        assert "motion" not in told[:START]
        assert told.index("motion") - START <= within


def test_higher_sensitivity_sees_fainter_movement() -> None:
    def faint(scene: Image, index: int) -> Image:
        result = scene.copy()
        if index >= START:
            x = 200 + 2 * index
            result[200:230, x : x + 12] = darker(scene[200:230, x : x + 12], 1.0, 12.0)
        return result

    found = [
        "motion" in reasons(MotionGate(GateSpec(sensitivity=s)), frames(still(60, faint))) for s in (0.0, 0.9)
    ]
    assert found == [False, True]


@pytest.mark.parametrize(("crf", "key_every"), [(23, 10), (28, 25), (33, 20)])
def test_a_codec_and_its_key_frames_do_not_move(crf: int, key_every: int) -> None:
    gate = MotionGate(GateSpec(look_every=60.0))
    told = reasons(gate, coded(still(100), crf=crf, key_every=key_every))
    assert sum(why is None for why in told) >= 90


@pytest.mark.parametrize(
    "light",
    [
        pytest.param(lambda i: (1 - 0.4 * min(1.0, max(0, i - 20) / 100), 0.0), id="dusk"),
        pytest.param(lambda i: (1 - 0.3 * (0.5 - 0.5 * np.cos(i / 10)), 0.0), id="clouds"),
        pytest.param(lambda i: (0.88 if i >= 40 else 1.0, 0.0), id="a step of the exposure"),
        pytest.param(lambda i: (1 + 0.15 * min(1.0, max(0, i - 40) / 10), -6.0), id="automatic gain"),
    ],
)
def test_light_that_changes_everywhere_does_not_move(
    light: Callable[[int], tuple[float, float]],
) -> None:
    def lit(scene: Image, index: int) -> Image:
        return darker(scene, *light(index))

    told = reasons(MotionGate(GateSpec(look_every=60.0)), frames(still(140, lit)))
    assert "motion" not in told


def test_a_light_that_is_switched_off_opens_the_gate_once() -> None:
    def switched(scene: Image, index: int) -> Image:
        return scene if index < START else darker(scene, 0.35, 4)

    told = reasons(MotionGate(GateSpec(hold=1.0, look_every=60.0)), frames(still(100, switched)))
    assert told[START] == "motion"
    assert told[START + 2 * FPS :] == [None] * (70 - 2 * FPS)


def test_a_lamp_that_lights_half_of_the_picture_opens_the_gate_for_seconds_only() -> None:
    def lit(scene: Image, index: int) -> Image:
        result = scene.copy()
        if index >= START:
            result[:, :280] = darker(scene[:, :280], 0.5)
        return result

    told = reasons(MotionGate(GateSpec(hold=1.0, look_every=60.0)), frames(still(120, lit)))
    assert told[START] == "motion"
    assert told[START + 6 * FPS :] == [None] * (90 - 6 * FPS)


def test_what_flickers_for_ever_and_is_nobody_is_learned_and_forgets_nobody_beside_it() -> None:
    def flickering(scene: Image, index: int) -> Image:
        result = walking(scene, index - 170)
        result[40:120, 500:600] = darker(scene[40:120, 500:600], 1.0, 14.0 if index % 3 else -14.0)
        return result

    told = reasons(MotionGate(GateSpec(hold=1.0, look_every=60.0)), frames(still(210, flickering)))
    assert told[30] == "motion"
    assert told[150:200] == [None] * 50
    assert told[200] == "motion"


@pytest.mark.parametrize("sensitivity", [0.0, 0.5, 1.0])
def test_no_place_is_ever_so_restless_that_a_person_of_strong_contrast_is_missed(sensitivity: float) -> None:
    def blinking(scene: Image, index: int) -> Image:
        result = darker(scene, 0.0, 200.0)
        if index < 150:
            result[100:260, 150:400] = 200 if index % 3 else 20
        return walking(result, index - 190, height=80)

    spec = GateSpec(sensitivity=sensitivity, hold=1.0, look_every=60.0)
    told = reasons(MotionGate(spec), frames(still(226, blinking)))
    assert "motion" not in told[200:220]
    assert "motion" in told[220:223]


def test_movement_in_an_ignored_polygon_does_not_count_but_beside_it_does() -> None:
    left_half = ((0.0, 0.0), (0.5, 0.0), (0.5, 1.0), (0.0, 1.0))
    spec = GateSpec(ignore=(left_half,), look_every=60.0)
    told = reasons(MotionGate(spec), frames(still(110, walking)))
    crossing = START + int((320 - 200) / (0.08 * 40))
    first = told.index("motion")
    assert crossing - 4 <= first <= crossing + 4
    everything = GateSpec(ignore=(((0.0, 0.0), (1.0, 0.0), (1.0, 1.0), (0.0, 1.0)),))
    assert "motion" not in reasons(MotionGate(everything), frames(still(60, walking)))


@pytest.mark.parametrize("part", [0.4, 0.8])
def test_light_in_an_ignored_polygon_opens_no_gate_and_hides_nobody_however_large_it_is(part: float) -> None:
    def lit(levels: int, image: Image, index: int) -> Image:
        """A wall of lamps that goes on and off within what is ignored."""
        result = image.copy()
        if index % 2:
            wall = result[:, : int((part - 0.05) * image.shape[1])]
            wall[:] = np.minimum(wall, 255 - levels) + levels
        return result

    def passed_by(scene: Image, index: int) -> Image:
        return lit(15, walking(scene, index, x=part * 640 + 20), index)

    polygon = ((0.0, 0.0), (part, 0.0), (part, 1.0), (0.0, 1.0))
    spec = GateSpec(ignore=(polygon,), look_every=60.0)
    for levels in (15, 60):
        assert "motion" not in reasons(MotionGate(spec), frames(still(60, partial(lit, levels))))
    assert START <= reasons(MotionGate(spec), frames(still(60, passed_by))).index("motion") <= START + 2


def test_another_resolution_is_another_scene() -> None:
    gate = MotionGate(GateSpec(look_every=60.0))
    small = backdrop(320, 180)
    pictures = chain(still(40), (grainy(small, i) for i in range(40)))
    told = reasons(gate, frames(pictures))
    assert told[39] is None
    assert told[40] == "settling"
    assert "motion" not in told
    assert told[50:] == [None] * 30


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (64, 2000), (3000, 40)])
def test_a_picture_of_any_shape_is_looked_at(size: tuple[int, int]) -> None:
    flat: Image = np.full((size[1], size[0], 3), 90, np.uint8)
    told = reasons(MotionGate(GateSpec()), frames([flat] * 12 + [darker(flat, 2)] * 2))
    assert told[11] is None
    assert told[12] == "motion"


def test_a_clock_that_stands_still_or_jumps_far_does_no_harm() -> None:
    gate = MotionGate(GateSpec(look_every=60.0))
    pictures = list(frames(still(30)))
    assert [gate.passes(frame, 5.0) for frame in pictures][-10:] == [False] * 10
    assert [gate.passes(frame, 100_000.0 + frame.time_s) for frame in pictures][:2] == [True] * 2
    assert gate.reason is None


def test_a_picture_of_1080_lines_costs_less_than_a_millisecond() -> None:
    large = np.asarray(cv2.resize(backdrop(), (1920, 1080)), np.uint8)
    seen = coded((grainy(large, i) for i in range(10)), crf=28, key_every=10)
    gate = MotionGate(GateSpec())
    spent = []
    for frame in seen * 3:
        begin = time.thread_time()
        gate.passes(frame, frame.time_s)
        spent.append(time.thread_time() - begin)
    assert np.median(spent) < 0.001  # half of it where nobody else works
