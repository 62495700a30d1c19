"""The degrade ladder under loads that are computed, not waited for: an hour takes milliseconds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from argus.core.errors import SpecError
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import DegradeSpec, PipelineSpec
from argus.vision.engine.ladder import Ladder, Load, Rung, rungs_of

MAX_AGE_S = 1.0
TICK_S = 0.25
STEPS = (
    DegradeSpec(fps=5),
    DegradeSpec(input_size=(320, 320)),
    DegradeSpec(model="light"),
    DegradeSpec(motion_only=True),
)


def ladder(**settings: float) -> Ladder:
    return Ladder(STEPS, max_age_s=MAX_AGE_S, fps=10.0, **settings)


def cost_s(rung: Rung) -> float:
    """Seconds of inference per frame."""
    if rung.motion_only:
        return 0.002
    return (0.02 if rung.model == "light" else 0.1) * (0.3 if rung.input_size else 1.0)


@dataclass
class Worker:
    """A machine that shares one inference among its cameras, each with a mailbox for one frame."""

    ladder: Ladder
    now_s: float = 0.0
    changes: list[tuple[float, int]] = field(default_factory=list)

    def load(self, demand: float) -> Load:
        """Return what a window shows while `demand` pipelines like this one share the machine."""
        rung = self.ladder.rung
        assert rung.fps is not None
        wanted = demand * rung.fps * cost_s(rung)
        dropped = max(0.0, 1.0 - 1.0 / wanted) if wanted else 0.0
        age_s = cost_s(rung) * (1.0 if wanted < 1 else demand)
        return Load(self.now_s, age_s, dropped, round(rung.fps * (1 - dropped) * 2))

    def run(self, seconds: float, demand: Callable[[float], float] | float) -> None:
        for _ in range(round(seconds / TICK_S)):
            self.now_s += TICK_S
            share = demand(self.now_s) if callable(demand) else demand
            new = self.ladder.observe(self.load(share))
            if new is not None:
                self.changes.append((self.now_s, new.index))

    @property
    def indices(self) -> list[int]:
        return [index for _, index in self.changes]


def test_each_rung_keeps_what_was_given_up_above_it() -> None:
    assert rungs_of(STEPS[:2], fps=10.0) == (
        Rung(0, "full service", 10.0),
        Rung(1, "5 fps", 5.0),
        Rung(2, "320x320", 5.0, (320, 320)),
    )


def test_a_lighter_model_looks_at_its_own_size_and_motion_needs_none() -> None:
    _, _, sized, light, motion = rungs_of(STEPS)
    assert (sized.title, sized.input_size) == ("320x320", (320, 320))
    assert light == Rung(3, "model light", 5.0, None, "light")
    assert motion == Rung(4, "motion only", 5.0, motion_only=True)


def test_a_model_written_out_is_named_after_its_file() -> None:
    step = DegradeSpec(model=ModelSpec(path="models/tiny.onnx"))
    assert rungs_of([step])[1].title == "model tiny.onnx"


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([{"fps": 5}, {"fps": 8}], "step 2: 8 fps gives nothing up where 5 fps are in force"),
        ([{"fps": 10}], "step 1: 10 fps gives nothing up where 10 fps are in force"),
        ([{"motion_only": True}, {"model": "light"}], "step 2: after `motion_only` there is no model left"),
    ],
    ids=["a rate that rises", "the rate of full service", "a model after none"],
)
def test_a_step_that_gives_nothing_up_is_refused(steps: list[dict[str, object]], message: str) -> None:
    spec = PipelineSpec.model_validate({"degrade": steps})
    with pytest.raises(SpecError, match=message):
        Ladder(spec.degrade, max_age_s=1.0, fps=10.0)


def test_a_machine_with_room_stays_at_full_service() -> None:
    worker = Worker(ladder())
    worker.run(3600, demand=0.8)
    assert worker.changes == []


def test_overload_goes_down_rung_by_rung_to_the_first_that_holds_and_relief_comes_back_up() -> None:
    worker = Worker(ladder())
    worker.run(20, demand=5)  # at 5 fps and 320x320 five such pipelines take 0.75 of the machine
    assert worker.indices == [1, 2]
    worker.run(120, demand=0.5)
    assert worker.indices == [1, 2, 1, 0]
    worker.run(3600, demand=0.5)
    assert worker.indices == [1, 2, 1, 0]


def test_the_last_rung_is_the_end() -> None:
    worker = Worker(ladder())
    worker.run(600, demand=500)
    assert worker.indices == [1, 2, 3, 4]
    assert worker.ladder.rung.motion_only


def test_a_step_that_cannot_be_taken_is_left_out_and_those_after_it_do_without_it() -> None:
    worker = Worker(Ladder((DegradeSpec(model="gone"), *STEPS[:2]), max_age_s=MAX_AGE_S, fps=10.0))
    worker.run(5.5, demand=5)
    assert worker.ladder.rung.model == "gone"
    worker.ladder.refused()
    assert worker.ladder.rung == Rung(0, "full service", 10.0)
    worker.run(20, demand=5)
    assert worker.ladder.rung == Rung(2, "320x320", 5.0, (320, 320))
    worker.run(120, demand=0.5)
    assert worker.indices == [1, 1, 2, 1, 0]


def test_a_step_that_was_left_out_is_tried_again_in_full_service_and_not_all_the_time() -> None:
    worker = Worker(Ladder([DegradeSpec(model="light")], max_age_s=MAX_AGE_S, fps=10.0, better_for_s=10.0))
    worker.run(5.5, demand=5)
    worker.ladder.refused()
    assert worker.ladder.rung.title == "full service"
    refused_s = worker.now_s
    worker.run(330, demand=5)
    assert worker.indices == [1, 1]
    assert 320 < worker.changes[-1][0] - refused_s < 326
    assert worker.ladder.rung.model == "light"


def test_a_rung_that_cannot_be_climbed_to_is_tried_again_later() -> None:
    worker = Worker(ladder(worse_for_s=3.0, better_for_s=10.0))
    worker.run(3.5, demand=1.5)
    while worker.indices != [1, 0]:
        worker.run(TICK_S, demand=0.3)
    climbed_s = worker.now_s
    worker.ladder.refused()
    assert worker.ladder.rung.title == "5 fps"
    assert "frames at 10 fps were not looked at" in worker.ladder.reason
    worker.run(60, demand=0.3)
    assert worker.indices == [1, 0, 0]
    assert worker.changes[-1][0] - climbed_s == pytest.approx(20.0, abs=2 * TICK_S)


def test_a_step_down_takes_worse_for_s_and_a_step_up_better_for_s() -> None:
    worker = Worker(ladder(worse_for_s=3.0, better_for_s=10.0))
    worker.run(10, demand=1.5)
    worker.run(20, demand=0.3)
    (down_s, down), (up_s, up) = worker.changes
    assert (down, up) == (1, 0)
    assert down_s == pytest.approx(3.0, abs=2 * TICK_S)
    assert 10.0 <= up_s - down_s <= 10.0 + 2 * TICK_S


def test_a_burst_shorter_than_worse_for_s_changes_nothing() -> None:
    worker = Worker(ladder())
    worker.run(600, demand=lambda now_s: 8.0 if now_s % 30 < 4 else 0.5)
    assert worker.changes == []


def test_a_promise_broken_most_of_the_time_counts_although_never_for_long() -> None:
    worker = Worker(ladder())
    worker.run(60, demand=lambda now_s: 8.0 if now_s % 4 < 3 else 0.5)
    assert worker.indices[:1] == [1]


def test_a_load_between_two_rungs_is_tried_again_ever_more_rarely() -> None:
    worker = Worker(ladder())
    worker.run(3600, demand=1.5)  # too much at 10 fps, little at 5
    assert set(worker.indices) == {0, 1}
    climbs = [now_s for now_s, index in worker.changes if index == 0]
    waits = [later - sooner for sooner, later in pairwise(climbs)]
    assert len(climbs) <= 10
    assert waits[:4] == [pytest.approx(wait, abs=10) for wait in (45, 85, 165, 325)]
    assert max(waits) < 32 * 20 + 10
    broken_s = len(climbs) * 5.0
    assert broken_s / 3600 < 0.02


def test_failing_at_one_rung_makes_no_other_wait() -> None:
    worker = Worker(ladder())
    worker.run(1200, demand=1.5)
    assert worker.ladder.rung.index == 1
    before = len(worker.changes)
    worker.run(20, demand=9)
    assert worker.ladder.rung.index == 3
    begin_s = worker.now_s
    worker.run(60, demand=1.5)
    climbs = [(now_s - begin_s, index) for now_s, index in worker.changes[before:] if now_s > begin_s]
    assert [index for _, index in climbs] == [2, 1]
    assert climbs[-1][0] < 45


def test_long_good_service_forgets_failed_climbs() -> None:
    worker = Worker(ladder())
    worker.run(3600, demand=1.5)
    worker.run(1200, demand=0.5)
    assert worker.ladder.rung.index == 0
    worker.run(10, demand=1.5)
    assert worker.ladder.rung.index == 1
    worker.run(25, demand=0.5)
    assert worker.ladder.rung.index == 0


def test_without_a_declared_rate_dropped_frames_break_no_promise_but_age_does() -> None:
    patient = Ladder(STEPS, max_age_s=MAX_AGE_S)
    assert all(patient.observe(Load(t / 4, 0.4, 0.7, 10)) is None for t in range(400))
    changed = [patient.observe(Load(100 + t / 4, 1.2, 0.0, 10)) for t in range(24)]
    assert [rung.index for rung in changed if rung] == [1]
    assert patient.reason == "results are 1.20 s old, at most 1 s is promised"


def test_nothing_looked_at_although_frames_come_is_a_broken_promise_without_any_age() -> None:
    starving = Ladder(STEPS, max_age_s=MAX_AGE_S)
    changed = [starving.observe(Load(t / 4, 0.0, 1.0, 0)) for t in range(40)]
    assert [rung.index for rung in changed if rung] == [1]
    assert starving.reason.startswith("nothing was looked at for ")


def test_a_slow_model_within_its_freshness_budget_is_not_starving() -> None:
    slow = Ladder(STEPS, max_age_s=5.0)
    for tick in range(400):
        # One result every 3 s, seen by every window of 1 s that holds it.
        here = tick * TICK_S % 3.0 < 1.0
        assert slow.observe(Load(tick * TICK_S, 3.0 if here else 0.0, 1.0, int(here))) is None


def test_a_camera_that_gives_nothing_moves_nothing() -> None:
    worker = Worker(ladder())
    worker.run(10, demand=1.5)
    assert worker.ladder.rung.index == 1
    for tick in range(4000):
        assert worker.ladder.observe(Load(worker.now_s + tick * TICK_S, 0.0, 0.0, 0)) is None


def test_the_reason_is_told_in_words() -> None:
    worker = Worker(ladder())
    assert worker.ladder.reason == ""
    worker.run(10, demand=1.5)
    assert worker.ladder.reason == "33% of the frames at 10 fps were not looked at"
    worker.run(30, demand=0.5)
    assert worker.ladder.reason == "results are 0.10 s old, with room to spare for 20 s"


def test_a_pipeline_without_steps_has_full_service_whatever_happens() -> None:
    bare = Ladder((), max_age_s=MAX_AGE_S, fps=10.0)
    assert all(bare.observe(Load(t / 4, 9.0, 1.0, 0)) is None for t in range(100))
    assert bare.rung == Rung(fps=10.0)


loads = st.lists(
    st.tuples(st.floats(0.0, 8.0), st.floats(0.0, 3.0), st.floats(0.0, 1.0), st.integers(0, 50)), max_size=300
)


@given(loads, st.one_of(st.none(), st.floats(6, 60)))
def test_whatever_the_load_no_rung_is_skipped_and_no_change_is_sooner_than_its_patience(
    seen: list[tuple[float, float, float, int]], fps: float | None
) -> None:
    walking = Ladder(STEPS, max_age_s=MAX_AGE_S, fps=fps)
    now_s, changed_s, index = 0.0, 0.0, 0
    for passed_s, age_s, dropped, processed in seen:
        now_s += passed_s
        new = walking.observe(Load(now_s, age_s, dropped, processed))
        assert new in (None, walking.rung)
        if new is None:
            assert walking.rung.index == index
            continue
        assert abs(new.index - index) == 1
        assert walking.rungs[new.index] is new
        assert now_s - changed_s >= (5.0 if new.index > index else 20.0)
        index, changed_s = new.index, now_s
