"""What belongs together of several inputs."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import given
from hypothesis import strategies as st

from argus.flow.fusion import Matcher

T = TypeVar("T")


class Pairs(Matcher[T]):
    """A matcher that is asked for all that is complete after each message."""

    def put(
        self, name: str, time_s: float, item: T, *, again: bool = False
    ) -> tuple[list[dict[str, T]], list[T]]:
        self.add(name, time_s, item, again=again)
        complete: list[dict[str, T]] = []
        alone: list[T] = []
        while True:
            found, lone = self.next()
            alone += lone
            if found is None:
                return complete, alone
            complete.append(found)


def matcher(patience: int = 32) -> Pairs[str]:
    return Pairs(["left", "right"], 0.05, patience)


def test_a_set_is_complete_when_every_input_has_one_close_in_time() -> None:
    pairs = matcher()
    assert pairs.put("left", 1.00, "l1") == ([], [])
    assert pairs.put("right", 1.03, "r1") == ([{"left": "l1", "right": "r1"}], [])


def test_what_is_too_early_for_its_partners_stays_alone() -> None:
    pairs = matcher()
    pairs.put("left", 1.0, "l1")
    pairs.put("left", 1.1, "l2")
    assert pairs.put("right", 1.1, "r1") == ([{"left": "l2", "right": "r1"}], ["l1"])


def test_the_nearest_is_chosen() -> None:
    pairs = matcher()
    for time_s in (1.00, 1.02, 1.04):
        pairs.put("left", time_s, f"l{time_s}")
    complete, alone = pairs.put("right", 1.03, "r")
    assert complete == [{"left": "l1.04", "right": "r"}]
    assert alone == ["l1.0", "l1.02"]


def test_no_more_wait_than_patience_allows() -> None:
    pairs = matcher(patience=2)
    alone = [pairs.put("left", float(i), f"l{i}")[1] for i in range(4)]
    assert alone == [[], [], ["l0"], ["l1"]]
    assert pairs.waiting == 2
    assert pairs.rest() == ["l2", "l3"]


def test_what_comes_late_takes_its_place_by_time() -> None:
    pairs = matcher()
    pairs.put("left", 1.0, "l1")
    pairs.put("left", 3.0, "l3")
    pairs.put("left", 2.0, "l2")
    assert pairs.put("right", 1.0, "r1") == ([{"left": "l1", "right": "r1"}], [])
    assert pairs.put("right", 2.0, "r2") == ([{"left": "l2", "right": "r2"}], [])


def test_nothing_is_matched_past_what_comes_again() -> None:
    pairs = matcher()
    pairs.put("left", 1.0, "l1")
    pairs.put("left", 2.0, "l2")
    pairs.put("right", 1.0, "r1")
    pairs.expect("left", 1.0)
    pairs.expect("right", 1.0)
    pairs.expect_no_more("right", 1.0)
    assert pairs.put("right", 1.0, "r1", again=True) == ([], [])
    pairs.expect_no_more("left", 1.0)
    assert pairs.put("left", 1.0, "l1", again=True) == ([{"left": "l1", "right": "r1"}], [])


def test_what_never_comes_again_leaves_its_partner_alone() -> None:
    pairs = matcher()
    pairs.expect("left", 1.0)
    pairs.put("right", 1.0, "r1")
    pairs.expect_no_more("left", 1.0)
    assert pairs.put("left", 2.0, "l2") == ([], ["r1"])


def test_patience_is_endless_with_what_failed_before() -> None:
    pairs = matcher(patience=1)
    pairs.put("left", 2.0, "l2")
    assert pairs.put("left", 1.0, "l1", again=True) == ([], [])
    assert pairs.put("left", 3.0, "l3") == ([], ["l2"])
    assert pairs.waiting == 2
    assert pairs.put("right", 1.0, "r1") == ([{"left": "l1", "right": "r1"}], [])


def test_an_input_is_full_when_the_next_message_would_push_one_out() -> None:
    pairs = matcher(patience=2)
    pairs.put("left", 1.0, "l1")
    assert (pairs.full, pairs.missing) == ([], ["right"])
    pairs.put("left", 2.0, "l2")
    assert pairs.full == ["left"]
    pairs.expect("left", 0.5)
    assert pairs.full == [], "what comes again comes next, and pushes nothing out"


@given(st.integers(1, 8), st.data())
def test_a_set_that_fails_comes_together_again_whatever_comes_first(count: int, data: st.DataObject) -> None:
    pairs: Matcher[tuple[str, int]] = Matcher(["left", "right"], 0.1, 100)
    queues = {"left": list(range(count)), "right": list(range(count))}
    failures = data.draw(st.lists(st.integers(0, 3), min_size=count, max_size=count))
    again: dict[str, int] = {}
    seen: list[int] = []
    while queues["left"] or queues["right"]:
        name = data.draw(st.sampled_from([name for name, queue in queues.items() if queue]))
        at = queues[name].pop(0)
        tried = again.pop(name, None)
        if tried is not None:
            assert tried == at, "its channel gives nothing of that origin before"
            pairs.expect_no_more(name, float(at))
        pairs.add(name, float(at), (name, at), again=tried is not None)
        while True:
            found, alone = pairs.next()
            assert alone == []
            if found is None:
                break
            [at] = {at for _, at in found.values()}
            if failures[at]:
                failures[at] -= 1
                for side in found:
                    queues[side].insert(0, at)
                    again[side] = at
                    pairs.expect(side, float(at))
            else:
                seen.append(at)
    assert seen == list(range(count))
    assert pairs.rest() == []


times = st.lists(st.floats(0, 10, allow_nan=False), max_size=30).map(sorted)


@given(times, times, st.integers(0, 2**30))
def test_nothing_is_lost_or_doubled_and_sets_are_close(
    left: list[float], right: list[float], seed: int
) -> None:
    pairs: Pairs[tuple[str, float, int]] = Pairs(["left", "right"], 0.3, 100)
    queues = {"left": list(enumerate(left)), "right": list(enumerate(right))}
    seen: list[tuple[str, float, int]] = []
    bits = seed
    while queues["left"] or queues["right"]:
        name = "left" if (bits & 1 and queues["left"]) or not queues["right"] else "right"
        bits = bits >> 1 or seed
        at, time_s = queues[name].pop(0)
        complete, alone = pairs.put(name, time_s, (name, time_s, at))
        for one in complete:
            assert set(one) == {"left", "right"}
            assert abs(one["left"][1] - one["right"][1]) <= 0.3
            seen += one.values()
        seen += alone
    seen += pairs.rest()
    assert sorted(seen) == sorted(
        [("left", t, i) for i, t in enumerate(left)] + [("right", t, i) for i, t in enumerate(right)]
    )
