"""The whole engine on synthetic cameras: added, changed and removed while it runs, each by itself."""

from __future__ import annotations

import gc
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from argus.core.detections import Detections
from argus.core.errors import ModelUnreadable, SpecError, UnknownName
from argus.core.frame import Frame
from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.engine.ladder import Load
from argus.vision.engine.lane import Lane
from argus.vision.engine.models import LaneSpec
from argus.vision.engine.notices import Notice
from argus.vision.engine.shadow import Shadow
from argus.vision.results import Event, FrameResult
from argus.vision.sources.shared import SharedStream
from argus.vision.sources.sharing import StreamReader
from tests.engine.parts import AsyncFinder, Listener, Models
from tests.sources.settling import comes_true, descriptors_and_threads

CAMERA = "synthetic:plaza?width=160&height=120&fps=20&people=2&vehicles=0&seed={seed}"
ALL = {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]]}}


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


def test_a_model_is_swapped_for_those_with_and_without_another_beside_it(
    engine: Engine, models: Models, watch: Watch
) -> None:
    alone, beside = watch("alone"), watch("beside", seed=2, track={"appearance_model": "faces"})
    assert alone.waits_for(2)
    assert beside.waits_for(2)
    assert engine.swap_model("first", "second") == ("alone", "beside")
    assert comes_true(lambda: alone.models == beside.models == ["first", "second"])
    assert [finder.closed for finder in models.opened[2:]] == [False, False]


