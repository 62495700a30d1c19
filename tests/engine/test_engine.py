"""The whole engine on synthetic cameras: added, changed and removed while it runs, each by itself."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from itertools import pairwise
from typing import Any

import pytest

from argus.core.detections import Detections
from argus.core.errors import ModelUnreadable, SpecError, UnknownName
from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.engine.models import LaneSpec
from argus.vision.engine.notices import Notice
from argus.vision.results import Event, FrameResult
from tests.engine.parts import AsyncFinder, Listener, Models
from tests.sources.settling import comes_true, descriptors_and_threads

CAMERA = "synthetic:plaza?width=160&height=120&fps=20&people=2&vehicles=0&seed={seed}"


class Broken(Listener):
    """A listener whose disk is full."""

    def write(self, result: FrameResult) -> None:
        super().write(result)
        if len(self.results) == 3:
            raise OSError(28, "No space left on device")


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def told() -> dict[str, list[Event]]:
    return defaultdict(list)


@pytest.fixture
def engine(models: Models, told: dict[str, list[Event]]) -> Iterator[Engine]:
    def tell(notice: Notice) -> None:
        told[notice.pipeline or notice.camera].extend(notice.events)

    with Engine(tell=tell, open_model=models.open) as engine:
        yield engine


Watch = Callable[..., Listener]


@pytest.fixture
def watch(engine: Engine) -> Watch:
    """Add a camera with a pipeline of the same name."""

    def add(name: str, *, listener: Listener | None = None, seed: int = 1, **spec: Any) -> Listener:
        listener = listener or Listener()
        engine.add_camera(name, CAMERA.format(seed=seed))
        engine.add_pipeline(name, pipeline(**spec), camera=name, listener=listener)
        return listener

    return add


def pipeline(model: str = "first", **spec: Any) -> PipelineSpec:
    return PipelineSpec.read({"detect": model, **spec}, "pipeline")


def test_two_cameras_share_one_model(engine: Engine, models: Models, watch: Watch) -> None:
    one, two = watch("one"), watch("two", seed=2)
    assert one.waits_for(5)
    assert two.waits_for(5)
    assert len(models.opened) == 1
    assert {r.frame.source for r in one.results} == {"one"}


def test_two_pipelines_on_one_camera_decode_it_once(engine: Engine, watch: Watch) -> None:
    one, slow = watch("one"), Listener()
    engine.add_pipeline("slow", pipeline(fps=4, crop=[0, 0, 0.5, 1]), camera="one", listener=slow)
    assert slow.waits_for(4)
    assert len(engine.hub.streams) == 1
    assert slow.results[-1].frame.width == 80
    assert one.results[-1].frame.width == 160
    gaps = [b.frame.time_s - a.frame.time_s for a, b in pairwise(slow.results)]
    assert min(gaps) > 0.15


def test_two_cameras_with_one_address_decode_it_once(engine: Engine, watch: Watch) -> None:
    one, two = watch("one"), watch("two")
    assert one.waits_for(3)
    assert two.waits_for(3)
    assert len(engine.hub.streams) == 1


def test_a_camera_can_go_while_the_others_stay(engine: Engine, watch: Watch) -> None:
    one, two = watch("one"), watch("two", seed=2)
    assert one.waits_for(3)
    engine.remove_camera("one")
    assert len(one.finished) == 1
    seen = len(one.results)
    assert two.waits_for(5)
    assert len(one.results) == seen
    assert list(engine.cameras) == ["two"]


def test_a_pipeline_can_be_given_another_camera_and_nothing_else(engine: Engine, watch: Watch) -> None:
    one = watch("one", camera="one")
    watch("two", seed=2)
    assert one.waits_for(3)
    engine.change_pipeline("one", pipeline(camera="two"))
    seen = len(one.results)
    assert one.waits_for(3)
    assert {r.frame.source for r in one.results[seen + 1 :]} == {"two"}


def test_another_model_takes_over_and_no_batch_is_mixed(engine: Engine, models: Models, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(3)
    assert engine.swap_model("first", "second") == ("one",)
    assert one.waits_for(5)
    assert one.models == ["first", "second"]
    indices = [r.frame.index for r in one.results]
    assert indices == sorted(set(indices))
    assert comes_true(lambda: models.opened[0].closed)


def test_tracks_and_open_events_outlive_a_swap(engine: Engine, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(5)
    engine.swap_model("first", "second")
    assert one.waits_for(5)
    tracks = [r.detections.track_id for r in one.results[3:]]
    assert {int(ids[0]) for ids in tracks if ids is not None} == {1}


def test_a_model_that_cannot_be_opened_changes_nothing(
    engine: Engine, models: Models, watch: Watch, told: dict[str, list[Event]]
) -> None:
    one = watch("one")
    models.refused.add("missing")
    with pytest.raises(ModelUnreadable, match="no such file"):
        engine.swap_model("first", "missing")
    assert one.waits_for(5)
    assert one.models == ["first"]
    assert [e.type for e in told["one"] if e.type.startswith("model")] == ["model.failed"]


def test_a_model_that_vanishes_is_replaced_on_the_processor(
    engine: Engine, models: Models, watch: Watch, told: dict[str, list[Event]]
) -> None:
    one = watch("one", detect={"model": {"path": "first", "device": "cuda"}})
    assert one.waits_for(3)
    models.opened[0].broken = True
    assert one.waits_for(5)
    assert models.opened[1].name == "first on cpu"
    assert comes_true(
        lambda: (
            [e.type for e in told["one"] if e.type.startswith("model")] == ["model.failed", "model.swapped"]
        )
    )
    counts = engine.members["one"].counts
    assert counts.decoded == counts.ended + counts.on_the_way


def test_a_pipeline_that_fails_ends_alone_and_says_why(engine: Engine, watch: Watch) -> None:
    watch("one", listener=Broken())
    two = watch("two", seed=2)
    assert comes_true(lambda: engine.members["one"].error is not None)
    assert two.waits_for(5)
    status = {p.name: p for p in engine.status().pipelines}
    assert "No space left" in (status["one"].error or "")
    assert status["two"].error is None
    assert status["one"].frames.on_the_way == 0


def test_another_rate_or_model_alone_keeps_a_pipelines_memory(engine: Engine, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(3)
    engine.change_pipeline("one", pipeline("second", fps=5))
    assert one.waits_for(3)
    assert one.finished == []
    assert one.models == ["first", "second"]


def test_other_zones_begin_a_pipeline_anew_with_its_books_kept(engine: Engine, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(5)
    engine.change_pipeline("one", pipeline(zones={"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}}))
    assert len(one.finished) == 1
    assert one.waits_for(5)
    assert one.results[-1].zone_counts == {"all": 1}
    assert engine.members["one"].counts.processed >= 10


def test_a_camera_that_gets_another_address_goes_on_with_its_pipelines(engine: Engine, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(3)
    engine.change_camera("one", CAMERA.format(seed=9).replace("width=160", "width=200"))
    assert comes_true(lambda: one.results[-1].frame.width == 200)


def test_a_candidate_looks_at_a_share_of_the_frames_and_agrees(engine: Engine, watch: Watch) -> None:
    one = watch("one", detect={"model": "first", "shadow": {"model": "second", "share": 0.5}})

    def compared() -> int:
        report = engine.agreement("one")
        return 0 if report is None else report.frames

    assert comes_true(lambda: compared() >= 5)
    report = engine.agreement("one")
    assert report is not None
    assert report.agreement == 1.0
    assert compared() <= len(one.results)
    assert one.models == ["first"]


def test_the_gate_holds_back_what_does_not_move(engine: Engine, watch: Watch) -> None:
    one = Listener()
    engine.add_camera("still", CAMERA.format(seed=1).replace("people=2", "people=0"))
    engine.add_pipeline("still", pipeline(motion_gate={"look_every": 60}), camera="still", listener=one)
    assert comes_true(lambda: engine.members["still"].counts.gated >= 10)


def test_recordings_are_looked_at_to_their_end_every_frame(engine: Engine) -> None:
    one, two = Listener(), Listener()
    for name, listener in (("one", one), ("two", two)):
        engine.add_camera(name, f"{CAMERA.format(seed=3)}&frames=40", live=False)
        engine.add_pipeline(name, pipeline(), camera=name, listener=listener)
    assert engine.wait(60)
    for listener in (one, two):
        assert [r.frame.index for r in listener.results] == list(range(40))
    counts = engine.members["one"].counts
    assert counts.dropped_stale == counts.dropped_full == 0


def test_names_that_are_taken_or_unknown_are_said(engine: Engine, watch: Watch) -> None:
    watch("gate")
    with pytest.raises(SpecError, match="gate is there already"):
        engine.add_camera("gate", CAMERA.format(seed=1))
    with pytest.raises(SpecError, match="gate is there already"):
        engine.add_pipeline("gate", pipeline(), camera="gate")
    with pytest.raises(UnknownName, match="gate"):
        engine.remove_camera("gat")
    with pytest.raises(UnknownName):
        engine.swap_model("never", "second")


def test_nothing_is_left_when_an_engine_has_closed(models: Models) -> None:
    before = descriptors_and_threads()
    for _ in range(3):
        with Engine(open_model=models.open) as engine:
            for n in range(4):
                engine.add_camera(f"cam{n}", CAMERA.format(seed=n))
                engine.add_pipeline(f"cam{n}", pipeline(), camera=f"cam{n}")
            assert comes_true(lambda: all(m.counts.processed for m in engine.members.values()))
    assert comes_true(lambda: descriptors_and_threads() <= before)
    assert all(finder.closed for finder in models.opened)
    assert not [t for t in threading.enumerate() if t.name.startswith("argus-")]


class Slow(AsyncFinder):
    """A finder that takes its time, as a model too heavy for its machine does."""

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        time.sleep(0.15)
        return super().detect(frames)


def test_a_pipeline_that_comes_to_be_late_gives_up_what_it_declared_and_says_so(
    models: Models, told: dict[str, list[Event]]
) -> None:
    def open_model(spec: LaneSpec) -> AsyncFinder:
        return Slow(spec.model.path) if spec.model.path == "heavy" else models.open(spec)

    def tell(notice: Notice) -> None:
        told[notice.pipeline or notice.camera].extend(notice.events)

    listener = Listener()
    with Engine(tell=tell, open_model=open_model) as engine:
        engine.add_camera("gate", CAMERA.format(seed=1))
        spec = pipeline("heavy", fps=15, degrade=[{"fps": 10}, {"model": "light"}])
        engine.add_pipeline("gate", spec, camera="gate", listener=listener)
        assert comes_true(lambda: "light" in listener.models, within_s=40)
        steps = [e.message for e in told["gate"] if e.type == "pipeline.degraded"]
        assert [str(step).partition(":")[0] for step in steps] == ["10 fps", "model light"]
        assert engine.status().pipelines[0].rung == "model light"
        assert engine.members["gate"].feed.fps == 10


def test_a_ladder_is_walked_from_the_model_that_was_swapped_in(engine: Engine, watch: Watch) -> None:
    one = watch("one", degrade=[{"fps": 2}])
    assert one.waits_for(3)
    engine.swap_model("first", "second")
    member = engine.members["one"]
    assert member.ladder is not None
    engine.overseer.walk(member, member.ladder.rungs[1])
    assert one.waits_for(2)
    assert one.models == ["first", "second"]
    assert member.feed.fps == 2


def test_another_rate_of_the_camera_holds_for_the_pipelines_that_are_there(
    engine: Engine, watch: Watch
) -> None:
    one = watch("one")
    assert one.waits_for(3)
    engine.change_camera("one", CameraSpec(url=CAMERA.format(seed=1), fps=4))
    assert engine.members["one"].feed.fps == 4


def test_the_models_of_branches_are_given_back_with_their_pipeline(engine: Engine, watch: Watch) -> None:
    one = watch("one", branches=[{"model": "builtin:people", "classes": ["thing"]}])
    assert one.waits_for(2)
    assert len(engine.branch_lanes.stats) == 1
    engine.remove_pipeline("one")
    assert engine.branch_lanes.stats == {}


def test_a_frame_that_cannot_be_cut_costs_itself_and_no_stream(watch: Watch, engine: Engine) -> None:
    one = watch("one")
    assert one.waits_for(2)
    feed = engine.members["one"].feed

    class Sour:
        """A gate that fails at odd frames."""

        def passes(self, frame: Frame, now_s: float) -> bool:
            if frame.index % 2:
                raise ValueError("this picture has no pixels")
            return True

        def saw(self, followed: int) -> None:
            """Nothing to learn."""

    feed.gate = Sour()
    assert comes_true(lambda: feed.counts.corrupt >= 3)
    assert one.waits_for(3)
    counts = feed.counts
    assert counts.decoded == counts.ended + counts.on_the_way
    assert engine.status().cameras[0].connections == 1


def test_who_joins_while_the_last_one_leaves_gets_frames(engine: Engine, watch: Watch) -> None:
    for turn in range(10):
        first = watch(f"first-{turn}")
        assert first.waits_for(1)
        leaving = threading.Thread(target=engine.remove_camera, args=(f"first-{turn}",))
        leaving.start()
        second = watch(f"second-{turn}")
        leaving.join()
        assert second.waits_for(2)
        assert len(engine.hub.streams) == 1
        engine.remove_camera(f"second-{turn}")
