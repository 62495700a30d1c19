"""What drawings show, as far as pixels can say: the rest was looked at."""

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray

from argus.core.detections import Detections, Masks
from argus.core.frame import Frame, Image
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.chips import Chips
from argus.vision.draw import Annotator, Style, draw
from argus.vision.palette import SEVERITIES, class_color, ink_on, track_color
from argus.vision.pictures import ArrayPicture
from argus.vision.results import FrameResult
from argus.vision.rules import Rules
from tests.rules.scene import BEGIN, LABELS, MIDDLE

BARE = Style(trail_s=0, labels=False, regions=False, alerts=False, clock=False)
SPEC = PipelineSpec.model_validate({
    "zones": {"middle": {"polygon": MIDDLE, "severity": "high"}},
    "lines": {"door": {"from": (0.5, 0.9), "to": (0.5, 0.1)}},
    "crowds": {"pair": {"count": 2, "polygon": MIDDLE, "formed_after": 0}},
})  # fmt: skip


def result_of(
    boxes: list[tuple[float, float, float, float]],
    *,
    size: tuple[int, int] = (480, 360),
    time_s: float = 0.0,
    tracked: bool = True,
    **fields: Any,
) -> FrameResult:
    picture = ArrayPicture(np.full((size[1], size[0], 3), 90, np.uint8))
    frame = Frame(picture, "gate", round(time_s * 10), time_s, BEGIN + timedelta(seconds=time_s))
    count = len(boxes)
    detections = Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.linspace(0.9, 0.99, count).astype(np.float32),
        (np.arange(count) % len(LABELS)).astype(np.int32),
        LABELS,
        np.arange(1, count + 1) if tracked else None,
    )
    return FrameResult(frame, detections, **fields)


def changed(image: Image, result: FrameResult) -> NDArray[np.bool_]:
    mask: NDArray[np.bool_] = (image != result.frame.bgr).any(axis=2)
    return mask


def has(image: Image, color: tuple[int, int, int]) -> bool:
    return bool((image == color).all(axis=2).any())


def test_a_box_is_drawn_in_its_classes_colour_around_the_object() -> None:
    result = result_of([(100, 100, 200, 300)])
    image = Annotator(style=BARE).draw(result)
    assert image[200, 100].tolist() == list(class_color(0))
    assert not changed(image, result)[120:280, 120:180].any()


def test_the_picture_of_the_result_itself_stays_clean() -> None:
    result = result_of([(100, 100, 200, 300)])
    before = result.frame.bgr.copy()
    Annotator(SPEC).draw(result)
    assert (result.frame.bgr == before).all()


def test_draw_draws_in_place() -> None:
    result = result_of([(100, 100, 200, 300)])
    image = result.frame.bgr.copy()
    assert draw(image, result) is image
    assert changed(image, result).any()


def test_classes_and_neighbouring_tracks_have_colours_of_their_own() -> None:
    assert len({class_color(n) for n in range(10)}) == 10
    assert len({track_color(n) for n in range(1, 11)}) == 10
    assert class_color(3) == class_color(3)
    image = Annotator(style=replace(BARE, color_by="track")).draw(result_of([(100, 100, 200, 300)]))
    assert has(image, track_color(1))


def test_a_track_leaves_a_trail_that_fades_after_its_time() -> None:
    annotator = Annotator(style=replace(BARE, trail_s=1.0))
    for n in range(10):
        result = result_of([(20 + 20 * n, 100, 60 + 20 * n, 200)], time_s=n / 10)
        image = annotator.draw(result)
    assert changed(image, result)[195:206, 50:150].any()
    for n in range(10, 40):
        result = result_of([(220, 100, 260, 200)], time_s=n / 10)
        image = annotator.draw(result)
    assert not changed(image, result)[195:206, 50:150].any()


def test_a_zone_lights_up_in_its_severity_while_somebody_is_inside() -> None:
    style, spec = replace(BARE, regions=True), PipelineSpec(zones=SPEC.zones)
    empty = Annotator(spec, style).draw(result_of([], zone_counts={"middle": 0}))
    busy = Annotator(spec, style).draw(result_of([], zone_counts={"middle": 1}))
    assert not has(empty, SEVERITIES["high"])
    assert has(busy, SEVERITIES["high"])
    assert (busy[180, 200].astype(int) - 90)[2] > (empty[180, 200].astype(int) - 90)[2] + 10


