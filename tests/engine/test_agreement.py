"""Two models beside each other: what counts as agreement, what is kept of disagreements, what is written."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import combinations, permutations
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.detections import Detections
from argus.core.errors import OutputError
from argus.core.frame import Channels, Frame, Image
from argus.core.geometry import iou_matrix
from argus.vision.engine.agreement import Agreement
from argus.vision.engine.agreement_matching import compare
from argus.vision.engine.agreement_pictures import BOTH, ONLY_CANDIDATE, ONLY_LIVE, draw_comparison
from argus.vision.engine.agreement_report import render_agreement
from argus.vision.models import load_detector
from argus.vision.pictures import ArrayPicture
from argus.vision.sources.opening import open_source

Seen = Sequence[tuple[str, tuple[float, float, float, float], float]]
BEGIN = datetime(2026, 3, 1, 12, tzinfo=UTC)
LABELS = ("person", "car", "truck")
OTHER_LABELS = ("truck", "person", "car", "boat")
HERE = (10.0, 10.0, 50.0, 90.0)
NEARLY = (12.0, 10.0, 52.0, 90.0)
THERE = (200.0, 100.0, 300.0, 200.0)


def seen(objects: Seen, labels: tuple[str, ...] = LABELS) -> Detections:
    return Detections(
        np.array([box for _, box, _ in objects], np.float32).reshape(-1, 4),
        np.array([score for _, _, score in objects], np.float32),
        np.array([labels.index(name) for name, _, _ in objects], np.int32),
        labels,
    )


def frame_at(time_s: float, *, size: tuple[int, int] = (320, 240), file: str | None = None) -> Frame:
    picture = ArrayPicture(np.full((size[1], size[0], 3), 90, np.uint8))
    return Frame(picture, "gate", round(time_s * 10), time_s, BEGIN + timedelta(seconds=time_s), file)


def count(image: Image, color: tuple[int, int, int]) -> int:
    return int((image == color).all(axis=2).sum())


def test_nothing_seen_by_either_is_full_agreement() -> None:
    agreement = Agreement()
    assert agreement.compare(frame_at(0), Detections.empty(LABELS), Detections.empty(), 0.1, 0.1) == 1.0
    assert (agreement.report().agreement, agreement.report().equal_frames) == (1.0, 1)
    assert agreement.pictures == ()


def test_objects_are_the_same_by_name_and_place_whatever_their_number() -> None:
    live = seen([("person", HERE, 0.9), ("car", THERE, 0.8)])
    candidate = seen([("car", THERE, 0.7), ("person", NEARLY, 0.95)], OTHER_LABELS)
    assert Agreement().compare(frame_at(0), live, candidate, 0.1, 0.1) == 1.0


def test_agreement_is_the_share_of_what_both_saw() -> None:
    live = seen([("person", HERE, 0.9), ("car", THERE, 0.8)])
    candidate = seen([("person", HERE, 0.9)])
    assert Agreement().compare(frame_at(0), live, candidate, 0.1, 0.1) == pytest.approx(2 / 3)


def test_boxes_that_overlap_less_than_asked_are_two_objects() -> None:
    live, candidate = seen([("person", HERE, 0.9)]), seen([("person", (30, 10, 70, 90), 0.9)])
    assert Agreement(iou=0.3).compare(frame_at(0), live, candidate, 0.1, 0.1) == 1.0
    assert Agreement(iou=0.5).compare(frame_at(0), live, candidate, 0.1, 0.1) == 0.0


def test_one_object_with_two_names_is_a_disagreement_and_told_as_a_confusion() -> None:
    agreement = Agreement()
    live, candidate = seen([("car", THERE, 0.8)]), seen([("truck", THERE, 0.6)])
    assert agreement.compare(frame_at(0), live, candidate, 0.1, 0.1) == 0.0
    [confusion] = agreement.report().confused
    assert (confusion.live, confusion.candidate, confusion.count) == ("car", "truck", 1)


def test_as_many_objects_as_can_be_are_matched_though_one_pair_overlaps_more() -> None:
    # The first of the live boxes overlaps both, and most the one that the second needs.
    live = seen([("person", (0, 0, 100, 100), 0.9), ("person", (24, 0, 124, 100), 0.5)])
    candidate = seen([("person", (4, 0, 104, 100), 0.9), ("person", (-30, 0, 70, 100), 0.9)])
    assert compare(live, candidate, 0.5).matched.T.tolist() == [[0, 1], [1, 0]]


def random_objects(random: np.random.Generator, count: int) -> Detections:
    corner = random.uniform(0, 60, (count, 2))
    boxes = np.concatenate((corner, corner + random.uniform(20, 60, (count, 2))), axis=1)
    scores = random.uniform(0.2, 1, count)
    return Detections(
        boxes.astype(np.float32), scores.astype(np.float32), random.integers(0, 2, count, np.int32), LABELS
    )


def most_pairs(live: Detections, candidate: Detections, iou: float) -> int:
    """Return the size of the largest matching, found by trying all of them."""
    names = np.array(live.class_name)[:, None] == np.array(candidate.class_name)[None, :]
    fits = (iou_matrix(live.xyxy, candidate.xyxy) >= iou) & names.reshape(len(live), len(candidate))
    for size in range(min(fits.shape), 0, -1):
        for rows in combinations(range(len(live)), size):
            if any(fits[rows, columns].all() for columns in permutations(range(len(candidate)), size)):
                return size
    return 0


@given(st.integers(0, 2**32), st.integers(0, 5), st.integers(0, 5), st.sampled_from([0.1, 0.3, 0.5]))
def test_matching_is_the_largest_there_is_and_swapping_the_models_changes_nothing(
    seed: int, n: int, m: int, iou: float
) -> None:
    random = np.random.default_rng(seed)
    live, candidate = random_objects(random, n), random_objects(random, m)
    found, swapped = compare(live, candidate, iou), compare(candidate, live, iou)
    assert found.matched.shape[1] == most_pairs(live, candidate, iou)
    assert found.agreement == swapped.agreement
    assert found.overlap.sum() == pytest.approx(swapped.overlap.sum(), rel=1e-5)
    assert sorted([*found.matched[0], *found.only_live]) == list(range(n))
    assert sorted([*found.matched[1], *found.only_candidate]) == list(range(m))
    assert set(found.confused[0]) <= set(found.only_live)
    assert set(found.confused[1]) <= set(found.only_candidate)


def test_the_report_sums_all_frames_up() -> None:
    agreement = Agreement(names=("old", "new"))
    both = seen([("person", HERE, 0.9), ("car", THERE, 0.8)])
    agreement.compare(frame_at(0), both, seen([("person", NEARLY, 0.7)], OTHER_LABELS), 0.020, 0.010)
    agreement.compare(
        frame_at(9), both, seen([("car", THERE, 0.9), ("boat", HERE, 0.5)], OTHER_LABELS), 0.040, 0.010
    )
    report = agreement.report()
    assert (report.frames, report.equal_frames) == (2, 0)
    assert (report.matched, report.only_live, report.only_candidate) == (2, 2, 1)
    assert report.agreement == pytest.approx(4 / 7)
    assert report.confidence_gain == pytest.approx((-0.2 + 0.1) / 2)
    assert report.confidence_difference == pytest.approx((0.2 + 0.1) / 2)
    rows = {row.name: row for row in report.classes}
    assert list(rows) == ["car", "person", "boat"]
    assert (rows["person"].matched, rows["person"].only_live, rows["person"].only_candidate) == (1, 1, 0)
    assert rows["car"].agreement == pytest.approx(2 / 3)
    assert not rows["boat"].live_knows
    assert rows["boat"].candidate_knows
    assert report.live_latency.mean_s == pytest.approx(0.030)
    assert report.candidate_latency.p95_s == pytest.approx(0.010, rel=0.1)


def test_the_worst_disagreements_are_kept_and_no_more_than_asked() -> None:
    agreement = Agreement(keep=3)
    for second, score in enumerate((0.3, 0.9, 0.5, 0.8, 0.26, 0.7)):
        agreement.compare(frame_at(10.0 * second), seen([("car", THERE, score)]), seen([]), 0.1, 0.1)
    assert [shown.time_s for shown in agreement.pictures] == [10.0, 30.0, 50.0]


def test_of_one_moment_only_the_worst_frame_is_kept() -> None:
    agreement = Agreement(keep=3, apart_s=2.0)
    for tick, score in enumerate((0.6, 0.9, 0.7, 0.8)):
        agreement.compare(frame_at(tick * 0.5), seen([("car", THERE, score)]), seen([]), 0.1, 0.1)
    assert [shown.time_s for shown in agreement.pictures] == [0.5]


def test_pictures_of_a_folder_are_moments_of_their_own() -> None:
    agreement = Agreement(keep=3)
    for number in range(3):
        frame = frame_at(number * 0.1, file=f"{number}.jpg")
        agreement.compare(frame, seen([("car", THERE, 0.9)]), seen([]), 0.1, 0.1)
    assert {shown.file for shown in agreement.pictures} == {"0.jpg", "1.jpg", "2.jpg"}


class Unseen:
    """A picture that says when its pixels were asked for, and in full when it should not be."""

    width, height = 1920, 1080

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []

    def bgr(self) -> Image:
        raise AssertionError("the full picture was made")

    def resized(self, width: int, height: int, channels: Channels = "rgb") -> Image:
        self.asked.append((width, height))
        return np.full((height, width, 3), 60, np.uint8)


def test_pixels_are_asked_for_only_by_frames_among_the_worst_and_never_in_full() -> None:
    agreement, frame = Agreement(keep=1), frame_at(0)
    equal, worst, mild = Unseen(), Unseen(), Unseen()
    agreement.compare(replace(frame, picture=equal), seen([]), seen([]), 0.1, 0.1)
    agreement.compare(replace(frame, picture=worst), seen([("car", THERE, 0.9)]), seen([]), 0.1, 0.1)
    later = replace(frame, picture=mild, time_s=60.0)
    agreement.compare(later, seen([("car", THERE, 0.3)]), seen([]), 0.1, 0.1)
    assert (equal.asked, worst.asked, mild.asked) == ([], [(640, 360)], [])


def test_a_portrait_is_no_higher_than_a_landscape_is_wide() -> None:
    sheet = draw_comparison(frame_at(0, size=(1080, 1920)), compare(seen([]), seen([]), 0.5), ("a", "b"))
    assert sheet.shape[0] < 680
    assert sheet.shape[1] == 2 * 360 + 4


def test_each_half_shows_what_its_model_saw_alone_and_the_other_where_that_was() -> None:
    live = seen([("person", HERE, 0.9), ("car", THERE, 0.8)])
    candidate = seen([("person", HERE, 0.9), ("truck", (100, 20, 160, 80), 0.6)])
    sheet = draw_comparison(frame_at(0), compare(live, candidate, 0.5), ("old", "new"))
    body = sheet[-240:]
    left, right = body[:, :320], body[:, -320:]
    for half in (left, right):
        assert count(half[5:95, 5:60], BOTH)
    box, dashes = (count(half[105:195, 195:305], ONLY_LIVE) for half in (left, right))
    assert 0 < dashes < box / 2
    assert count(right[15:85, 95:165], ONLY_CANDIDATE)
    assert count(left[15:85, 95:165], ONLY_CANDIDATE)


def test_what_is_saved_can_be_read_and_the_page_needs_nothing_else(tmp_path: Path) -> None:
    agreement = Agreement(names=("old", "<b>new</b>"))
    agreement.compare(
        frame_at(3.2), seen([("car", THERE, 0.9)]), seen([("boat", HERE, 0.6)], OTHER_LABELS), 0.02, 0.01
    )
    folder = tmp_path / "shadow" / "gate"
    agreement.save(folder)
    told = json.loads((folder / "report.json").read_text())
    assert (told["frames"], told["only_live"], told["only_candidate"], told["agreement"]) == (1, 1, 1, 0.0)
    [worst] = told["worst"]
    assert (worst["source"], worst["time"]) == ("gate", 3.2)
    assert worst["only_live"] == [{"class": "car", "confidence": 0.9}]
    sheet = cv2.imread(str(folder / worst["picture"]))
    assert sheet is not None
    assert sheet.shape[1] == 2 * 320 + 4
    page = (folder / "report.html").read_text()
    assert "&lt;b&gt;new&lt;/b&gt; beside old" in page
    assert "<b>new" not in page
    assert page.count("data:image/jpeg;base64,") == 1
    assert "the live model has no such class" in page
    assert not any(word in page for word in ("http://", "https://", "<script"))


def test_a_report_without_frames_says_so() -> None:
    page = render_agreement(Agreement().report())
    assert "No frame was compared yet" in page


def test_almost_full_agreement_is_not_shown_as_full() -> None:
    agreement = Agreement(keep=0)
    cars = seen([("car", (20.0 * i, 0, 20.0 * i + 10, 10), 0.9) for i in range(2000)])
    agreement.compare(frame_at(0), cars, cars.take(np.arange(1999)), 0.1, 0.1)
    assert "99.9 %" in render_agreement(agreement.report())
    assert "100 %" not in render_agreement(agreement.report())


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(OutputError, match="taken"):
        Agreement().save(tmp_path / "taken")


@pytest.mark.parametrize("settings", [{"iou": 0.0}, {"iou": 1.5}, {"keep": -1}])
def test_impossible_settings_are_refused(settings: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="it must"):
        Agreement(**settings)  # type: ignore[arg-type]


def test_threads_that_compare_together_lose_nothing() -> None:
    agreement = Agreement(keep=4)

    def work(begin_s: float) -> None:
        for i in range(100):
            live = seen([("person", HERE, 0.9), ("car", THERE, 0.3 + i / 200)])
            agreement.compare(frame_at(begin_s + i), live, seen([("person", NEARLY, 0.8)]), 0.02, 0.01)

    threads = [threading.Thread(target=work, args=(1000.0 * n,)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    report = agreement.report()
    assert (report.frames, report.matched, report.only_live, report.only_candidate) == (400, 400, 400, 0)
    assert [round(shown.time_s) % 1000 for shown in report.worst] == [99, 99, 99, 99] or len(
        report.worst
    ) == 4
    assert sorted((d.weight for d in report.worst), reverse=True) == [d.weight for d in report.worst]


def test_two_real_detectors_agree_mostly_and_a_model_with_itself_fully(shared_data: Path) -> None:
    folder = shared_data / "models"
    yolo = load_detector(folder / "yolov8n_fp32_640.onnx", precision="f32", threads=1)
    nano = load_detector(folder / "nanodet_m_416.onnx", precision="f32", threads=1, confidence=0.4)
    alone, beside = Agreement(), Agreement(names=(yolo.name, nano.name))
    try:
        for frame in open_source(str(shared_data / "images" / "car_traffic_small_frames")):
            [first], [second] = yolo.detect([frame]), nano.detect([frame])
            alone.compare(frame, first, first, 0.1, 0.1)
            beside.compare(frame, first, second, 0.1, 0.1)
    finally:
        yolo.close()
        nano.close()
    assert alone.report().agreement == 1.0
    assert alone.pictures == ()
    assert 0.5 < beside.report().agreement < 0.95
    assert beside.report().overlap > 0.75
    assert beside.pictures
