from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus.core.resources.pipeline import PipelineSpec
from argus.vision.events import EventLog, Moment, event_id
from argus.vision.objects import PATH_POINTS
from argus.vision.results import Event
from argus.vision.rules import Rules
from tests.rules.scene import BEGIN, MIDDLE, Told, at_fps, frame_at, run, seen, walk

SCENE: dict[str, Any] = {
    "zones": {"middle": {"polygon": MIDDLE, "dwell": 1, "severity": "high"}},
    "lines": {"door": {"from": (0.5, 0.8), "to": (0.5, 0.2), "inertia": 0}},
    "crowds": {"meeting": {"count": 2, "formed_after": 0.5, "dispersed_after": 0.5}},
}
INSTANT = {"object.left", "zone.exited", "line.crossed", "crowd.dispersed"}


def check_lives(told: Told) -> None:
    """What holds for every event of every run."""
    starts, ends = Counter[str](), Counter[str]()
    state: dict[str, str] = {}
    for event in told.changes:
        if event.phase == "start":
            assert event.type not in INSTANT
            assert event.id not in state
            starts[event.id] += 1
        elif event.type not in INSTANT:
            assert state[event.id] in {"start", "update"}
        ends[event.id] += event.phase == "end"
        state[event.id] = event.phase
        assert event.end_s is None or event.end_s >= event.start_s
        assert [t for t, *_ in event.path] == sorted(t for t, *_ in event.path)
    assert set(state.values()) <= {"end"}
    assert all(n == 1 for n in ends.values())
    facts = {(e.type, e.region, e.object_id, e.start_s): e.id for e in told.last()}
    assert len(set(facts.values())) == len(facts)
    assert all(n >= 0 for counts in told.counts for n in counts.values())


def test_an_object_appears_and_leaves_when_it_was_last_seen() -> None:
    told = run({}, {7: walk((1, 0.2, 0.5), (3, 0.4, 0.5))}, at_fps(10, 6), lost_after_s=1)
    appeared, left = told.one("object.appeared"), told.one("object.left")
    assert appeared.start_s == pytest.approx(1)
    assert appeared.end_s == pytest.approx(3)
    assert left.start_s == pytest.approx(3)
    assert appeared.object_id == left.object_id == 7


def test_one_found_again_after_it_was_given_up_appears_anew() -> None:
    def absent(t: float) -> tuple[float, float] | None:
        return None if 2 < t < 5 else (0.5, 0.5)

    told = run({}, {7: absent}, at_fps(10, 7), lost_after_s=1)
    assert [round(e.start_s, 1) for e in told.last("object.appeared")] == [0.0, 5.0]


def test_the_same_input_gives_the_same_events() -> None:
    motions = {n: walk((n / 3, 0.1, 0.4 + n / 50), (8 + n / 3, 0.9, 0.5)) for n in range(1, 8)}
    first, second = (run(SCENE, motions, at_fps(10, 12)) for _ in range(2))
    assert first.changes == second.changes


def test_ids_tell_cameras_and_runs_of_a_live_stream_apart() -> None:
    spec = PipelineSpec()
    ids = set()
    runs = [("gate", ""), ("yard", ""), ("gate", "2026-03-01T12:00"), ("gate", "2026-03-02T12:00")]
    for camera, stream in runs:
        (event,), _, _ = Rules(spec, camera, stream=stream).step(frame_at(0), seen({1: (0.5, 0.5)}))
        ids.add(event.id)
    assert len(ids) == 4


def test_ids_are_short_plain_and_the_same_on_every_machine() -> None:
    assert event_id("gate", "zone.entered", "restricted", 7, 12.34) == "exs7e2wwatwdtapb"


