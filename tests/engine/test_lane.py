"""One model and many feeds: fair turns, full batches, nothing mixed, nothing lost when it fails."""

from __future__ import annotations

import threading
from collections.abc import Sequence

import pytest

from argus.core.detections import Detections
from argus.core.errors import ModelUnavailable
from argus.core.frame import Frame
from argus.vision.engine.boxes import Every
from argus.vision.engine.feed import Feed
from argus.vision.engine.flight import Room, moment_s
from argus.vision.engine.lane import Lane
from tests.engine.parts import AsyncFinder, Clock, Finder, Flying, SlowFinder, Watcher, frame
from tests.sources.settling import comes_true


def member(name: str, clock: Clock, *, max_age_s: float | None = None, queue: int = 0) -> Watcher:
    box = Every(queue) if queue else None
    return Watcher(Feed(name, box=box, max_age_s=max_age_s, clock=clock), max_age_s=max_age_s)


def run_dry(lane: Lane) -> None:
    while lane.turn() == 0.0:
        pass


def test_the_newest_frame_is_looked_at_and_the_one_it_replaced_is_counted() -> None:
    clock = Clock()
    lane, one = Lane(Finder(), clock=clock), member("one", clock)
    lane.attach(one)
    for index in range(3):
        one.feed.offer(frame(index))
    run_dry(lane)
    counts = one.feed.counts
    assert one.seen == [2]
    assert (counts.decoded, counts.processed, counts.dropped_stale) == (3, 1, 2)


def test_every_frame_of_a_queue_is_looked_at_in_order() -> None:
    clock = Clock()
    lane, one = Lane(AsyncFinder(batch=3), clock=clock), member("one", clock, queue=16)
    lane.attach(one)
    for index in range(10):
        one.feed.offer(frame(index))
    one.feed.complete()
    run_dry(lane)
    assert one.seen == list(range(10))
    assert one.feed.over


def test_a_full_queue_that_cannot_wait_drops_the_frame_that_comes() -> None:
    clock = Clock()
    one = member("one", clock, queue=2)
    for index in range(5):
        one.feed.offer(frame(index))
    counts = one.feed.counts
    assert (counts.dropped_full, counts.on_the_way) == (3, 2)


def test_a_frame_older_than_the_freshness_budget_is_never_looked_at() -> None:
    clock = Clock()
    lane, one = Lane(Finder(), clock=clock), member("one", clock, max_age_s=0.5)
    lane.attach(one)
    one.feed.offer(frame(0, received_s=clock.now_s - 0.4))
    clock.now_s += 0.2
    run_dry(lane)
    assert one.seen == []
    assert one.feed.counts.dropped_stale == 1


def test_who_offers_ten_times_as_much_gets_no_more_turns() -> None:
    clock = Clock()
    detector = Finder()
    lane = Lane(detector, clock=clock)
    greedy, modest = member("greedy", clock, queue=200), member("modest", clock, queue=200)
    lane.attach(greedy)
    lane.attach(modest)
    for index in range(100):
        greedy.feed.offer(frame(index))
    for index in range(10):
        modest.feed.offer(frame(index))
    for _ in range(20):
        lane.turn()
    assert len(modest.seen) == 10
    assert len(greedy.seen) == 10


def test_frames_of_many_cameras_share_a_batch() -> None:
    clock = Clock()
    detector = AsyncFinder(batch=4)
    lane = Lane(detector, clock=clock)
    members = [member(f"cam{n}", clock) for n in range(4)]
    for one in members:
        lane.attach(one)
    for one in members:
        one.feed.offer(frame(0, source=one.feed.name))
    run_dry(lane)
    assert [len(batch) for batch in detector.batches] == [4]
    assert lane.counts.occupancy == 4.0


def test_an_idle_engine_waits_a_moment_for_company_and_not_longer() -> None:
    clock = Clock()
    detector = AsyncFinder(batch=4)
    lane = Lane(detector, clock=clock)
    members = [member(f"cam{n}", clock) for n in range(4)]
    for one in members:
        lane.attach(one)
    members[0].feed.offer(frame(0))
    wait_s = lane.turn()
    assert wait_s is not None
    assert 0 < wait_s < 0.05
    assert detector.batches == []
    clock.now_s += wait_s
    run_dry(lane)
    assert [len(batch) for batch in detector.batches] == [1]


