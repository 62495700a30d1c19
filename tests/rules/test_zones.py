from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus.core.errors import SpecError
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.results import Event
from argus.vision.rules import Rules
from tests.rules.scene import HEIGHT, MIDDLE, WIDTH, at_fps, frame_at, hidden, run, seen, walk


def zone(**fields: Any) -> dict[str, Any]:
    return {"zones": {"middle": {"polygon": MIDDLE, **fields}}}


THROUGH = walk((0, 0.1, 0.5), (10, 0.9, 0.5))
"""In the middle zone from 3.75 s to 6.25 s."""


@pytest.mark.parametrize("fps", [5, 10, 30])
def test_a_visit_runs_from_first_to_last_inside_at_any_frame_rate(fps: int) -> None:
    told = run(zone(), {7: THROUGH}, at_fps(fps, 12))
    visit = told.one("zone.entered")
    assert visit.start_s == pytest.approx(3.75, abs=1 / fps + 0.01)
    assert visit.end_s == pytest.approx(6.25, abs=1 / fps + 0.01)
    assert (visit.object_id, visit.class_name, visit.region, visit.region_kind) == (
        7,
        "person",
        "middle",
        "zone",
    )


def test_an_entry_is_told_once_the_object_was_inside_for_enter_after() -> None:
    told = run(zone(enter_after=0.5), {7: THROUGH}, at_fps(10, 5), finish=False)
    (start,) = [e for e in told.changes if e.type == "zone.entered"]
    assert start.phase == "start"
    assert start.start_s == pytest.approx(3.8)
    assert start.snapshot_frame == 43


def test_who_brushes_the_edge_for_less_than_enter_after_was_never_inside() -> None:
    brush = walk((0, 0.3, 0.5), (1, 0.405, 0.5), (2, 0.3, 0.5))
    assert run(zone(enter_after=0.3), {7: brush}, at_fps(10, 3)).last("zone.entered") == []


def test_enter_after_zero_counts_the_first_frame_inside() -> None:
    told = run(zone(enter_after=0, exit_after=0), {7: THROUGH}, at_fps(10, 12))
    visit = told.one("zone.entered")
    assert visit.start_s == pytest.approx(3.8)
    assert visit.end_s == pytest.approx(6.2)


def test_stepping_out_for_less_than_exit_after_does_not_end_a_visit() -> None:
    out = ((1.1, 0.65, 0.5), (1.4, 0.65, 0.5))
    restless = walk((0, 0.5, 0.5), (1, 0.5, 0.5), *out, (1.5, 0.5, 0.5), (4, 0.5, 0.5))
    told = run(zone(exit_after=0.6), {7: restless}, at_fps(10, 4))
    assert len(told.last("zone.entered")) == 1
    assert told.last("zone.exited") == []


def test_an_exit_is_an_instant_of_the_same_object_that_ends_the_visit() -> None:
    told = run(zone(), {7: THROUGH}, at_fps(10, 12))
    visit, left = told.one("zone.entered"), told.one("zone.exited")
    assert left.phase == "end"
    assert left.start_s == left.end_s == visit.end_s
    assert left.object_id == visit.object_id
    assert left.snapshot_frame == visit.snapshot_frame
    assert left.id != visit.id


def test_an_object_that_vanishes_inside_leaves_when_it_was_last_seen() -> None:
    told = run(zone(), {7: walk((0, 0.5, 0.5), (2, 0.5, 0.5))}, at_fps(10, 6), lost_after_s=1.0)
    assert told.one("zone.entered").end_s == pytest.approx(2.0)
    assert told.one("zone.exited").start_s == pytest.approx(2.0)
    raised = next(i for i, c in zip(told.times, told.counts, strict=True) if i > 2 and c["middle"] == 0)
    assert raised == pytest.approx(3.1)


