"""States over time, from findings alone."""

from __future__ import annotations

from typing import cast, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.resources.camera import CameraState, HealthSpec
from argus.vision.health.findings import Finding
from argus.vision.health.judgement import Judgement, Step
from argus.vision.health.stillness import News


def looked(judgement: Judgement, findings: str, start_s: float, *, every_s: float = 0.5) -> list[Step]:
    """Give one look per letter: `w`ell, `d`ark, `c`overed, `b`lurred, `m`oved."""
    names: dict[str, Finding] = {name[0]: name for name in get_args(Finding)}
    steps = []
    for number, letter in enumerate(findings):
        now_s = start_s + number * every_s
        steps.append(judgement.frame(now_s))
        steps.append(judgement.look(names[letter], "plain", None, now_s))
    return [step for step in steps if step is not None]


def path(steps: list[Step]) -> list[CameraState]:
    return [step.after for step in steps]


def test_the_first_frame_makes_a_camera_online() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    assert judgement.state == "connecting"
    assert path(looked(judgement, "w", 1.0)) == ["online"]


def test_darkness_must_last_and_is_told_from_when_it_began() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    steps = looked(judgement, "wwww" + "d" * 12, 0.0)
    assert path(steps) == ["online", "dark"]
    assert steps[-1].since_s == 2.0
    assert path(looked(judgement, "d" * 3 + "w" * 4, 8.0)) == ["online"]


def test_one_good_look_while_falling_ill_starts_the_count_again() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    assert path(looked(judgement, "w" + "ddddddddw" * 10, 0.0)) == ["online"]


def test_one_bad_look_while_getting_well_starts_the_count_again() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    looked(judgement, "w" + "d" * 12, 0.0)
    assert path(looked(judgement, "wd" * 20, 6.5)) == []
    assert judgement.state == "dark"


@pytest.mark.parametrize(("every_s", "state"), [(0.198, "online"), (0.18, "dark")])
def test_getting_well_does_not_wait_for_another_look_for_a_few_milliseconds(
    every_s: float, state: CameraState
) -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    looked(judgement, "w" + "d" * 12, 0.0)
    looked(judgement, "w" * 6, 6.5, every_s=every_s)
    assert judgement.state == state


def test_what_changes_its_looks_while_falling_ill_is_told_as_what_it_mostly_was() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    assert path(looked(judgement, "w" + "mm" + "c" * 10, 0.0)) == ["online", "covered"]


def test_another_illness_that_lasts_takes_the_place_of_the_first() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    assert path(looked(judgement, "w" + "b" * 12 + "d" * 12, 0.0)) == ["online", "blurred", "dark"]


def test_silence_makes_it_lost_from_any_state_and_whatever_is_known_of_the_connection() -> None:
    for findings in ("w", "w" + "d" * 12, ""):
        judgement = Judgement(HealthSpec(), 5.0, 0.0)
        looked(judgement, findings, 0.0)
        last_s = judgement.last_frame_s or 0.0
        assert judgement.wait(last_s + 4.9) is None
        step = judgement.wait(last_s + 5.0)
        assert step is not None
        assert (step.after, step.since_s) == ("lost", last_s)


def test_a_lost_camera_is_online_when_frames_have_come_for_half_a_second() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    looked(judgement, "w", 0.0)
    judgement.wait(6.0)
    assert path(looked(judgement, "w", 20.0)) == []
    assert path(looked(judgement, "w", 20.5)) == ["online"]


def test_one_frame_in_a_while_does_not_bring_a_lost_camera_back() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    looked(judgement, "w", 0.0)
    judgement.wait(6.0)
    for second in range(10, 100, 10):
        assert path(looked(judgement, "w", float(second))) == []
        judgement.wait(second + 5.0)
    assert judgement.state == "lost"


def test_a_dark_camera_that_was_lost_is_dark_again_without_a_word_of_being_online() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    looked(judgement, "w" + "d" * 12, 0.0)
    assert judgement.wait(20.0) is not None
    assert path(looked(judgement, "ddd", 30.0)) == ["dark"]


def test_a_short_break_is_connecting_and_then_online() -> None:
    judgement = Judgement(HealthSpec(), 5.0, 0.0)
    looked(judgement, "w", 0.0)
    step = judgement.break_off(1.0)
    assert step is not None
    assert step.after == "connecting"
    assert path(looked(judgement, "w", 3.0)) == ["online"]


def test_what_was_seen_before_a_break_says_nothing_after_it() -> None:
    judgement = Judgement(HealthSpec(), 50.0, 0.0)
    looked(judgement, "w" + "d" * 4, 0.0)
    judgement.break_off(2.0)
    judgement.frame(3.0)
    step = judgement.frame(20.0)
    assert (step, judgement.state) == (None, "online")