def test_a_camera_keeps_all_of_an_engine_busy() -> None:
    """Its next frame comes while the engine looks at the last one: it need not wait for that."""
    clock = Clock()
    detector = SlowFinder(depth=4)
    lane, one = Lane(detector, clock=clock), member("one", clock, max_age_s=10)
    lane.attach(one)
    one.feed.offer(frame(0))
    assert lane.turn() == 0.0
    one.feed.offer(frame(1))
    assert lane.turn() == 0.0
    assert detector.under_way == [[0], [1]]
    assert one.seen == []
    detector.landed.set()
    run_dry(lane)
    assert one.seen == [0, 1]
    assert one.feed.counts.on_the_way == 0


def test_what_can_only_be_waited_for_is_waited_for() -> None:
    clock = Clock()
    detector = AsyncFinder()
    detector.depth = 4
    lane, one = Lane(detector, clock=clock), member("one", clock, max_age_s=10)
    lane.attach(one)
    one.feed.offer(frame(0))
    assert lane.turn() == 0.0
    assert one.seen == [0]


@pytest.mark.parametrize(
    "ready", [True, lambda: True, lambda _: 1 / 0], ids=["a word", "another call", "a bug"]
)
def test_whatever_a_plug_in_calls_ready_its_frames_are_looked_at(ready: object) -> None:
    clock = Clock()
    detector = AsyncFinder()
    detector.depth = 4

    def submit(frames: Sequence[Frame]) -> Flying:
        flying = Flying(detector, list(frames))
        object.__setattr__(flying, "ready", ready)
        return flying

    detector.submit = submit  # type: ignore[method-assign]
    lane, one = Lane(detector, clock=clock), member("one", clock, max_age_s=10)
    lane.attach(one)
    for index in range(3):
        one.feed.offer(frame(index))
        run_dry(lane)
    assert one.seen == [0, 1, 2]


def test_a_cameras_frame_waits_where_a_newer_one_can_take_its_place_and_not_behind_the_engine() -> None:
    """Of three inferences under way two run; a recording has the third drawn meanwhile."""
    clock = Clock()
    for max_age_s, most in ((10.0, 2), (None, 3)):
        detector = SlowFinder(depth=3)
        lane, one = Lane(detector, clock=clock), member("one", clock, max_age_s=max_age_s, queue=8)
        lane.attach(one)
        for index in range(8):
            one.feed.offer(frame(index))
        lane._fill()
        assert detector.under_way == [[n] for n in range(most)]


def test_where_an_engine_is_faster_than_its_frames_are_drawn_one_more_is_drawn_ahead() -> None:
    at_once = []
    for depth in (3, 1):
        room = Room(depth)
        room.prepared(0.001)
        room.handed_on(0.001)
        at_once += [room.at_once(0.15), room.at_once(0.01)]
    assert at_once == [2, 3, 1, 1]


def test_a_lane_looks_up_from_a_result_more_often_where_the_engine_is_quick() -> None:
    assert [moment_s(0.0), moment_s(0.1), moment_s(10.0)] == pytest.approx([0.001, 0.005, 0.01])


def test_a_lane_with_an_inference_under_way_can_be_closed() -> None:
    clock = Clock()
    detector = SlowFinder()
    lane, one = Lane(detector, clock=clock), member("one", clock, max_age_s=10)
    lane.attach(one)
    lane.start()
    one.feed.offer(frame(0))
    assert comes_true(lambda: detector.under_way == [[0]])
    closing = threading.Thread(target=lane.close)
    closing.start()
    closing.join(0.05)
    assert closing.is_alive(), "it waits for what it took"
    detector.landed.set()
    closing.join(10)
    assert one.seen == [0]
    assert detector.closed


def test_a_feed_moves_between_two_batches_and_its_frames_stay_in_order() -> None:
    clock = Clock()
    old, new = AsyncFinder("old", batch=2), AsyncFinder("new", batch=2)
    first, second = Lane(old, clock=clock), Lane(new, clock=clock)
    one = member("one", clock, queue=50)
    first.attach(one)
    for index in range(8):
        one.feed.offer(frame(index))
    first.turn()
    second.attach(one)
    first.detach(one)
    assert second.turn() is None  # what the old one has under way comes first
    run_dry(first)
    run_dry(second)
    assert one.seen == list(range(8))
    assert one.models == sorted(one.models, reverse=True)  # old, then new, never back
    assert {len({f.source for f in batch}) for batch in old.batches + new.batches} == {1}


def test_frames_of_a_failed_model_wait_for_the_next_one() -> None:
    clock = Clock()
    told: list[ModelUnavailable] = []
    broken = AsyncFinder("gpu")
    first = Lane(broken, clock=clock, on_failure=lambda _, error: told.append(error))
    one = member("one", clock, queue=50)
    first.attach(one)
    for index in range(4):
        one.feed.offer(frame(index))
    broken.broken = True
    run_dry(first)
    assert [str(error) for error in told] == ["gpu has vanished"]
    assert one.seen == []
    second = Lane(Finder("cpu"), clock=clock)
    second.attach(one)
    run_dry(second)
    assert one.seen == [0, 1, 2, 3]


