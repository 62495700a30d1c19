"""Every frame ends in exactly one way: the engine's parts beside a model in plain Python."""

from __future__ import annotations

from collections.abc import Sequence

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from argus.core.frame import Frame
from argus.vision.engine.boxes import Box, Every, Newest, Waiting
from argus.vision.engine.feed import Feed
from argus.vision.engine.lane import Lane
from tests.engine.parts import AsyncFinder, Clock, Watcher, frame

MAX_AGE_S = 0.5
QUEUE = 3
FEEDS = st.integers(0, 2)


class Shut:
    """A gate that lets even frames through."""

    def passes(self, picture: object, now_s: float) -> bool:
        return getattr(picture, "index", 0) % 2 == 0

    def saw(self, followed: int) -> None:
        """Nothing to learn."""


class Remembering:
    """A box that remembers which frames it took back."""

    def __init__(self, box: Box) -> None:
        self._box = box
        self.back: set[int] = set()

    def __len__(self) -> int:
        return len(self._box)

    @property
    def capacity(self) -> int:
        return self._box.capacity

    @property
    def full(self) -> bool:
        return self._box.full

    def put(self, item: Waiting) -> Waiting | None:
        return self._box.put(item)

    def take(self) -> Waiting | None:
        return self._box.take()

    def put_back(self, item: Waiting) -> bool:
        kept = self._box.put_back(item)
        if kept:
            self.back.add(item.frame.index)
        return kept

    def empty(self) -> int:
        return self._box.empty()


class Expected:
    """What must have become of one feed's frames, kept in lists and numbers."""

    def __init__(self, *, queue: bool, gated: bool) -> None:
        self.queue, self.gate = queue, gated
        self.decoded = self.gated = self.full = self.stale = self.corrupt = 0
        self.waiting: list[tuple[int, float]] = []
        self.taken = 0
        self.next = 0
        self.closed = False


