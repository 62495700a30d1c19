"""Whether and when a process that has ended is started again, for all histories."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from argus.processes.policy import RestartPolicy
from argus.processes.restarts import History

RUNS = st.lists(st.floats(0, 200, allow_nan=False), min_size=1, max_size=40)
POLICIES = st.builds(
    RestartPolicy,
    when=st.sampled_from(["never", "on-failure", "always"]),
    most=st.none() | st.integers(1, 10),
    window_s=st.floats(1, 100),
    first_s=st.floats(0.01, 1),
    longest_s=st.floats(1, 60),
)


def after(runs: list[float], policy: RestartPolicy) -> History:
    history = History()
    for ran_s in runs:
        history = history.after_run(ran_s, policy)
    return history


@given(RUNS, POLICIES)
def test_a_wait_is_never_shorter_than_the_first_nor_longer_than_the_longest(
    runs: list[float], policy: RestartPolicy
) -> None:
    verdict = after(runs, policy).verdict(well=False, policy=policy)
    if verdict.state == "backing-off":
        assert min(policy.first_s, policy.longest_s) <= verdict.wait_s <= policy.longest_s


@given(st.integers(1, 12))
def test_waits_double_while_it_keeps_dying(failures: int) -> None:
    policy = RestartPolicy(first_s=0.2, longest_s=30.0)
    verdict = after([0.1] * failures, policy).verdict(well=False, policy=policy)
    assert verdict.wait_s == min(30.0, 0.2 * 2 ** (failures - 1))


@given(RUNS, POLICIES)
def test_who_has_run_for_the_window_counts_as_well_again(runs: list[float], policy: RestartPolicy) -> None:
    history = after([*runs, policy.window_s], policy)
    assert len(history.ends) == 1
    if policy.most != 1:
        assert policy.when == "never" or (
            history.verdict(well=False, policy=policy).wait_s == policy.delay_s(1)
        )


@given(RUNS, POLICIES)
def test_it_is_given_up_exactly_when_most_starts_ended_in_the_window(
    runs: list[float], policy: RestartPolicy
) -> None:
    history = after(runs, policy)
    given_up = history.verdict(well=False, policy=policy).state == "failed"
    assert given_up == (
        policy.when == "never" or (policy.most is not None and len(history.ends) >= policy.most)
    )


def test_waiting_is_no_time_in_which_it_does_well() -> None:
    # By the clock on the wall ten starts with these waits take 102 s, more than the window: it would never
    # be given up.
    policy = RestartPolicy(most=10, window_s=60.0)
    verdicts = [after([0.1] * n, policy).verdict(well=False, policy=policy).state for n in range(1, 11)]
    assert verdicts == ["backing-off"] * 9 + ["failed"]


@given(RUNS, POLICIES)
def test_a_good_end_is_no_failure(runs: list[float], policy: RestartPolicy) -> None:
    state = after(runs, policy).verdict(well=True, policy=policy).state
    if policy.when == "always":
        assert state != "finished"
    else:
        assert state == "finished"


@given(RUNS, POLICIES)
def test_no_history_grows_without_bound(runs: list[float], policy: RestartPolicy) -> None:
    history = after(runs, policy)
    assert all(end > history.ran_s - policy.window_s for end in history.ends)
    assert list(history.ends) == sorted(history.ends)
