"""Cameras that are held until all is ready, and cameras that were given up and are called again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from argus.core.errors import ModelUnreadable, UnknownName
from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.lab import SyntheticCamera
from tests.engine.parts import Listener, Models
from tests.sources.settling import comes_true

RECORDING = "synthetic:plaza?width=160&height=120&fps=20&people=2&vehicles=0&seed=1&frames=40"
PLAIN = PipelineSpec.read({"detect": "first"}, "pipeline")


@pytest.fixture
def models() -> Models:
    return Models()


@pytest.fixture
def engine(models: Models) -> Iterator[Engine]:
    with Engine(open_model=models.open) as engine:
        yield engine


@pytest.fixture
def gate() -> Iterator[SyntheticCamera]:
    with SyntheticCamera("given-up", width=160, height=120, fps=20, people=2) as camera:
        yield camera


def once(camera: SyntheticCamera, **spec: object) -> CameraSpec:
    wanted = {"url": camera.url, "lost_after": 0.5, "reconnect": {"max_retries": 0}, **spec}
    return CameraSpec.read(wanted, "camera")


def test_all_pipelines_of_a_recording_that_is_held_see_its_first_frame(engine: Engine) -> None:
    listeners = [Listener() for _ in range(4)]
    engine.add_camera("one", RECORDING, live=False, held=True)
    for number, listener in enumerate(listeners):
        engine.add_pipeline(f"p{number}", PLAIN, camera="one", listener=listener)
    engine.release("one")
    assert engine.wait(60)
    for listener in listeners:
        assert [r.frame.index for r in listener.results] == list(range(40))


def test_a_camera_that_is_held_is_not_opened(engine: Engine) -> None:
    engine.add_camera("one", RECORDING, live=False, held=True)
    engine.add_pipeline("one", PLAIN, camera="one")
    assert not engine.wait(0.2)
    assert engine.stream_of("one").threads == 0
    engine.change_camera("one", RECORDING.replace("seed=1", "seed=2"))
    assert engine.stream_of("one").held
    engine.release("one")
    engine.release("one")
    assert engine.wait(60)
    assert engine.stream_of("one").counts.connections == 1


def test_only_a_camera_that_is_there_can_be_released(engine: Engine) -> None:
    with pytest.raises(UnknownName, match="camera 'one'"):
        engine.release("one")


def test_a_camera_that_was_given_up_is_opened_again_when_asked(engine: Engine, gate: SyntheticCamera) -> None:
    one = Listener()
    engine.add_camera("gate", once(gate))
    engine.add_pipeline("gate", PLAIN, camera="gate", listener=one)
    assert one.waits_for(3)
    gate.begin("drop")
    assert comes_true(engine.cameras["gate"].over.is_set)
    assert engine.wait(10)
    gate.heal()
    engine.reconnect("gate")
    assert one.waits_for(3)
    assert not engine.cameras["gate"].over.is_set()
    assert not engine.wait(0)
    indices = [r.frame.index for r in one.results]
    assert indices == sorted(set(indices))
    counts = engine.members["gate"].counts
    assert counts.decoded == counts.ended + counts.on_the_way


def test_a_camera_that_is_asked_again_in_vain_is_given_up_again(
    engine: Engine, gate: SyntheticCamera
) -> None:
    gate.begin("drop")
    engine.add_camera("gate", once(gate))
    stream = engine.stream_of("gate")
    for breaks in (1, 2, 3):
        assert comes_true(lambda: engine.cameras["gate"].over.is_set() and stream.counts.breaks == breaks)  # noqa: B023
        engine.reconnect("gate")
    assert comes_true(lambda: stream.counts.breaks == 4 and stream.threads == 0)


def test_who_comes_to_a_stream_that_was_given_up_opens_it_for_all(
    engine: Engine, gate: SyntheticCamera
) -> None:
    one, two = Listener(), Listener()
    gate.begin("drop")
    engine.add_camera("one", once(gate))
    engine.add_pipeline("one", PLAIN, camera="one", listener=one)
    assert comes_true(engine.cameras["one"].over.is_set)
    gate.heal()
    engine.add_camera("two", once(gate))
    engine.add_pipeline("two", PLAIN, camera="two", listener=two)
    assert one.waits_for(3)
    assert two.waits_for(3)
    assert engine.stream_of("one") is engine.stream_of("two")


def test_a_recording_that_has_ended_is_not_begun_anew(engine: Engine) -> None:
    one = Listener()
    engine.add_camera("one", RECORDING, live=False)
    engine.add_pipeline("one", PLAIN, camera="one", listener=one)
    assert engine.wait(30)
    engine.reconnect("one")
    assert not comes_true(lambda: len(one.results) > 40 or not engine.wait(0), within_s=0.3)


def test_a_pipeline_whose_candidate_cannot_be_opened_is_not_added(engine: Engine, models: Models) -> None:
    models.refused.add("second")
    engine.add_camera("one", RECORDING, live=False, held=True)
    spec = PipelineSpec.read({"detect": {"model": "first", "shadow": {"model": "second"}}}, "pipeline")
    with pytest.raises(ModelUnreadable, match="second"):
        engine.add_pipeline("one", spec, camera="one")
    assert list(engine.members) == []
    assert comes_true(lambda: all(model.closed for model in models.opened))
    models.refused.clear()
    engine.add_pipeline("one", spec, camera="one")


def test_a_candidate_beside_several_recordings_misses_no_frame(engine: Engine) -> None:
    spec = PipelineSpec.read(
        {"detect": {"model": "first", "shadow": {"model": "first", "share": 1}}}, "pipeline"
    )
    for name in ("one", "two"):
        engine.add_camera(name, RECORDING, live=False, held=True)
        engine.add_pipeline(name, spec, camera=name)
    for name in ("one", "two"):
        engine.release(name)
    assert engine.wait(60)
    for name in ("one", "two"):
        shadow = engine.members[name].comparison
        engine.remove_pipeline(name)
        assert shadow is not None
        assert shadow.agreement.report().frames == 40  # type: ignore[attr-defined]  # of a shadow


def test_what_a_pipeline_does_not_want_is_not_compared(engine: Engine) -> None:
    nothing = {"model": "first", "classes": ["person"], "shadow": {"model": "second", "share": 1}}
    engine.add_camera("one", RECORDING, live=False, held=True)
    engine.add_pipeline("one", PipelineSpec.read({"detect": nothing}, "pipeline"), camera="one")
    engine.release("one")
    assert engine.wait(30)
    report = engine.agreement("one")
    assert report is not None
    assert (report.matched, report.only_live, report.only_candidate) == (0, 0, 0)


def test_a_recording_is_never_late_and_walks_no_ladder(engine: Engine) -> None:
    spec = PipelineSpec.read({"detect": "first", "degrade": [{"fps": 2}]}, "pipeline")
    engine.add_camera("one", RECORDING, live=False)
    engine.add_pipeline("one", spec, camera="one")
    assert engine.members["one"].ladder is None
