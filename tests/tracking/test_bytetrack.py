"""The life of a track: begun, confirmed, carried on, lost, found again, given up."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus.core.detections import Detections
from argus.vision.tracking import TrackSpec, TrackState, load_tracker
from tests.tracking.scenes import FRAME_S, follow, ids, person, seen


def test_what_is_there_in_the_first_frame_counts_at_once() -> None:
    assert follow(load_tracker(), [seen(person(0), person(300))]) == [[1, 2]]


def test_who_comes_later_counts_when_seen_twice() -> None:
    scene = [seen(), seen(person(0)), seen(person(1)), seen(person(2))]
    assert follow(load_tracker(), scene) == [[], [0], [1], [1]]


def test_a_false_detection_of_one_frame_never_counts() -> None:
    scene = [seen(), seen(person(0)), seen(), seen(person(0)), seen(), seen(person(0))]
    assert follow(load_tracker(), scene) == [[], [0], [], [0], [], [0]]


def test_confirm_hits_says_how_often_one_must_be_seen() -> None:
    scene = [seen(), *[seen(person(0))] * 4]
    assert follow(load_tracker(TrackSpec(confirm_hits=1)), scene) == [[], [1], [1], [1], [1]]
    assert follow(load_tracker(TrackSpec(confirm_hits=4)), scene) == [[], [0], [0], [0], [1]]


def test_all_detections_come_back_in_their_order_with_all_they_carried() -> None:
    embedding = np.eye(2, dtype=np.float32)
    given_ = seen(person(300), person(0), confidence=[0.2, 0.9], class_id=[1, 0], embedding=embedding)
    found = load_tracker().update(given_, 0.0)
    assert found.xyxy is given_.xyxy
    assert found.embedding is embedding
    assert found.class_name == ["car", "person"]
    assert ids(found) == [0, 1]
    assert given_.track_id is None


def test_a_weak_detection_carries_a_track_on_but_begins_none() -> None:
    scene = [seen(person(0)), *[seen(person(2 * k), person(400), confidence=0.2) for k in range(1, 5)]]
    assert follow(load_tracker(), scene) == [[1], *[[1, 0]] * 4]


def test_a_detection_below_low_confidence_carries_nothing_on() -> None:
    scene = [seen(person(0)), seen(person(0), confidence=0.05)]
    assert follow(load_tracker(), scene) == [[1], [0]]
    assert follow(load_tracker(TrackSpec(low_confidence=0.01)), scene) == [[1], [1]]


def test_a_sure_detection_goes_before_a_weak_one_that_fits_better() -> None:
    scene = [seen(person(0)), seen(person(0), person(8), confidence=[0.2, 0.9])]
    assert follow(load_tracker(), scene) == [[1], [0, 1]]


def test_two_who_cross_keep_their_ids() -> None:
    scene = [seen(person(6 * k, 100), person(300 - 6 * k, 130)) for k in range(50)]
    assert follow(load_tracker(), scene) == [[1, 2]] * 50


def test_who_is_hidden_for_a_second_keeps_the_id_where_the_course_leads() -> None:
    walk = [seen(person(5 * k)) for k in range(90)]
    hidden = [frame if not 30 <= k < 60 else seen() for k, frame in enumerate(walk)]
    found = follow(load_tracker(), hidden)
    assert found[:30] == [[1]] * 30
    assert found[60:] == [[1]] * 30


def test_lost_after_is_a_time_and_not_a_number_of_frames() -> None:
    for fps in (5.0, 30.0, 120.0):
        tracker = load_tracker(TrackSpec(lost_after=1.0))
        for k in range(int(fps) + 1):
            tracker.update(seen(person(0)), k / fps)
        assert ids(tracker.update(seen(person(0)), 1.0 + 0.99)) == [1]
        tracker.update(seen(), 1.99 + 0.5)
        tracker.update(seen(), 1.99 + 1.01)
        assert len(tracker.tracks) == 0
        assert ids(tracker.update(seen(person(0)), 1.99 + 1.02)) == [0]


@pytest.mark.parametrize("fps", [7.0, 10.0, 25.0, 60.0])
def test_the_same_walk_is_followed_at_any_rate(fps: float) -> None:
    tracker = load_tracker()
    walk = [seen(person(120.0 * k / fps)) for k in range(int(4 * fps))]
    found = [ids(tracker.update(frame, k / fps)) for k, frame in enumerate(walk)]
    assert found == [[1]] * len(walk)
    assert tracker.tracks.velocity[0] == pytest.approx((120, 0), abs=3)


def test_dropped_frames_do_not_lose_a_fast_object() -> None:
    tracker = load_tracker()
    moments = [k for k in range(90) if k < 30 or k % 7 == 0]
    found = [ids(tracker.update(seen(person(8.0 * k)), k * FRAME_S)) for k in moments]
    assert found == [[1]] * len(moments)


def test_a_jump_in_time_longer_than_lost_after_ends_all_tracks() -> None:
    for jump_s in (60.0, -60.0):
        tracker = load_tracker()
        assert ids(tracker.update(seen(person(0)), 100.0)) == [1]
        assert ids(tracker.update(seen(person(0)), 100.0 + jump_s)) == [0]
        assert ids(tracker.update(seen(person(0)), 100.0 + jump_s + FRAME_S)) == [2]


def test_a_small_step_back_in_time_ends_nothing() -> None:
    tracker = load_tracker()
    found = [ids(tracker.update(seen(person(0)), t)) for t in (1.0, 1.1, 1.05, 1.05, 1.2)]
    assert found == [[1]] * 5


@pytest.mark.parametrize("time_s", [math.nan, math.inf])
def test_a_time_that_is_no_number_is_refused(time_s: float) -> None:
    with pytest.raises(ValueError, match=r"time_s: .* expected the seconds"):
        load_tracker().update(seen(person(0)), time_s)


def test_a_track_keeps_to_its_class() -> None:
    scene = [seen(person(0)), seen(person(0), class_id=1), seen(person(0), class_id=1)]
    assert follow(load_tracker(), scene) == [[1], [0], [2]]


def test_class_agnostic_lets_a_wavering_class_go_on() -> None:
    tracker = load_tracker(TrackSpec(class_agnostic=True))
    assert follow(tracker, [seen(person(0)), seen(person(0), class_id=2)]) == [[1], [1]]
    assert tracker.tracks.class_id.tolist() == [2]


def test_reset_forgets_the_tracks_and_goes_on_counting() -> None:
    tracker = load_tracker()
    tracker.update(seen(person(0), person(300)), 10.0)
    tracker.reset()
    assert len(tracker.tracks) == 0
    assert ids(tracker.update(seen(person(0)), 0.0)) == [3]


def test_the_same_input_gives_the_same_ids() -> None:
    random = np.random.default_rng(1)
    scene = [_noise(random, 30) for _ in range(40)]
    assert follow(load_tracker(), scene) == follow(load_tracker(), scene)


def test_odd_boxes_disturb_nobody() -> None:
    odd = [
        (50, 50, 50, 90),  # no width
        (90, 90, 20, 20),  # inside out
        (-900, -900, -800, -700),  # outside the picture
        (0, 0, 1e30, 1e30),
        (-3e38, -3e38, 3e38, 3e38),
    ]
    scene = [seen(person(3 * k), *odd) for k in range(20)]
    found = follow(load_tracker(), scene)
    assert [frame[0] for frame in found] == [1] * 20
    assert all(frame[1] == frame[2] == 0 for frame in found)


def test_a_weak_match_needs_more_overlap_than_a_sure_one() -> None:
    # 40 wide, shifted by 20: an overlap of one third.
    assert follow(load_tracker(), [seen(person(0)), seen(person(20))]) == [[1], [1]]
    assert follow(load_tracker(), [seen(person(0)), seen(person(20), confidence=0.3)]) == [[1], [0]]
    loose = TrackSpec(weak_match_iou=0.2)
    assert follow(load_tracker(loose), [seen(person(0)), seen(person(20), confidence=0.3)]) == [[1], [1]]


def test_match_iou_may_be_stricter_than_the_others() -> None:
    strict = TrackSpec(match_iou=0.9, weak_match_iou=0.2, new_match_iou=0.2)
    assert follow(load_tracker(strict), [seen(person(0)), seen(person(20))]) == [[1], [0]]
    assert follow(load_tracker(strict), [seen(person(0)), seen(person(1))]) == [[1], [1]]


def test_the_view_of_the_tracks_shows_seen_and_lost_ones() -> None:
    tracker = load_tracker()
    for k in range(30):
        tracker.update(seen(person(3 * k), person(500), confidence=[0.9, 0.8]), k * FRAME_S)
    tracker.update(seen(person(500), confidence=0.7), 30 * FRAME_S)
    tracks = tracker.tracks
    assert tracks.id.tolist() == [1, 2]
    assert tracks.state.tolist() == [TrackState.LOST, TrackState.TRACKED]
    assert tracks.hits.tolist() == [30, 31]
    assert tracks.first_seen_s.tolist() == [0.0, 0.0]
    assert tracks.last_seen_s == pytest.approx([29 * FRAME_S, 30 * FRAME_S])
    assert tracks.confidence == pytest.approx([0.9, 0.7])
    assert tracks.velocity == pytest.approx(np.array([[90, 0], [0, 0]]), abs=2)
    assert tracks.xyxy == pytest.approx(np.array([person(90), person(500)]), abs=2)


def test_the_view_is_a_copy() -> None:
    tracker = load_tracker()
    tracker.update(seen(person(0)), 0.0)
    before = tracker.tracks
    tracker.update(seen(person(30)), FRAME_S)
    assert before.xyxy[0].tolist() == list(person(0))


def test_a_stream_without_objects_is_followed_too() -> None:
    tracker = load_tracker()
    assert follow(tracker, [seen()] * 5) == [[]] * 5
    assert len(tracker.tracks) == 0


def test_hundreds_of_objects_find_room() -> None:
    grid = [person(60 * i, 120 * j) for i in range(30) for j in range(10)]
    assert follow(load_tracker(), [seen(*grid)] * 3) == [list(range(1, 301))] * 3


@settings(max_examples=50)
@given(st.integers(0, 2**32), st.sampled_from([1, 2, 3]), st.booleans())
def test_whatever_comes_ids_are_unique_and_no_track_lives_too_long(
    seed: int, confirm_hits: int, agnostic: bool
) -> None:
    random = np.random.default_rng(seed)
    spec = TrackSpec(confirm_hits=confirm_hits, class_agnostic=agnostic, lost_after=0.4)
    tracker, time_s, last = load_tracker(spec), 0.0, 0
    alive: set[int] = set()
    for _ in range(30):
        time_s += float(random.choice([0.0, 0.02, 0.1, 0.3]))
        found = tracker.update(_noise(random, int(random.integers(0, 12))), time_s)
        known = [identity for identity in ids(found) if identity]
        tracks = tracker.tracks
        assert len(set(known)) == len(known)
        assert set(known) <= set(tracks.id.tolist())
        assert tracks.id.tolist() == sorted(tracks.id.tolist())
        assert (tracks.last_seen_s >= time_s - 0.4 - 1e-9).all()
        assert np.isfinite(tracks.xyxy).all()
        assert (tracks.xyxy[:, :2] <= tracks.xyxy[:, 2:]).all()
        assert all(identity > last for identity in set(tracks.id.tolist()) - alive)
        alive = set(tracks.id.tolist())
        last = max(last, *alive, 0)


def _noise(random: np.random.Generator, n: int) -> Detections:
    corner = random.uniform(0, 200, (n, 2))
    boxes = np.concatenate((corner, corner + random.uniform(0, 80, (n, 2))), axis=1)
    confidence = random.uniform(0.05, 1.0, n)
    return Detections(
        boxes.astype(np.float32),
        confidence.astype(np.float32),
        random.integers(0, 2, n).astype(np.int32),
        ("person", "car"),
    )