def test_an_object_hidden_for_less_than_the_trackers_patience_stays_inside() -> None:
    standing = hidden(walk((0, 0.5, 0.5), (6, 0.5, 0.5)), 2.0, 2.9)
    told = run(zone(), {7: standing}, at_fps(10, 6), lost_after_s=1.0)
    assert len(told.last("zone.entered")) == 1
    assert told.last("zone.exited") == []
    assert all(c["middle"] == 1 for c in told.counts[3:])


def test_a_pause_of_the_stream_longer_than_patience_ends_visits_before_it() -> None:
    times = [*at_fps(10, 2), *at_fps(10, 2, start_s=60)]
    told = run(zone(), {7: lambda _: (0.5, 0.5)}, times, lost_after_s=1.0)
    first, second = told.last("zone.entered")
    assert first.end_s == pytest.approx(2.0)
    assert (second.start_s, second.end_s) == (60, None)


def test_dwelling_is_told_once_per_visit_and_begins_when_the_time_is_full() -> None:
    told = run(zone(dwell="2s"), {7: THROUGH}, at_fps(30, 12))
    visit, dwelled = told.one("zone.entered"), told.one("zone.dwelled")
    assert dwelled.start_s == pytest.approx(visit.start_s + 2.0)
    assert dwelled.end_s == visit.end_s


def test_a_visit_shorter_than_dwell_is_no_dwelling() -> None:
    assert run(zone(dwell="3s"), {7: THROUGH}, at_fps(10, 12)).last("zone.dwelled") == []


def test_each_visit_of_one_object_is_an_event_of_its_own() -> None:
    twice = walk((0, 0.5, 0.5), (2, 0.9, 0.5), (4, 0.5, 0.5), (6, 0.9, 0.5))
    told = run(zone(dwell=0.2), {7: twice}, at_fps(10, 8))
    assert (
        len(told.last("zone.entered")) == len(told.last("zone.exited")) == len(told.last("zone.dwelled")) == 2
    )
    assert len({e.id for e in told.changes}) == 2 + 6


def test_only_objects_of_the_zones_classes_count() -> None:
    told = run(zone(classes=["car"]), {7: THROUGH, 8: THROUGH}, at_fps(10, 12), classes={8: "car"})
    assert told.one("zone.entered").object_id == 8


def test_a_class_that_flickers_for_some_frames_does_not_end_a_visit() -> None:
    spec = PipelineSpec.model_validate(zone(classes=["person"], exit_after=0))
    rules = Rules(spec, "gate")
    changes: list[Event] = []
    for n in range(60):
        name = "dog" if n % 5 == 4 else "person"
        changes += rules.step(frame_at(n / 10, n), seen({7: (0.5, 0.5)}, classes={7: name}))[0]
    assert [e.type for e in changes] == ["object.appeared", "zone.entered"]


def test_the_anchor_says_which_point_of_the_box_is_looked_at() -> None:
    inside = {}
    for anchor in ("bottom", "center", "top"):
        spec = PipelineSpec.model_validate(
            {"zones": {"z": {"polygon": [[0, 0.5], [1, 0.5], [1, 0.6], [0, 0.6]], "anchor": anchor}}}
        )
        rules = Rules(spec, "gate")
        for n in range(4):
            _, _, counts = rules.step(frame_at(n / 10, n), seen({7: (0.5, 0.65)}, height=0.2))
        inside[anchor] = counts["z"]
    assert inside == {"bottom": 0, "center": 1, "top": 0}


def test_feet_below_the_picture_stand_on_its_edge() -> None:
    spec = {"zones": {"front": {"polygon": [[0, 0.8], [1, 0.8], [1, 1], [0, 1]]}}}
    told = run(spec, {7: walk((0, 0.5, 1.04), (1, 0.5, 1.04))}, at_fps(10, 1))
    assert told.counts[-1] == {"front": 1}


def test_a_concave_zone_is_left_in_its_notch() -> None:
    notched = [[0.2, 0.2], [0.8, 0.2], [0.8, 0.8], [0.5, 0.3], [0.2, 0.8]]
    told = run({"zones": {"u": {"polygon": notched}}}, {7: walk((0, 0.3, 0.4), (9, 0.7, 0.4))}, at_fps(10, 9))
    assert len(told.last("zone.entered")) == 2