def test_stillness_is_frozen_unless_nothing_could_be_seen_to_move() -> None:
    for finding, after in (("well", "frozen"), ("blurred", "frozen"), ("dark", None), ("covered", None)):
        judgement = Judgement(HealthSpec(ill_for=1000.0), 5.0, 0.0)
        judgement.frame(0.0)
        judgement.look("well", "plain", None, 0.0)
        judgement.frame(10.0)
        step = judgement.look(cast("Finding", finding), "none", 0.0, 10.0)
        assert (None if step is None else step.after) == after


@pytest.mark.parametrize(("news", "state"), [("plain", "online"), ("faint", "frozen")])
def test_a_freeze_ends_by_news_beyond_doubt_or_by_faint_news_twice(news: str, state: str) -> None:
    judgement = Judgement(HealthSpec(), 50.0, 0.0)
    judgement.frame(0.0)
    for second in (0.0, 11.0):
        judgement.look("well", "none", 0.0, second)
    assert str(judgement.state) == "frozen"
    judgement.look("well", cast("News", news), None, 20.0)
    judgement.look("well", "none", None, 21.0)
    assert judgement.state == state
    for second in (40.0, 40.5, 41.0):
        judgement.look("well", "faint", None, second)
    assert str(judgement.state) == "online"


def frozen() -> Judgement:
    """Return a judgement at second 11 of a freeze, of looks every half second."""
    judgement = Judgement(HealthSpec(), 50.0, 0.0)
    judgement.frame(0.0)
    for second in (0.0, 11.0):
        judgement.look("well", "none", 0.0, second)
    assert judgement.state == "frozen"
    return judgement


def test_faint_news_between_the_looks_ends_no_freeze_for_it_may_be_an_encoders() -> None:
    judgement = frozen()
    for tenth in range(200, 300, 2):
        judgement.look("well", "faint", None, tenth / 10, between=True)
    assert judgement.state == "frozen"


def test_it_says_since_when_all_moves_again_by_no_more_than_the_time_between_two_looks() -> None:
    """So that a freeze is over a second after the first picture, and not after the first whole look."""
    judgement = frozen()
    for tenth, between in [(200, True), (202, True), (204, False), (206, True), (208, True)]:
        judgement.look("well", "faint", None, tenth / 10, between=between)
    step = judgement.look("well", "faint", None, 21.0)
    assert (judgement.state, None if step is None else step.since_s) == ("online", 20.0)

    slow = frozen()
    for tenth in range(200, 220):
        slow.look("well", "faint", None, tenth / 10, between=True)
    slow.look("well", "faint", None, 22.0)
    slow.look("well", "faint", None, 22.4)
    assert str(slow.state) == "frozen"
    slow.look("well", "faint", None, 22.5)
    assert str(slow.state) == "online"


def test_a_picture_that_is_known_between_the_looks_begins_the_time_anew() -> None:
    judgement = frozen()
    for tenth, news in [(200, "faint"), (202, "none"), (204, "faint")]:
        judgement.look("well", cast("News", news), None, tenth / 10, between=True)
    for tenth in (206, 212):
        judgement.look("well", "faint", None, tenth / 10)
    assert judgement.state == "frozen"
    judgement.look("well", "none", None, 21.4, between=True)
    assert str(judgement.state) == "online"


moves = st.lists(
    st.tuples(
        st.sampled_from(["frame", "break", "wait", "well", "dark", "covered", "blurred", "moved"]),
        st.floats(0, 3),
    ),
    max_size=80,
)


@given(moves)
def test_whatever_happens_steps_follow_each_other_and_silence_is_never_overlooked(
    given_moves: list[tuple[str, float]],
) -> None:
    judgement, now_s, state = Judgement(HealthSpec(), 5.0, 0.0), 0.0, "connecting"
    for move, later_s in given_moves:
        now_s += later_s
        steps = [judgement.wait(now_s)]
        silent_s = now_s - (judgement.last_frame_s or 0.0)
        assert judgement.state == "lost" or silent_s < 5.0
        if move == "break":
            steps.append(judgement.break_off(now_s))
        elif move != "wait":
            steps.append(judgement.frame(now_s))
            if move != "frame":
                steps.append(judgement.look(cast("Finding", move), "plain", None, now_s))
        for step in steps:
            if step is not None:
                assert state == step.before != step.after
                assert step.since_s <= now_s
                state = step.after
        assert judgement.state == state