def test_tracks_and_open_events_outlive_a_swap(engine: Engine, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(5)
    engine.swap_model("first", "second")
    assert one.waits_for(5)
    tracks = [r.detections.track_id for r in one.results[3:]]
    assert {int(ids[0]) for ids in tracks if ids is not None} == {1}


def test_a_pipeline_that_begins_anew_is_looked_at_by_the_model_that_was_swapped_in(
    engine: Engine, watch: Watch
) -> None:
    one = watch("one")
    assert one.waits_for(2)
    engine.swap_model("first", "second")
    assert one.waits_for(5)
    engine.change_pipeline("one", pipeline("first", zones=ALL))
    assert one.waits_for(5)
    assert one.models == ["first", "second"]
    engine.change_pipeline("one", pipeline("third"))
    assert one.waits_for(5)
    assert one.models == ["first", "second", "third"]


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


class Deaf(Broken):
    """A listener whose disk is full, and who cannot note that either."""

    def failed(self, error: Exception) -> None:
        raise OSError(28, "No space left on device for this")


def test_a_listener_that_cannot_hear_of_its_failure_stops_no_neighbour(engine: Engine, watch: Watch) -> None:
    watch("one", listener=Deaf())
    two = watch("two", seed=2)
    assert comes_true(lambda: engine.members["one"].error is not None)
    assert two.waits_for(5)
    assert "No space left on device" in (engine.members["one"].error or "")


def test_a_detector_of_ones_own_is_not_closed_by_who_leaves_another_meanwhile(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    start = Lane.start

    def start_while_another_leaves(lane: Lane) -> None:
        start(lane)
        leaving = threading.Thread(target=engine.lanes.retire)
        leaving.start()
        leaving.join(0.2)

    monkeypatch.setattr(Lane, "start", start_while_another_leaves)
    own, one = AsyncFinder("own"), Listener()
    engine.add_camera("one", CAMERA.format(seed=1))
    engine.add_pipeline("one", pipeline(), camera="one", listener=one, detector=own)
    assert one.waits_for(3)
    assert not own.closed


@pytest.mark.parametrize("changed", ["rate", "zones", "step of its ladder"])
def test_a_detector_of_ones_own_looks_on_where_another_model_is_not_asked_for(
    engine: Engine, models: Models, changed: str
) -> None:
    own, one = AsyncFinder("own"), Listener()
    engine.add_camera("one", CAMERA.format(seed=1))
    engine.add_pipeline("one", pipeline(degrade=[{"fps": 10}]), camera="one", listener=one, detector=own)
    assert one.waits_for(1)
    member = engine.members["one"]
    if changed == "step of its ladder":
        assert member.ladder is not None
        engine.overseer.walk(member, member.ladder.rungs[1])
    else:
        other = {"fps": 15} if changed == "rate" else {"zones": ALL}
        engine.change_pipeline("one", pipeline(degrade=[{"fps": 10}], **other))
    assert one.waits_for(3)
    assert one.models == ["own"]
    assert models.opened == []
    assert not own.closed
    engine.remove_pipeline("one")
    assert comes_true(lambda: own.closed)


def test_another_rate_or_model_alone_keeps_a_pipelines_memory(engine: Engine, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(3)
    engine.change_pipeline("one", pipeline("second", fps=5))
    assert one.waits_for(3)
    assert one.finished == []
    assert one.models == ["first", "second"]


@pytest.mark.parametrize("slow", ["pipeline", "pipeline that was faster", "camera"])
def test_objects_are_followed_also_where_frames_are_far_apart(
    engine: Engine, watch: Watch, slow: str
) -> None:
    """Else whoever is in the first frame leaves at once, and nobody is seen after that."""
    brief = {"lost_after": 0.15}
    one = watch("one", track=brief, fps=5 if slow == "pipeline" else 20)
    if slow == "pipeline that was faster":
        engine.change_pipeline("one", pipeline(track=brief, fps=5))
    elif slow == "camera":
        engine.change_camera("one", CameraSpec(url=CAMERA.format(seed=1), fps=5))
        engine.change_pipeline("one", pipeline(track=brief, fps=20))
    assert one.waits_for(6)
    followed = {int(result.detections.track_id[0]) for result in one.results[-3:]}  # type: ignore[index]
    assert len(followed) == 1
    assert followed != {0}
    assert [event.type for result in one.results[-3:] for event in result.events] == []


@pytest.mark.parametrize(
    "wanted",
    [
        pytest.param({"fps": 4, "degrade": [{"fps": 5}]}, id="a step that gives nothing up"),
        pytest.param({"detect": {"model": "second", "shadow": {"model": "missing"}}}, id="a candidate"),
    ],
)
def test_what_is_refused_leaves_a_pipeline_as_it_was(
    engine: Engine, models: Models, watch: Watch, wanted: dict[str, Any]
) -> None:
    one = watch("one", degrade=[{"fps": 5}])
    assert one.waits_for(2)
    member = engine.members["one"]
    before = (member.spec, member.look, member.ladder, member.comparison)
    models.refused.add("missing")
    with pytest.raises((SpecError, ModelUnreadable)):
        engine.change_pipeline("one", pipeline(**{"detect": "second", **wanted}))
    assert one.waits_for(2)
    assert one.models == ["first"]
    assert (member.spec, member.look, member.ladder, member.comparison) == before
    assert [opened.spec.model.path for opened in engine.lanes.all] == ["first"]


def test_other_zones_begin_a_pipeline_anew_with_its_books_kept(engine: Engine, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(5)
    engine.change_pipeline("one", pipeline(zones=ALL))
    assert len(one.finished) == 1
    assert one.waits_for(5)
    assert one.results[-1].zone_counts == {"all": 1}
    assert engine.members["one"].counts.processed >= 10


def test_frames_under_way_when_a_pipeline_begins_anew_stay_in_its_books(
    engine: Engine, models: Models, watch: Watch
) -> None:
    one = watch("one")
    assert one.waits_for(3)
    models.opened[0].free.clear()
    assert comes_true(lambda: engine.members["one"].counts.on_the_way >= 2)
    threading.Timer(0.3, models.opened[0].free.set).start()
    engine.change_pipeline("one", pipeline(zones=ALL))
    assert one.waits_for(3)
    member = engine.members["one"]
    engine.remove_pipeline("one")
    assert member.counts.on_the_way == 0


def test_a_frame_before_the_gate_when_a_pipeline_begins_anew_stays_in_its_books(
    engine: Engine, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = watch("one", motion_gate={})
    assert one.waits_for(1)
    before = engine.members["one"]
    gate = before.feed.gate
    assert gate is not None
    passes, held, go_on = gate.passes, threading.Event(), threading.Event()

    def passes_slowly(picture: Frame, now_s: float) -> bool:
        held.set()
        assert go_on.wait(10)
        return passes(picture, now_s)

    monkeypatch.setattr(gate, "passes", passes_slowly)
    assert held.wait(10)
    threading.Timer(0.3, go_on.set).start()
    engine.change_pipeline("one", pipeline(zones=ALL))
    assert one.waits_for(3)
    member = engine.members["one"]
    engine.remove_pipeline("one")
    assert member.counts.on_the_way == 0


@pytest.mark.parametrize("goes", ["pipeline", "camera"])
def test_what_was_opened_for_a_pipeline_that_goes_meanwhile_is_closed(models: Models, goes: str) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def open_model(spec: LaneSpec) -> AsyncFinder:
        if spec.model.path == "second":
            opening.set()
            assert go_on.wait(10)
        return models.open(spec)

    with Engine(open_model=open_model) as engine:
        engine.add_camera("one", CAMERA.format(seed=1))
        engine.add_camera("other", CAMERA.format(seed=2))
        engine.add_pipeline("gate", pipeline(), camera="one")
        with ThreadPoolExecutor(2) as threads:
            wanted = pipeline("second", zones=ALL, camera="other")
            changed = threads.submit(engine.change_pipeline, "gate", wanted)
            assert opening.wait(10)
            leave = engine.remove_pipeline if goes == "pipeline" else engine.remove_camera
            left = threads.submit(leave, "gate" if goes == "pipeline" else "other")
            there = engine.members if goes == "pipeline" else engine.cameras
            assert comes_true(lambda: ("gate" if goes == "pipeline" else "other") not in there)
            go_on.set()
            with pytest.raises(SpecError, match="was removed meanwhile"):
                changed.result(10)
            left.result(10)
        assert comes_true(lambda: models.opened[-1].closed)
        assert ("gate" in engine.members) == (goes == "camera")


def test_of_two_who_add_a_pipeline_of_one_name_the_later_is_refused(models: Models) -> None:
    opening, go_on = threading.Event(), threading.Event()

    def open_model(spec: LaneSpec) -> AsyncFinder:
        if not opening.is_set():
            opening.set()
            assert go_on.wait(10)
        return models.open(spec)

    first, second = Listener(), Listener()
    with Engine(open_model=open_model) as engine, ThreadPoolExecutor(2) as threads:
        engine.add_camera("one", CAMERA.format(seed=1))
        both = [
            threads.submit(engine.add_pipeline, "gate", pipeline(), camera="one", listener=listener)
            for listener in (first, second)
        ]
        assert opening.wait(10)
        time.sleep(0.1)
        go_on.set()
        refused = [str(added.exception(10)) for added in both if added.exception(10) is not None]
        assert len(refused) == 1
        assert "gate is there already" in refused[0]
        assert len(engine.cameras["one"].feeds) == 1
        engine.remove_pipeline("gate")
        assert comes_true(lambda: models.opened[0].closed)
    assert len(first.finished) + len(second.finished) == 1


def test_a_camera_that_gets_another_address_goes_on_with_its_pipelines(engine: Engine, watch: Watch) -> None:
    one = watch("one")
    assert one.waits_for(3)
    engine.change_camera("one", CAMERA.format(seed=9).replace("width=160", "width=200"))
    assert comes_true(lambda: one.results[-1].frame.width == 200)


def test_time_goes_on_where_a_camera_is_given_an_address_twice_before_it_has_brought_a_frame(
    engine: Engine, watch: Watch
) -> None:
    one = watch("one", zones=ALL, track={})
    assert one.waits_for(10)
    engine.change_camera("one", "synthetic:plazza")
    seen = len(one.results)
    engine.change_camera("one", CAMERA.format(seed=9))
    assert one.waits_for(3)
    assert one.results[-1].frame.time_s > one.results[seen - 1].frame.time_s
    assert one.results[-1].frame.index > one.results[seen - 1].frame.index


def test_pipelines_of_a_recording_that_was_played_begin_anew_at_another_address(engine: Engine) -> None:
    one = Listener()
    engine.add_camera("one", CAMERA.format(seed=1) + "&frames=10")
    engine.add_pipeline("one", pipeline(), camera="one", listener=one)
    assert comes_true(lambda: len(one.finished) == 1)
    engine.change_camera("one", CAMERA.format(seed=9).replace("width=160", "width=200"))
    assert comes_true(lambda: one.results[-1].frame.width == 200)
    assert engine.members["one"].feed.room == 1
    assert comes_true(lambda: engine.members["one"].counts.processed > 10)
    engine.remove_pipeline("one")
    assert len(one.finished) == 2


def test_a_pipeline_that_cannot_begin_anew_keeps_no_other_from_it_and_nobody_waits_for_it(
    engine: Engine, models: Models
) -> None:
    one, two = Listener(), Listener()
    engine.add_camera("gate", CAMERA.format(seed=1) + "&frames=10")
    engine.add_pipeline("one", pipeline("first"), camera="gate", listener=one)
    engine.add_pipeline("two", pipeline("second"), camera="gate", listener=two)
    assert comes_true(lambda: bool(one.finished and two.finished))
    models.refused.add("first")
    with pytest.raises(ModelUnreadable, match="first"):
        engine.change_camera("gate", CAMERA.format(seed=9).replace("width=160", "width=200") + "&frames=10")
    assert comes_true(lambda: two.results[-1].frame.width == 200)
    assert engine.wait(10)
    assert engine.members["one"].counts.on_the_way == 0
    models.refused.clear()
    engine.change_camera("gate", CAMERA.format(seed=1))
    assert one.waits_for(1)


@pytest.mark.parametrize("spec", ["", CameraSpec(url=CAMERA.format(seed=1), lost_after=7200)])
def test_a_camera_whose_new_spec_makes_no_sense_stays_as_it_was(
    engine: Engine, watch: Watch, spec: CameraSpec | str
) -> None:
    one = watch("one")
    assert one.waits_for(2)
    with pytest.raises(SpecError):
        engine.change_camera("one", spec)
    assert one.waits_for(2)
    assert list(engine.cameras) == ["one"]


def test_the_status_can_be_read_while_cameras_are_changed(engine: Engine, watch: Watch) -> None:
    watch("one")
    ending = threading.Event()

    def look() -> set[str]:
        seen = set()
        while not ending.is_set():
            seen |= {str([camera.name for camera in engine.status().cameras])}
        return seen

    with ThreadPoolExecutor(1) as looking:
        seen = looking.submit(look)
        for seed in range(15):
            engine.change_camera("one", CAMERA.format(seed=seed))
        ending.set()
        assert seen.result(10) == {"['one']"}


def test_a_camera_can_be_asked_for_its_stream_while_its_address_is_changed(
    engine: Engine, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch("one")
    leave, asked = engine.hub.leave, threading.Event()

    def leave_slowly(stream: SharedStream, reader: StreamReader) -> None:
        leave(stream, reader)
        assert asked.wait(10)

    monkeypatch.setattr(engine.hub, "leave", leave_slowly)
    with ThreadPoolExecutor(1) as threads:
        changed = threads.submit(engine.change_camera, "one", CAMERA.format(seed=2))
        try:
            time.sleep(0.1)
            engine.reconnect("one")
        finally:
            asked.set()
        changed.result(10)


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


def test_a_candidate_is_compared_with_the_model_in_service_alone(engine: Engine, watch: Watch) -> None:
    one = watch(
        "one",
        detect={"model": "first", "shadow": {"model": "candidate", "share": 1}},
        degrade=[{"fps": 15}, {"input_size": [320, 320]}, {"motion_only": True}],
    )

    def compared() -> tuple[str, int]:
        report = engine.agreement("one")
        return ("", 0) if report is None else (report.live, report.frames)

    assert comes_true(lambda: compared() >= ("first", 3))
    engine.swap_model("first", "second")
    assert comes_true(lambda: compared() >= ("second", 3))
    member = engine.members["one"]
    shadow = member.comparison
    assert member.ladder is not None
    assert isinstance(shadow, Shadow)
    for rung in member.ladder.rungs[2:]:
        engine.overseer.walk(member, rung)
        assert one.waits_for(2)
        assert comes_true(lambda: not shadow.feed.counts.on_the_way)
        before = compared()
        assert one.waits_for(5)
        assert compared() == before
    engine.overseer.walk(member, member.ladder.rungs[1])
    assert comes_true(lambda: compared() > before)


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


@pytest.mark.parametrize("ends", ["removed", "changed", "closed"])
def test_who_waits_for_cameras_waits_for_those_there_are(engine: Engine, watch: Watch, ends: str) -> None:
    assert watch("one").waits_for(1)
    with ThreadPoolExecutor(1) as waiting:
        over = waiting.submit(engine.wait)
        time.sleep(0.1)
        if ends == "removed":
            engine.remove_camera("one")
        elif ends == "closed":
            engine.close()
        else:
            engine.change_camera("one", CAMERA.format(seed=2))
            with pytest.raises(TimeoutError):
                over.result(0.3)
            engine.change_camera("one", CAMERA.format(seed=3) + "&frames=5")
        assert over.result(10)


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


def test_a_step_whose_model_cannot_be_opened_is_left_out_and_the_next_is_taken(
    models: Models, told: dict[str, list[Event]]
) -> None:
    def open_model(spec: LaneSpec) -> AsyncFinder:
        if spec.model.path == "gone":
            raise ModelUnreadable("gone is damaged")
        return Slow(spec.model.path) if spec.model.path == "heavy" else models.open(spec)

    def tell(notice: Notice) -> None:
        told[notice.pipeline or notice.camera].extend(notice.events)

    with Engine(tell=tell, open_model=open_model) as engine:
        engine.add_camera("gate", CAMERA.format(seed=1))
        spec = pipeline("heavy", fps=15, degrade=[{"model": "gone"}, {"fps": 5}])
        engine.add_pipeline("gate", spec, camera="gate", listener=Listener())
        assert comes_true(lambda: engine.status().pipelines[0].rung == "5 fps", within_s=40)
        assert engine.members["gate"].feed.fps == 5
        assert [e.message for e in told["gate"] if e.type == "model.failed"] == [
            "model gone is left out of what gives way: gone is damaged"
        ]


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


def test_a_ladder_whose_model_cannot_be_opened_stands_where_its_pipeline_does(
    engine: Engine, models: Models, watch: Watch
) -> None:
    one = watch("one", degrade=[{"model": "light"}])
    assert one.waits_for(2)
    member = engine.members["one"]
    assert member.ladder is not None
    models.refused.add("light")
    named = None
    for now_s in range(20):
        named = named or member.ladder.observe(Load(now_s, 5.0, 0.0, processed=10))
    assert named is not None
    engine.overseer.walk(member, named)
    assert member.ladder.rung == member.rung == member.ladder.rungs[0]


def test_nothing_is_remembered_of_a_pipeline_with_a_ladder_that_ended(engine: Engine, watch: Watch) -> None:
    watch("one", degrade=[{"fps": 5}])
    for turn in range(6):
        engine.overseer.tick()
        engine.change_pipeline("one", pipeline(degrade=[{"fps": 5}], zones={f"zone-{turn}": ALL["all"]}))
    gc.collect()
    assert len(engine.overseer._windows) <= 1


def test_a_pipeline_comes_back_up_to_the_model_that_was_swapped_in(engine: Engine, watch: Watch) -> None:
    one = watch("one", degrade=[{"input_size": [320, 320]}, {"model": "light"}])
    assert one.waits_for(1)
    member = engine.members["one"]
    assert member.ladder is not None
    full, smaller, light = member.ladder.rungs
    engine.overseer.walk(member, smaller)
    assert engine.swap_model("first", "second") == ("one",)
    assert [opened.spec.model.input_size for opened in engine.lanes.all] == [(320, 320)]
    engine.overseer.walk(member, light)
    assert engine.swap_model("second", "third") == ("one",)
    assert engine.swap_model("light", "lighter") == ("one",)
    assert [opened.spec.model.path for opened in engine.lanes.all] == ["lighter"]
    engine.overseer.walk(member, full)
    assert [opened.spec.model.path for opened in engine.lanes.all] == ["third"]
    assert one.waits_for(1)
    assert one.models[-1] == "third"


@pytest.mark.parametrize("change", [{"degrade": []}, {"zones": ALL}], ids=["in place", "anew"])
def test_a_step_down_that_comes_after_its_ladder_was_changed_is_not_taken(
    engine: Engine, watch: Watch, change: dict[str, Any]
) -> None:
    one = watch("one", degrade=[{"motion_only": True}])
    assert one.waits_for(2)
    before = engine.members["one"]
    assert before.ladder is not None
    late = before.ladder.rungs[1]
    engine.change_pipeline("one", pipeline(**change))
    engine.overseer.walk(before, late)
    assert one.waits_for(2)
    assert one.models == ["first"]
    assert [opened.lane.members for opened in engine.lanes.all] == [(engine.members["one"],)]


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