def test_pixels_mean_the_same_as_parts_of_the_picture() -> None:
    pixels = [[x * WIDTH, y * HEIGHT] for x, y in MIDDLE]
    a = run(zone(), {7: THROUGH}, at_fps(10, 12))
    b = run({"zones": {"middle": {"polygon": pixels, "units": "pixels"}}}, {7: THROUGH}, at_fps(10, 12))
    assert [e.id for e in a.changes] == [e.id for e in b.changes]


def test_pixels_outside_the_real_picture_are_refused_at_the_first_frame() -> None:
    spec = {"zones": {"far": {"polygon": [[10, 10], [4000, 10], [10, 400]], "units": "pixels"}}}
    message = (
        r"camera 'gate': zone far: the point \(4000, 10\) lies outside the picture of 1000x500 pixels: "
        "move it inside, or use relative coordinates"
    )
    with pytest.raises(SpecError, match=message):
        run(spec, {}, [0.0])


def test_objects_without_a_confirmed_track_enter_nothing() -> None:
    told = run(zone(), {0: THROUGH}, at_fps(10, 12))
    assert told.changes == []


def test_a_box_that_is_not_finite_changes_nothing() -> None:
    rules = Rules(PipelineSpec.model_validate(zone()), "gate")
    detections = seen({7: (0.5, 0.5)})
    detections.xyxy[0, 2] = float("nan")
    assert rules.step(frame_at(0), detections)[0] == ()


def test_counts_are_the_visits_that_count() -> None:
    told = run(zone(), {7: THROUGH, 8: lambda _: (0.5, 0.5)}, at_fps(10, 12))
    by_time = dict(zip([round(t, 1) for t in told.times], (c["middle"] for c in told.counts), strict=True))
    assert (by_time[1.0], by_time[5.0], by_time[8.0]) == (1, 2, 1)


def test_more_objects_than_were_made_room_for_are_followed_too() -> None:
    crowd = {n: walk((0, 0.1 + n / 1000, 0.5), (10, 0.9, 0.5)) for n in range(1, 151)}
    told = run(zone(), crowd, at_fps(5, 12))
    assert len(told.last("zone.entered")) == len(told.last("zone.exited")) == 150


@settings(max_examples=25, deadline=None)
@given(
    legs=st.lists(st.tuples(st.floats(1.5, 4), st.booleans()), min_size=1, max_size=6),
    fps=st.sampled_from([5, 10, 30]),
    dropped=st.sets(st.integers(0, 700), max_size=60),
)
def test_the_same_motion_gives_the_same_visits_at_any_rate_and_with_frames_dropped(
    legs: list[tuple[float, bool]], fps: int, dropped: set[int]
) -> None:
    """Stays inside and outside of at least 1.5 s each, longer than any hysteresis and gap."""
    places, clock, stays = [], 0.0, []
    for number, (length, _) in enumerate(legs):
        x = 0.5 if number % 2 == 0 else 0.9
        places += [(clock, x, 0.5), (clock + length, x, 0.5)]
        stays.append((clock, clock + length, x == 0.5))
        clock += length + 1e-3
    reference = run(zone(), {7: walk(*places)}, at_fps(30, clock + 2))
    lone = {n for n in dropped if n - 1 not in dropped}  # single frames are lost, not seconds
    times = [t for n, t in enumerate(at_fps(fps, clock + 2)) if n not in lone]
    told = run(zone(), {7: walk(*places)}, times)
    visits, expected = told.last("zone.entered"), reference.last("zone.entered")
    assert len(visits) == len(expected) == sum(inside for *_, inside in stays)
    for visit, like in zip(visits, expected, strict=True):
        assert visit.start_s == pytest.approx(like.start_s, abs=2 / fps + 0.04)
        assert (visit.end_s is None) == (like.end_s is None)
        if visit.end_s is not None and like.end_s is not None:
            assert visit.end_s == pytest.approx(like.end_s, abs=2 / fps + 0.04)
