from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus.core.resources.regions import CrowdSpec
from argus.vision.crowds import Gathering
from tests.rules.scene import MIDDLE, Motion, at_fps, hidden, run, walk


def crowd(**fields: Any) -> dict[str, Any]:
    return {"crowds": {"meeting": {"count": 3, **fields}}}


def standing(x: float, since_s: float = 0.0, until_s: float = 1e3) -> Motion:
    return walk((since_s, x, 0.5), (until_s, x, 0.5))


@pytest.mark.parametrize("fps", [5, 10, 30])
def test_a_crowd_forms_when_enough_were_there_for_long_enough(fps: int) -> None:
    people = {1: standing(0.4), 2: standing(0.5), 3: standing(0.6, 2.0, 6.0)}
    told = run(crowd(), people, at_fps(fps, 12))
    formed, dispersed = told.one("crowd.formed"), told.one("crowd.dispersed")
    assert formed.start_s == pytest.approx(2.0, abs=1 / fps)
    assert formed.end_s == dispersed.start_s == pytest.approx(6.5, abs=0.51)
    assert (formed.region, formed.region_kind) == ("meeting", "crowd")
    assert (formed.object_id, formed.count) == (None, 3)


def test_too_few_for_long_or_enough_for_a_moment_is_no_crowd() -> None:
    people = {1: standing(0.4), 2: standing(0.5), 3: standing(0.6, 2.0, 3.0)}
    assert run(crowd(formed_after=2), people, at_fps(10, 8)).last("crowd.formed") == []


def test_somebody_the_detector_loses_now_and_then_still_counts() -> None:
    def flickering(t: float) -> tuple[float, float] | None:
        return None if round(t * 10) % 4 == 0 else (0.6, 0.5)

    told = run(crowd(), {1: standing(0.4), 2: standing(0.5), 3: flickering}, at_fps(10, 8))
    assert told.one("crowd.formed").end_s is None


def test_only_those_inside_the_polygon_are_counted() -> None:
    people = {1: standing(0.45), 2: standing(0.5), 3: standing(0.55), 4: standing(0.9)}
    told = run(crowd(polygon=MIDDLE), people, at_fps(10, 4))
    assert told.one("crowd.formed").count == 3
    assert told.counts[-1] == {"meeting": 3}


def test_only_the_crowds_classes_are_counted() -> None:
    people = {1: standing(0.4), 2: standing(0.5), 3: standing(0.6)}
    told = run(crowd(classes="person"), people, at_fps(10, 5), classes={3: "dog"})
    assert told.last("crowd.formed") == []


def test_a_growing_crowd_tells_its_most_with_a_picture_of_that_frame() -> None:
    people = {n: standing(0.3 + n / 20) for n in (1, 2, 3)} | {4: standing(0.6, 5.0, 7.0)}
    told = run(crowd(), people, at_fps(10, 9))
    (grown,) = [e for e in told.changes if e.phase == "update" and e.type == "crowd.formed"]
    assert (grown.count, grown.snapshot_frame) == (4, 50)
    assert grown.xyxy is not None
    assert grown.xyxy[0] < 350
    assert grown.xyxy[2] > 600
    assert told.one("crowd.formed").count == 4


def test_without_tracking_detections_are_counted() -> None:
    people = {n: standing(0.3 + n / 20) for n in (1, 2, 3)}
    told = run({"track": False, **crowd()}, people, at_fps(10, 4), tracked=False)
    assert told.one("crowd.formed").count == 3
    assert told.counts[0] == {"meeting": 3}


def test_a_pause_of_the_stream_ends_a_crowd_before_it() -> None:
    people = {n: standing(0.3 + n / 20) for n in (1, 2, 3)}
    told = run(crowd(), people, [*at_fps(10, 4), *at_fps(10, 4, start_s=100)])
    first, second = told.last("crowd.formed")
    assert first.end_s == pytest.approx(4.0)
    assert second.start_s == pytest.approx(100, abs=0.11)


def test_a_crowd_of_people_who_come_and_go_is_one_crowd() -> None:
    people = {n: standing(0.3 + n / 50, 1.5 * n, 1.5 * n + 8) for n in range(1, 9)}
    assert len(run(crowd(), people, at_fps(10, 30)).last("crowd.formed")) == 1


def test_hiding_one_after_the_other_does_not_disperse_a_crowd() -> None:
    people = {n: hidden(standing(0.3 + n / 20), 4 + n, 4.4 + n) for n in (1, 2, 3)}
    assert run(crowd(dispersed_after=1), people, at_fps(10, 10)).last("crowd.dispersed") == []


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(0, 6), max_size=120),
    steps=st.lists(st.floats(0, 3), min_size=120, max_size=120),
)
def test_formed_and_dispersed_take_turns_whatever_happens(counts: list[int], steps: list[float]) -> None:
    gathering = Gathering(CrowdSpec(count=3), gap_s=2.0)
    clock, formed = 0.0, False
    for count, step in zip(counts, steps, strict=False):
        clock += step
        change = gathering.step(count, clock)
        if change == "formed":
            assert not formed
            assert count >= 3
            assert gathering.since_s is not None
            assert clock - gathering.since_s >= 2.0 - 1e-5
            formed = True
        elif change == "dispersed":
            assert formed
            assert gathering.last_s <= clock
            formed = False
        elif change == "grown":
            assert formed
        assert gathering.formed == formed