def test_crossings_alerts_and_crowds_show_on_the_picture() -> None:
    rules, annotator = Rules(SPEC, "gate"), Annotator(SPEC)
    plain = Annotator(SPEC)
    for n in range(20):
        x = 150 + 10 * n
        result = result_of([(x, 100, x + 20, 200), (x, 150, x + 20, 250)], time_s=n / 10)
        events, alerts, counts = rules.step(result.frame, result.detections)
        without = plain.draw(result)
        image = annotator.draw(replace(result, events=events, alerts=alerts, zone_counts=counts))
    assert (image != without).any(axis=2)[:60, :200].any()  # alerts stand at the upper left
    assert (image != without).any(axis=2)[:40, 300:].any()  # crowds at the upper right


@pytest.mark.parametrize("size", [(1, 1), (7, 3), (160, 120), (320, 240), (1920, 1080), (3840, 2160)])
def test_any_size_of_picture_can_be_drawn_on(size: tuple[int, int]) -> None:
    width, height = size
    result = result_of(
        [(0, 0, width, height), (width * 0.4, height * 0.3, width * 0.5, height * 0.8)],
        size=size,
        zone_counts={"middle": 2, "pair": 2},
    )
    assert Annotator(SPEC).draw(result).shape == (height, width, 3)


def test_texts_keep_their_size_relative_to_the_picture() -> None:
    heights = {size: Annotator(SPEC) for size in ((320, 240), (3840, 2160))}
    covered = {}
    for size, annotator in heights.items():
        result = result_of([(size[0] * 0.2, size[1] * 0.5, size[0] * 0.3, size[1] * 0.9)], size=size)
        covered[size] = changed(annotator.draw(result), result).mean()
    assert 0.2 < covered[320, 240] / covered[3840, 2160] < 8


def test_results_may_be_drawn_on_a_smaller_picture() -> None:
    result = result_of([(200, 100, 280, 300)])
    small = np.full((90, 120, 3), 90, np.uint8)
    draw(small, result, SPEC, BARE)
    assert small[50, 50].tolist() == list(class_color(0))


def test_boxes_beyond_the_edge_or_not_finite_do_no_harm() -> None:
    result = result_of([(-50, -50, 1000, 900), (float("nan"), 0, 10, 10), (470, -20, 600, 5)])
    assert changed(Annotator(SPEC).draw(result), result).any()


def test_masks_are_laid_over_their_objects() -> None:
    result = result_of([(100, 100, 140, 160)])
    bits = np.zeros((60, 40), np.bool_)
    bits[10:50, 10:30] = True
    masks = Masks((bits,), np.array([[100, 100]], np.int32))
    result = replace(result, detections=replace(result.detections, masks=masks))
    image = Annotator(style=BARE).draw(result)
    assert changed(image, result)[130, 120]
    assert not changed(image, result)[105, 120]


def test_untracked_detections_and_empty_frames_are_drawn() -> None:
    assert Annotator(SPEC).draw(result_of([(10, 10, 50, 50)], tracked=False)).any()
    assert Annotator(SPEC).draw(result_of([])).any()


def test_the_same_results_give_the_same_pictures() -> None:
    results = [result_of([(20 + 9 * n, 100, 60 + 9 * n, 200)], time_s=n / 10) for n in range(5)]
    first, second = Annotator(SPEC), Annotator(SPEC)
    assert all((first.draw(r) == second.draw(r)).all() for r in results)


def test_text_is_dark_on_bright_ground_and_bright_on_dark() -> None:
    assert sum(ink_on((250, 250, 250))) < 200 < sum(ink_on((40, 20, 120)))


def test_a_chip_holds_its_text_and_is_cut_off_at_the_edge() -> None:
    chips = Chips(16)
    image = np.zeros((40, 100, 3), np.uint8)
    after = chips.paste(image, "person 7", (60, 30), (200, 180, 60))
    assert after == 60 + chips.width("person 7", (200, 180, 60)) > 100
    assert image[35, 99].any()
    assert not image[:30].any()
    assert chips.width("a long text", (0, 0, 0)) > chips.width("text", (0, 0, 0)) > 0


def test_real_people_are_framed(shared_data: Path) -> None:
    picture = cv2.imread(str(shared_data / "images" / "vtest_frames" / "0050.png"))
    assert picture is not None
    frame = Frame(ArrayPicture(np.asarray(picture, np.uint8)), "vtest", 50, 5.0, BEGIN)
    result = FrameResult(frame, result_of([(100, 100, 140, 200), (300, 80, 330, 170)]).detections)
    share = changed(Annotator(SPEC).draw(result), result).mean()
    assert 0.01 < share < 0.5
