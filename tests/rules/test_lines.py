from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from argus.core.errors import SpecError
from tests.rules.scene import at_fps, hidden, run, walk

UP = ((0.5, 0.8), (0.5, 0.2))


def line(ends: tuple[tuple[float, float], tuple[float, float]] = UP, **fields: Any) -> dict[str, Any]:
    return {"lines": {"door": {"from": ends[0], "to": ends[1], **fields}}}


RIGHTWARDS = walk((0, 0.3, 0.5), (4, 0.7, 0.5))
"""Crosses x = 0.5 at 2 s."""
LEFTWARDS = walk((0, 0.7, 0.5), (4, 0.3, 0.5))


@pytest.mark.parametrize("fps", [5, 10, 30])
def test_a_crossing_is_an_instant_at_the_moment_on_the_line_at_any_frame_rate(fps: int) -> None:
    crossed = run(line(), {7: RIGHTWARDS}, at_fps(fps, 5)).one("line.crossed")
    assert crossed.phase == "end"
    assert crossed.start_s == crossed.end_s == pytest.approx(2.0, abs=0.01)
    assert (crossed.object_id, crossed.region, crossed.region_kind) == (7, "door", "line")


def test_in_leads_from_the_left_hand_to_the_right_of_who_looks_along_the_line() -> None:
    up = line()
    down = line(UP[::-1])
    assert run(up, {7: RIGHTWARDS}, at_fps(10, 5)).one("line.crossed").direction == "in"
    assert run(up, {7: LEFTWARDS}, at_fps(10, 5)).one("line.crossed").direction == "out"
    assert run(down, {7: RIGHTWARDS}, at_fps(10, 5)).one("line.crossed").direction == "out"


@pytest.mark.parametrize(
    ("direction", "expected"), [("both", ["in", "out"]), ("in", ["in"]), ("out", ["out"])]
)
def test_a_line_counts_only_the_direction_it_asks_for(direction: str, expected: list[str]) -> None:
    told = run(line(direction=direction), {7: RIGHTWARDS, 8: LEFTWARDS}, at_fps(10, 5))
    assert sorted(str(e.direction) for e in told.last("line.crossed")) == expected


def test_a_crossing_survives_missed_frames() -> None:
    told = run(line(), {7: hidden(RIGHTWARDS, 1.6, 2.4)}, at_fps(10, 5))
    assert told.one("line.crossed").start_s == pytest.approx(2.0, abs=0.01)


def test_who_trembles_on_the_line_crosses_it_once_at_most() -> None:
    def trembling(t: float) -> tuple[float, float]:
        return 0.5 + 0.1 * (t - 2) + (0.012 if round(t * 30) % 2 else -0.012), 0.5

    told = run(line(), {7: trembling}, at_fps(30, 4))
    assert [e.direction for e in told.last("line.crossed")] == ["in"]


def test_who_steps_over_and_back_within_inertia_never_crossed() -> None:
    there_and_back = walk((0, 0.4, 0.5), (1, 0.51, 0.5), (1.1, 0.51, 0.5), (2, 0.4, 0.5))
    assert run(line(inertia=0.5), {7: there_and_back}, at_fps(30, 3)).last("line.crossed") == []


def test_inertia_zero_counts_each_crossing_at_once() -> None:
    there_and_back = walk((0, 0.4, 0.5), (1, 0.51, 0.5), (2, 0.4, 0.5))
    told = run(line(inertia=0), {7: there_and_back}, at_fps(30, 3))
    assert [e.direction for e in told.last("line.crossed")] == ["in", "out"]


def test_who_is_gone_right_after_the_line_has_crossed_it() -> None:
    leaving = walk((0, 0.3, 0.5), (2.1, 0.51, 0.5))
    crossed = run(line(inertia=1), {7: leaving}, at_fps(10, 5)).one("line.crossed")
    assert crossed.start_s == pytest.approx(2.0, abs=0.02)


def test_going_around_the_end_is_not_crossing() -> None:
    around = walk((0, 0.3, 0.1), (4, 0.7, 0.1))
    assert run(line(), {7: around}, at_fps(10, 5)).last("line.crossed") == []


def test_passing_through_an_end_is_crossing() -> None:
    through_end = walk((0, 0.3, 0.2), (4, 0.7, 0.2))
    assert run(line(), {7: through_end}, at_fps(10, 5)).one("line.crossed").direction == "in"


@pytest.mark.parametrize("inertia", [0, 0.2])
def test_touching_the_line_and_turning_back_is_not_crossing(inertia: float) -> None:
    for side in (0.3, 0.7):
        touch = walk((0, side, 0.5), (1, 0.5, 0.5), (2, 0.5, 0.5), (3, side, 0.5))
        assert run(line(inertia=inertia), {7: touch}, at_fps(10, 4)).last("line.crossed") == []


def test_standing_on_the_line_on_the_way_is_one_crossing() -> None:
    pausing = walk((0, 0.3, 0.5), (1, 0.5, 0.5), (2, 0.5, 0.5), (3, 0.7, 0.5))
    assert len(run(line(), {7: pausing}, at_fps(10, 4)).last("line.crossed")) == 1


def test_who_appears_beyond_the_line_has_not_crossed_it() -> None:
    assert run(line(), {7: walk((0, 0.6, 0.5), (4, 0.9, 0.5))}, at_fps(10, 5)).last("line.crossed") == []


def test_one_found_again_after_it_was_given_up_has_not_crossed() -> None:
    away = hidden(RIGHTWARDS, 1.0, 3.0)
    assert run(line(), {7: away}, at_fps(10, 5), lost_after_s=1.0).last("line.crossed") == []


def test_only_objects_of_the_lines_classes_count() -> None:
    told = run(line(classes=["dog"]), {7: RIGHTWARDS, 8: RIGHTWARDS}, at_fps(10, 5), classes={8: "dog"})
    assert told.one("line.crossed").object_id == 8


def test_a_crossing_carries_the_way_that_led_to_it() -> None:
    path = run(line(), {7: RIGHTWARDS}, at_fps(10, 5)).one("line.crossed").path
    assert path[0] == pytest.approx((0.0, 0.3, 0.5), abs=1e-3)
    assert path[-1][1] > 0.5
    assert [t for t, *_ in path] == sorted(t for t, *_ in path)


def test_an_end_in_pixels_outside_the_real_picture_is_refused() -> None:
    message = r"line door: the point \(10, 900\) lies outside the picture of 1000x500"
    with pytest.raises(SpecError, match=message):
        run(line(((10, 10), (10, 900)), units="pixels"), {}, [0.0])


@settings(max_examples=40, deadline=None)
@given(
    turns=st.lists(st.floats(0.02, 0.45), min_size=1, max_size=6),
    fps=st.sampled_from([5, 10, 30]),
    tilt=st.floats(-0.2, 0.2),
)
def test_the_same_way_crosses_the_same_times_at_any_frame_rate(
    turns: list[float], fps: int, tilt: float
) -> None:
    """To and fro over the line, each time staying beyond it for longer than its inertia."""
    points, clock = [(0.0, 0.3, 0.5)], 0.0
    for number, reach in enumerate(turns):
        goal = 0.5 + reach if number % 2 == 0 else 0.5 - reach
        points += [(clock + 2, goal, 0.5 + tilt), (clock + 3, goal, 0.5 + tilt)]
        clock += 3
    told = run(line(), {7: walk(*points)}, at_fps(fps, clock + 2))
    directions = [e.direction for e in told.last("line.crossed")]
    assert directions == ["in" if n % 2 == 0 else "out" for n in range(len(turns))]
