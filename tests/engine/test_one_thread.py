"""An engine for one recording: its thread turns the model too, and every frame comes out in order."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.boxes import Every
from argus.vision.engine.engine import Engine
from argus.vision.engine.feed import Feed
from argus.vision.engine.turned_lane import TurnedLane
from argus.vision.results import FrameResult
from tests.engine.parts import AsyncFinder, Clock, Finder, Listener, Models, Watcher, frame
from tests.sources.settling import comes_true

SCENE = "synthetic:plaza?width=160&height=120&fps=20&people=2&vehicles=0&seed=1"


def member(name: str, *, queue: int = 8) -> Watcher:
    return Watcher(Feed(name, box=Every(queue), patient=True))


def lane(finder: Finder) -> TurnedLane:
    return TurnedLane(finder, clock=Clock())


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def engine(models: Models) -> Iterator[Engine]:
    with Engine(open_model=models.open, one_thread=True) as engine:
        yield engine


def pipeline(**spec: object) -> PipelineSpec:
    return PipelineSpec.read({"detect": "first", **spec}, "pipeline")


def test_results_are_handed_on_as_soon_as_the_engine_is_full() -> None:
    one, finder = member("one"), AsyncFinder()
    turned = lane(finder)
    turned.attach(one)
    seen: list[int] = []
    for index in range(5):
        one.feed.offer(frame(index))
        seen.append(len(one.seen))
    assert seen == [0, 1, 2, 3, 4]  # two under way keep this engine busy
    one.feed.complete()
    assert one.seen == list(range(5))


def test_the_last_batch_need_not_be_full() -> None:
    one, finder = member("one"), AsyncFinder(batch=4)
    lane(finder).attach(one)
    for index in range(6):
        one.feed.offer(frame(index))
    one.feed.complete()
    assert [len(frames) for frames in finder.submitted] == [4, 2]
    assert one.seen == list(range(6))


def test_a_queue_that_is_full_goes_although_the_batch_is_not() -> None:
    one, two, finder = member("one", queue=3), member("two", queue=3), AsyncFinder(batch=6)
    turned = lane(finder)
    turned.attach(one)
    turned.attach(two)
    two.feed.offer(frame(0))
    for index in range(9):  # nobody else is there to make room
        one.feed.offer(frame(index))
    one.feed.complete()
    two.feed.complete()
    assert one.seen == list(range(9))
    assert two.seen == [0]


def test_frames_that_are_under_way_are_finished_when_their_pipeline_moves_on() -> None:
    one = member("one")
    before, after = lane(AsyncFinder("before")), lane(AsyncFinder("after"))
    before.attach(one)
    one.feed.offer(frame(0))
    after.attach(one)
    before.detach(one)
    for index in range(1, 4):
        one.feed.offer(frame(index))
    one.feed.complete()
    assert one.seen == list(range(4))
    assert one.models == ["before", "after", "after", "after"]


def test_a_recording_is_read_looked_at_and_told_in_its_own_thread(engine: Engine) -> None:
    threads: set[str] = set()

    class Told(Listener):
        def write(self, result: FrameResult) -> None:
            threads.add(threading.current_thread().name)
            super().write(result)

    one = Told()
    engine.add_camera("one", f"{SCENE}&frames=40", live=False)
    engine.add_pipeline("one", pipeline(), camera="one", listener=one)
    assert engine.wait(30)
    assert [r.frame.index for r in one.results] == list(range(40))
    assert len(threads) == 1
    assert not any(thread.name.startswith("argus-model-") for thread in threading.enumerate())


def test_a_recording_that_is_removed_has_told_what_was_under_way(engine: Engine) -> None:
    one = Listener()
    engine.add_camera("one", SCENE, live=False)
    engine.add_pipeline("one", pipeline(), camera="one", listener=one)
    assert one.waits_for(5)
    counts = engine.members["one"].counts
    member = engine.members["one"]
    engine.remove_camera("one")
    counts = member.counts
    assert counts.on_the_way == 0
    assert counts.processed == len(one.results)
    assert len(one.finished) == 1


def test_another_model_can_take_over(engine: Engine) -> None:
    one = Listener()
    engine.add_camera("one", SCENE, live=False)
    engine.add_pipeline("one", pipeline(), camera="one", listener=one)
    assert one.waits_for(5)
    assert engine.swap_model("first", "second") == ("one",)
    assert one.waits_for(20)
    assert one.models == ["first", "second"]
    assert [r.frame.index for r in one.results] == list(range(len(one.results)))


def test_a_model_that_fails_is_not_opened_again(engine: Engine, models: Models) -> None:
    one = Listener()
    engine.add_camera("one", SCENE, live=False)
    engine.add_pipeline("one", pipeline(), camera="one", listener=one)
    assert one.waits_for(5)
    models.opened[0].broken = True
    assert comes_true(lambda: engine.lanes.all[0].lane.failure is not None)
    assert len(models.opened) == 1


def test_a_candidate_sees_every_frame_that_it_is_to_see(engine: Engine) -> None:
    spec = pipeline(detect={"model": "first", "shadow": {"model": "first", "share": 0.5}})
    engine.add_camera("one", f"{SCENE}&frames=40", live=False, held=True)
    engine.add_pipeline("one", spec, camera="one")
    engine.release("one")
    assert engine.wait(30)
    compared = engine.members["one"].comparison
    engine.remove_pipeline("one")
    assert compared is not None
    assert compared.agreement.report().frames == 21  # type: ignore[attr-defined]  # the first, then every other


def test_a_candidate_that_fails_holds_up_nothing(engine: Engine, models: Models) -> None:
    spec = pipeline(detect={"model": "first", "shadow": {"model": "second", "share": 1}})
    one = Listener()
    engine.add_camera("one", f"{SCENE}&frames=60", live=False, held=True)
    engine.add_pipeline("one", spec, camera="one", listener=one)
    models.opened[1].broken = True
    engine.release("one")
    assert engine.wait(30)
    assert len(one.results) == 60
    failed = engine.members["one"].comparison
    assert failed is not None
    assert len(failed._live) < 20, "and nothing waits for what it will never say"  # type: ignore[attr-defined]
