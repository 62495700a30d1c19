"""Messages of several replicas in the order of their origin."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from argus.flow.ordering import Ordering


class Feed:
    """An ordering of one source, and a clock."""

    def __init__(self, lateness_s: float = 1.0) -> None:
        self.order: Ordering[int] = Ordering(lateness_s)
        self.now_s = 100.0

    def add(self, index: int, *, life: int = 1, source: str = "cam") -> list[int]:
        self.order.add(source, (life, index), 10, index, self.now_s)
        return self.given()

    def given(self) -> list[int]:
        found = []
        while (item := self.order.next(self.now_s)) is not None:
            found.append(item)
        return found


def test_what_follows_is_given_at_once() -> None:
    feed = Feed()
    assert [feed.add(n) for n in range(4)] == [[0], [1], [2], [3]]


def test_what_is_early_waits_for_what_is_missing() -> None:
    feed = Feed()
    assert feed.add(0) == [0]
    assert feed.add(2) == []
    assert feed.add(3) == []
    assert feed.add(1) == [1, 2, 3]


def test_it_waits_no_longer_than_the_lateness() -> None:
    feed = Feed(lateness_s=0.5)
    feed.add(0)
    assert feed.add(5) == []
    assert feed.order.wait_s(feed.now_s) == 0.5
    feed.now_s += 0.5
    assert feed.given() == [5]
    assert feed.order.wait_s(feed.now_s) is None
    assert feed.add(3) == [3], "too late for its turn is no reason to lose it"


def test_a_usual_step_is_not_waited_for() -> None:
    feed = Feed()
    feed.add(0)
    assert feed.add(3) == []
    feed.now_s += 1.0
    assert feed.given() == [3]
    assert feed.add(6) == [6]
    assert feed.add(12) == [], "two steps at once hide one"
    assert feed.add(9) == [9, 12]
    assert feed.add(17) == [17], "fps that do not divide the source's take steps of two lengths"


def test_several_messages_of_one_index_stay_together() -> None:
    feed = Feed()
    assert feed.add(0) + feed.add(0) + feed.add(0) == [0, 0, 0]


def test_sources_do_not_wait_for_each_other() -> None:
    feed = Feed()
    feed.add(0)
    assert feed.add(2) == []
    assert feed.add(0, source="yard") == [0]
    assert len(feed.order) == 1


def test_a_new_life_begins_anew() -> None:
    feed = Feed()
    feed.add(0)
    feed.add(1)
    assert feed.add(0, life=2) == [0]
    assert feed.add(2, life=2) == []
    assert feed.add(1, life=2) == [1, 2]


def test_what_failed_comes_again_before_what_is_younger() -> None:
    feed = Feed()
    feed.add(0)
    feed.order.expect("cam", (1, 0), feed.now_s)
    assert feed.add(1) == []
    assert feed.add(0) == [0, 1]


def test_what_failed_and_never_comes_again_holds_nobody_up_for_ever() -> None:
    feed = Feed()
    feed.add(0)
    feed.order.expect("cam", (1, 0), feed.now_s)
    feed.add(1)
    feed.now_s += 10.0
    assert feed.given() == [1]


def test_no_more_wait_than_there_is_room_for() -> None:
    feed = Feed()
    feed.add(0)
    given = [n for index in range(300) for n in feed.add(2 + index)]
    assert given
    assert len(feed.order) <= 257


@given(st.integers(2, 4), st.integers(1, 5), st.data())
def test_whatever_order_replicas_hand_on_in_is_mended(replicas: int, step: int, data: st.DataObject) -> None:
    """Each replica is in order; how they interleave is up to chance, within what they have in hand."""
    feed = Feed(lateness_s=1e9)
    count = 24
    queues: list[list[int]] = [[] for _ in range(replicas)]
    for at in range(count):
        queues[data.draw(st.integers(0, replicas - 1))].append(at * step)
    given: list[int] = []
    while any(queues):
        which = data.draw(st.sampled_from([n for n, queue in enumerate(queues) if queue]))
        given += feed.add(queues[which].pop(0))
    assert given == sorted(given)
    feed.now_s += 2e9
    given += feed.given()
    assert given == [at * step for at in range(count)]