class Overload(RuleBasedStateMachine):
    """Three pipelines, two kinds of box, a gate; models that are swapped and that fail; clocks that jump."""

    @initialize(batch=st.integers(1, 4))
    def begin(self, batch: int) -> None:
        self.clock = Clock()
        self.batch = batch
        self.expected = [
            Expected(queue=False, gated=False),
            Expected(queue=True, gated=False),
            Expected(queue=False, gated=True),
        ]
        self.boxes = [Remembering(Every(QUEUE) if e.queue else Newest()) for e in self.expected]
        self.members = [
            Watcher(
                Feed(
                    f"cam{n}",
                    box=self.boxes[n],
                    max_age_s=MAX_AGE_S,
                    gate=Shut() if e.gate else None,
                    clock=self.clock,
                ),
                max_age_s=MAX_AGE_S,
            )
            for n, e in enumerate(self.expected)
        ]
        self.lanes: list[Lane] = []
        self.finders: list[AsyncFinder] = []
        self.read: dict[str, int] = {}
        self.new_lane()

    def new_lane(self) -> None:
        finder = AsyncFinder(f"model{len(self.lanes)}", batch=self.batch)
        lane = Lane(finder, clock=self.clock)
        for member in self.members:
            lane.attach(member)
            if self.lanes:
                self.lanes[-1].detach(member)
        self.lanes.append(lane)
        self.finders.append(finder)

    @rule(which=FEEDS, age_s=st.floats(0, 1))
    def a_frame_comes(self, which: int, age_s: float) -> None:
        expected, feed = self.expected[which], self.members[which].feed
        born_s = self.clock.now_s - age_s
        feed.offer(frame(expected.next, source=feed.name, received_s=born_s))
        index, expected.next = expected.next, expected.next + 1
        if expected.closed:
            return
        expected.decoded += 1
        if expected.gate and index % 2:
            expected.gated += 1
        elif expected.queue and len(expected.waiting) >= QUEUE:
            expected.full += 1
        else:
            if not expected.queue and expected.waiting:
                expected.waiting.clear()
                expected.stale += 1
            expected.waiting.append((index, born_s))

    @rule(which=FEEDS, count=st.integers(1, 3))
    def frames_are_damaged(self, which: int, count: int) -> None:
        self.members[which].feed.corrupt(count)
        if not self.expected[which].closed:
            self.expected[which].decoded += count
            self.expected[which].corrupt += count

    @rule(seconds=st.floats(0, 0.6))
    def time_passes(self, seconds: float) -> None:
        self.clock.now_s += seconds

    @rule(at=st.integers(0, 3))
    def a_model_has_its_turn(self, at: int) -> None:
        self.lanes[-1 - at % len(self.lanes)].turn()
        self.follow()

    def follow(self, under_way: Sequence[Frame] = ()) -> None:
        """Move what the models were newly given from waiting to taken, and what else is gone to stale.

        Args:
            under_way: What a model had when it failed. It waits again, unless a newer frame does.
        """
        new = []
        for finder in self.finders:
            new += [f for batch in finder.submitted[self.read.get(finder.name, 0) :] for f in batch]
            self.read[finder.name] = len(finder.submitted)
        for expected, member, box in zip(self.expected, self.members, self.boxes, strict=True):
            indices = {f.index for f in new if f.source == member.feed.name}
            expected.taken += len([i for i, _ in expected.waiting if i in indices])
            left = [(i, born) for i, born in expected.waiting if i not in indices]
            mine = sorted((f for f in under_way if f.source == member.feed.name), key=lambda f: f.index)
            kept = [(f.index, f.received_s or 0.0) for f in mine if f.index in box.back]
            gone = len(left) + len(kept) - member.feed.waiting
            old = [item for item in left if item[0] not in box.back][: max(0, gone)]
            left = [item for item in left if item not in old]
            assert len(old) == gone, "a frame waits that nobody offered"
            for _, born_s in old:
                assert self.clock.now_s - born_s > MAX_AGE_S, "a fresh frame went without being looked at"
            assert len(kept) == len(mine) or expected.closed or not expected.queue
            assert kept or not mine or expected.closed or left, "nothing newer waits"
            expected.taken -= len(mine)
            expected.stale += gone + len(mine) - len(kept)
            expected.waiting = kept + left
            box.back.clear()

    @rule()
    def the_model_fails_and_another_takes_over(self) -> None:
        lane, finder = self.lanes[-1], self.finders[-1]
        finder.broken = True
        for box in self.boxes:
            box.back.clear()
        while lane.turn() == 0.0:
            pass
        self.follow([f for batch in finder.submitted[len(finder.batches) :] for f in batch])
        if lane.failure is None:  # it had nothing to do
            finder.broken = False
            return
        self.new_lane()

    @rule()
    def the_model_is_swapped(self) -> None:
        self.new_lane()

    @rule(which=FEEDS)
    def a_pipeline_ends(self, which: int) -> None:
        self.members[which].feed.close()
        expected = self.expected[which]
        expected.stale += len(expected.waiting)
        expected.waiting.clear()
        expected.closed = True

    @invariant()
    def every_frame_is_in_one_place(self) -> None:
        for expected, member in zip(self.expected, self.members, strict=True):
            counts = member.feed.counts
            flying = expected.taken - len(member.seen)
            assert counts.decoded == expected.decoded
            assert counts.corrupt == expected.corrupt
            assert counts.gated == expected.gated
            assert counts.dropped_full == expected.full
            assert counts.dropped_stale == expected.stale
            assert counts.processed == len(member.seen)
            assert counts.on_the_way == len(expected.waiting) + flying
            assert counts.decoded == counts.ended + counts.on_the_way

    @invariant()
    def looks_are_fresh_in_order_and_of_one_model_a_batch(self) -> None:
        for member in self.members:
            assert member.seen == sorted(set(member.seen))
            assert all(age_s <= MAX_AGE_S for age_s in member.ages_s)

    def teardown(self) -> None:
        if not hasattr(self, "lanes"):
            return
        for member in self.members:
            member.feed.close()
        for lane in self.lanes:
            lane.close()
        for member in self.members:
            assert member.feed.counts.on_the_way == 0


Overload.TestCase.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)
test_overload_swaps_and_shutdown_lose_no_frame_from_the_books = Overload.TestCase