def test_facts_at_one_standing_moment_still_have_ids_of_their_own() -> None:
    log = EventLog("gate")
    facts = {"region": "door", "object_id": 7}
    ids = {log.instant(Moment(3.0, BEGIN, n // 2), "line.crossed", 3.0, **facts).id for n in range(4)}
    assert len(ids) == 4


def test_the_wall_clock_of_an_event_is_that_of_its_start() -> None:
    told = run(SCENE, {7: walk((0, 0.1, 0.5), (10, 0.9, 0.5))}, at_fps(10, 5))
    visit = told.one("zone.entered")
    assert visit.started_at == BEGIN + timedelta(seconds=visit.start_s)
    assert visit.started_at.tzinfo is UTC


def test_finish_tells_the_last_state_of_what_the_stream_cut_off_and_only_once() -> None:
    rules = Rules(PipelineSpec.model_validate(SCENE), "gate")
    for n in range(20):
        rules.step(frame_at(n / 10, n), seen({7: (0.5, 0.5)}))
    last = rules.finish()
    assert {e.type for e in last} == {"object.appeared", "zone.entered", "zone.dwelled"}
    assert all(e.phase == "end" and e.end_s is None for e in last)
    assert rules.finish() == ()


def test_a_better_view_becomes_the_snapshot_while_the_frame_is_at_hand() -> None:
    rules = Rules(PipelineSpec.model_validate(SCENE), "gate")
    for n in range(60):
        events, *_ = rules.step(frame_at(n / 10, n), seen({7: (0.5, 0.5)}, height=0.05 + n / 200))
        for event in events:
            assert event.snapshot_frame == n
    last = {e.type: e for e in rules.finish()}
    assert last["object.appeared"].snapshot_frame == last["zone.entered"].snapshot_frame
    assert (last["object.appeared"].snapshot_frame or 0) > 40


def test_a_view_that_is_hardly_better_costs_no_picture() -> None:
    rules = Rules(PipelineSpec.model_validate(SCENE), "gate")
    updates = 0
    for n in range(300):
        events, *_ = rules.step(frame_at(n / 30, n), seen({7: (0.5, 0.5)}, confidence=0.8 + 0.1 * (n % 2)))
        updates += sum(e.phase == "update" for e in events)
    assert updates == 0


def test_an_event_is_told_at_most_once_a_second_however_fast_the_view_improves() -> None:
    rules = Rules(PipelineSpec(), "gate")
    updates = []
    for n in range(120):
        events, *_ = rules.step(frame_at(n / 30, n), seen({7: (0.5, 0.9)}, height=0.01 * 1.03**n))
        updates += [n / 30 for e in events if e.phase == "update"]
    assert len(updates) == 3
    assert all(b - a >= 1.0 for a, b in pairwise(updates))


def test_a_path_is_thinned_however_long_the_object_stays() -> None:
    def circling(t: float) -> tuple[float, float]:
        return 0.5 + 0.3 * (t * 0.37 % 1), 0.5

    told = run({}, {7: circling}, at_fps(10, 300))
    path = told.one("object.appeared").path
    assert PATH_POINTS // 2 <= len(path) <= PATH_POINTS + 1
    assert path[0][0] == 0.0
    assert path[-1][0] == 300.0


def test_the_path_of_a_visit_begins_with_it() -> None:
    told = run(SCENE, {7: walk((0, 0.1, 0.5), (10, 0.9, 0.5))}, at_fps(10, 12))
    visit = told.one("zone.entered")
    assert all(visit.start_s <= t for t, *_ in visit.path)
    assert all(0.39 < x < 0.75 for _, x, _ in visit.path)


def test_an_event_as_json_is_flat_and_names_its_place() -> None:
    told = run(SCENE, {7: walk((0, 0.1, 0.5), (10, 0.9, 0.5))}, at_fps(10, 12))
    row = told.one("zone.entered").to_json()
    assert row.keys() >= {"id", "type", "camera", "object", "zone", "start", "end", "severity"}
    assert (row["zone"], row["object"], row["class"], row["severity"]) == ("middle", 7, "person", "high")
    crossing = told.one("line.crossed").to_json()
    assert (crossing["line"], crossing["direction"], crossing["severity"]) == ("door", "in", None)


def test_an_event_cut_off_by_its_stream_has_an_end_of_null() -> None:
    event = Event("a", "object.appeared", "gate", "end", 1.0, datetime(2026, 1, 1, tzinfo=UTC))
    assert event.to_json()["end"] is None
    assert replace(event, end_s=2.0).to_json()["end"] == 2.0


def test_time_that_runs_backwards_counts_as_standing_still() -> None:
    told = run(SCENE, {7: lambda _: (0.5, 0.5)}, [0.0, 0.5, 0.4, 0.1, 0.6, 1.5])
    assert len(told.last("zone.entered")) == 1
    assert len(told.last("object.appeared")) == 1


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_every_event_is_raised_once_and_ended_once_whatever_happens(data: st.DataObject) -> None:
    """Objects that jump, vanish, come back and change class; time that jumps and stands still."""
    ids = st.sampled_from([1, 2, 3, 40, 41])
    place = st.tuples(st.floats(0, 1), st.floats(0, 1))
    pauses = st.sampled_from([0.0, 0.1, 0.1, 0.1, 0.5, 5.0])
    frames = data.draw(st.lists(st.tuples(pauses, st.dictionaries(ids, place)), max_size=60))
    rules = Rules(PipelineSpec.model_validate(SCENE), "gate", lost_after_s=1.0)
    told, clock = Told(), 0.0
    for index, (step, feet) in enumerate(frames):
        clock += step
        classes = {i: ("person", "car")[(index + i) % 2] for i in feet}
        events, alerts, counts = rules.step(frame_at(clock, index), seen(feet, classes=classes))
        told.changes += events
        told.alerts += alerts
        told.counts.append(counts)
    told.changes += rules.finish()
    check_lives(told)
    for object_id in (1, 2, 3, 40, 41):
        turns = [
            e.type
            for e in told.changes
            if e.object_id == object_id
            and ((e.type == "zone.entered" and e.phase == "start") or e.type == "zone.exited")
        ]
        assert turns == ["zone.entered" if n % 2 == 0 else "zone.exited" for n in range(len(turns))]


@pytest.mark.parametrize("fps", [5, 10, 30])
def test_a_busy_scene_keeps_its_books(fps: int) -> None:
    motions = {n: walk((n / 5, 0.05, 0.2 + n / 60), (6 + n / 7, 0.95, 0.8 - n / 70)) for n in range(1, 31)}
    told = run(SCENE, motions, at_fps(fps, 20))
    check_lives(told)
    assert len(told.last("line.crossed")) == len(told.last("object.left")) == 30


def test_who_leaves_twice_at_one_time_left_twice_also_where_it_is_noticed_later() -> None:
    """The clock stands still while somebody leaves a zone and comes back; it goes on as he leaves again."""
    log = EventLog("gate")
    facts: dict[str, Any] = {"region": "yard", "object_id": 3}
    exits = [
        log.instant(Moment(now_s, BEGIN, frame), "zone.exited", 5.0, **facts)
        for frame, now_s in enumerate((5.0, 5.0, 5.2))
    ]
    assert len({event.id for event in exits}) == 3
    assert log.instant(Moment(6.0, BEGIN, 3), "zone.exited", 6.0, **facts).id not in {e.id for e in exits}