def test_what_is_under_way_when_a_model_fails_is_not_lost() -> None:
    clock = Clock()
    broken = AsyncFinder("gpu")
    first = Lane(broken, clock=clock)
    one = member("one", clock, queue=50)
    first.attach(one)
    for index in range(6):
        one.feed.offer(frame(index))
    first.turn()  # one is done, one more is under way
    broken.broken = True
    run_dry(first)
    second = Lane(Finder("cpu"), clock=clock)
    second.attach(one)
    run_dry(second)
    assert one.seen == list(range(6))
    assert one.feed.counts.on_the_way == 0


class Picky(Finder):
    """Fails at one frame for a reason of that frame's own."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        if any(f.index == 2 for f in frames):
            raise ValueError("this picture has no pixels")
        return super().detect(frames)


def seen_by(finder: Finder, frames: int) -> tuple[list[int], int]:
    """Return which of so many frames a pipeline has results of, in their order, and how many were corrupt."""
    clock = Clock()
    lane = Lane(finder, clock=clock)
    one = member("one", clock, queue=50)
    lane.attach(one)
    for index in range(frames):
        one.feed.offer(frame(index))
    run_dry(lane)
    return one.seen, one.feed.counts.corrupt


def test_one_frame_that_cannot_be_looked_at_costs_its_batch_nothing() -> None:
    assert seen_by(Picky(batch=4), 8) == ([0, 1, 3, 4, 5, 6, 7], 1)


class Unprepared(AsyncFinder):
    """Cannot prepare one frame, while others are under way."""

    def submit(self, frames: Sequence[Frame]) -> Flying:
        if any(f.index == 5 for f in frames):
            raise ValueError("this picture has no pixels")
        return super().submit(frames)


def test_the_neighbours_of_a_frame_that_cannot_be_prepared_overtake_none_that_are_under_way() -> None:
    assert seen_by(Unprepared(batch=2), 10) == ([0, 1, 2, 3, 4, 6, 7, 8, 9], 1)


def test_a_model_that_vanishes_beside_a_frame_that_cannot_be_prepared_loses_none_of_the_others() -> None:
    clock = Clock()
    broken = Unprepared(batch=2)
    first = Lane(broken, clock=clock)
    one = member("one", clock, queue=50)
    first.attach(one)
    for index in range(5):
        one.feed.offer(frame(index))
    first.turn()
    one.feed.offer(frame(5))
    broken.broken = True
    run_dry(first)
    assert first.failure is not None
    second = Lane(Finder("cpu"), clock=clock)
    second.attach(one)
    run_dry(second)
    assert one.seen == [0, 1, 2, 3, 4, 5]
    assert one.feed.counts.on_the_way == 0


class Dying(Finder):
    """Looks at no two frames at once, at one alone, and then vanishes."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        if len(frames) > 1:
            raise ValueError("these pictures do not go together")
        self.broken = bool(self.batches)
        return super().detect(frames)


def test_frames_stay_in_order_where_a_model_vanishes_while_it_looks_at_them_one_by_one() -> None:
    clock = Clock()
    first = Lane(Dying(batch=4), clock=clock)
    one = member("one", clock, queue=50)
    first.attach(one)
    for index in range(8):
        one.feed.offer(frame(index))
    run_dry(first)
    second = Lane(Finder("cpu"), clock=clock)
    second.attach(one)
    run_dry(second)
    assert one.seen == list(range(8))


class Forgetful(Finder):
    """Answers for one frame less than it was shown."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return super().detect(frames[1:]) if len(frames) > 1 else super().detect(frames)


class Silent(Finder):
    """Answers nothing at all."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        return []


@pytest.mark.parametrize(("model", "seen"), [(Forgetful, [0, 1, 2, 3]), (Silent, [])])
def test_a_model_with_too_few_answers_does_not_end_the_thread_of_all(
    model: type[Finder], seen: list[int]
) -> None:
    clock = Clock()
    lane = Lane(model(batch=2), clock=clock)
    one = member("one", clock, queue=50)
    lane.attach(one)
    for index in range(4):
        one.feed.offer(frame(index))
    run_dry(lane)
    assert one.seen == seen
    assert one.feed.counts.corrupt == 4 - len(seen)
    assert one.feed.counts.on_the_way == 0
