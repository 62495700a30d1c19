"""What belongs together of several inputs."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from argus.flow.fusion import Matcher


def matcher(patience: int = 32) -> Matcher[str]:
    return Matcher(["left", "right"], 0.05, patience)


def test_a_set_is_complete_when_every_input_has_one_close_in_time() -> None:
    pairs = matcher()
    assert pairs.add("left", 1.00, "l1") == ([], [])
    assert pairs.add("right", 1.03, "r1") == ([{"left": "l1", "right": "r1"}], [])


def test_what_is_too_early_for_its_partners_stays_alone() -> None:
    pairs = matcher()
    pairs.add("left", 1.0, "l1")
    pairs.add("left", 1.1, "l2")
    assert pairs.add("right", 1.1, "r1") == ([{"left": "l2", "right": "r1"}], ["l1"])


def test_the_nearest_is_chosen() -> None:
    pairs = matcher()
    for time_s in (1.00, 1.02, 1.04):
        pairs.add("left", time_s, f"l{time_s}")
    complete, alone = pairs.add("right", 1.03, "r")
    assert complete == [{"left": "l1.04", "right": "r"}]
    assert alone == ["l1.0", "l1.02"]


def test_no_more_wait_than_patience_allows() -> None:
    pairs = matcher(patience=2)
    alone = [pairs.add("left", float(i), f"l{i}")[1] for i in range(4)]
    assert alone == [[], [], ["l0"], ["l1"]]
    assert pairs.waiting == 2
    assert pairs.rest() == ["l2", "l3"]


times = st.lists(st.floats(0, 10, allow_nan=False), max_size=30).map(sorted)


@given(times, times, st.integers(0, 2**30))
def test_nothing_is_lost_or_doubled_and_sets_are_close(
    left: list[float], right: list[float], seed: int
) -> None:
    pairs: Matcher[tuple[str, float, int]] = Matcher(["left", "right"], 0.3, 100)
    queues = {"left": list(enumerate(left)), "right": list(enumerate(right))}
    seen: list[tuple[str, float, int]] = []
    bits = seed
    while queues["left"] or queues["right"]:
        name = "left" if (bits & 1 and queues["left"]) or not queues["right"] else "right"
        bits = bits >> 1 or seed
        at, time_s = queues[name].pop(0)
        complete, alone = pairs.add(name, time_s, (name, time_s, at))
        for one in complete:
            assert set(one) == {"left", "right"}
            assert abs(one["left"][1] - one["right"][1]) <= 0.3
            seen += one.values()
        seen += alone
    seen += pairs.rest()
    assert sorted(seen) == sorted(
        [("left", t, i) for i, t in enumerate(left)] + [("right", t, i) for i, t in enumerate(right)]
    )
