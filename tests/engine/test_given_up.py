"""What becomes of the open events of a camera that is not called again, and what is said of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.engine.status import CameraStatus
from argus.vision.lab import RtspCamera, SyntheticCamera, rtsp_camera_problem
from argus.vision.results import Event
from tests.conftest import need
from tests.engine.parts import Listener, Models
from tests.sources.settling import comes_true

EVERYWHERE = {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "dwell": 0.2, "severity": "high"}
GUARDED = PipelineSpec.read({"detect": "first", "zones": {"yard": EVERYWHERE}}, "pipeline")
LASTING = {"object.appeared", "zone.entered", "zone.dwelled"}


class Hearer(Listener):
    """Hears of ends that come before its pipeline's own."""

    def __init__(self) -> None:
        super().__init__()
        self.ended: list[Event] = []

    def given_up(self, ended: tuple[Event, ...]) -> None:
        self.ended += ended

    @property
    def open(self) -> dict[str, str]:
        """Events that have begun and not ended: their types by id."""
        told = [event for result in self.results for event in result.events]
        found: dict[str, str] = {}
        for event in [*told, *self.ended, *(event for last in self.finished for event in last)]:
            if event.phase == "end":
                found.pop(event.id, None)
            else:
                found[event.id] = event.type
        return found


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(open_model=Models().open) as engine:
        yield engine


@pytest.fixture
def gate() -> Iterator[SyntheticCamera]:
    with SyntheticCamera("given-up-for-good", width=160, height=120, fps=20, people=2) as camera:
        yield camera


def once(url: str, *, retries: int = 0) -> CameraSpec:
    reconnect = {"max_retries": retries, "first": 0.05, "longest": 0.05}
    return CameraSpec.read({"url": url, "lost_after": 1.0, "reconnect": reconnect}, "camera")


def watch(engine: Engine, camera: CameraSpec, listener: Listener | None = None) -> Hearer:
    """Watch until somebody has been in the zone for long; return who hears of it."""
    hearer = Hearer()
    engine.add_camera("gate", camera)
    engine.add_pipeline("yard", GUARDED, camera="gate", listener=listener or hearer)
    if listener is None:
        assert comes_true(lambda: set(hearer.open.values()) >= LASTING)
    return hearer


def status(engine: Engine) -> CameraStatus:
    [camera] = engine.status().cameras
    return camera


def test_open_events_end_when_their_camera_is_given_up(engine: Engine, gate: SyntheticCamera) -> None:
    hearer = watch(engine, once(gate.url, retries=1))
    gate.begin("drop")
    assert comes_true(lambda: not hearer.open)
    assert hearer.finished == []
    last = hearer.results[-1].frame
    assert {event.type for event in hearer.ended} == LASTING
    assert {event.end_s for event in hearer.ended} == {last.time_s}
    assert all(
        str(event.message).startswith("camera gate was given up after 1 retry: ") for event in hearer.ended
    )
    assert all(event.path for event in hearer.ended)


def test_open_events_of_a_camera_over_rtsp_end_when_it_is_given_up(engine: Engine) -> None:
    need(rtsp_camera_problem() is None, rtsp_camera_problem() or "")
    with RtspCamera(width=160, height=128, fps=25) as camera:
        hearer = watch(engine, once(camera.url, retries=2))
        camera.begin("kill")
        assert comes_true(lambda: not hearer.open, 30)
        assert {event.end_s for event in hearer.ended} == {hearer.results[-1].frame.time_s}
        assert all("was given up after 2 retries: " in str(event.message) for event in hearer.ended)


def test_events_of_a_camera_that_is_still_called_stay_open(engine: Engine, gate: SyntheticCamera) -> None:
    hearer = watch(engine, once(gate.url, retries=-1))
    gate.begin("drop")
    assert comes_true(lambda: status(engine).retries >= 3)
    assert not status(engine).given_up
    assert set(hearer.open.values()) >= LASTING


def test_a_camera_that_is_called_again_begins_with_new_events(engine: Engine, gate: SyntheticCamera) -> None:
    hearer = watch(engine, once(gate.url))
    before = set(hearer.open)
    gate.begin("drop")
    assert comes_true(lambda: not hearer.open)
    gate.heal()
    engine.reconnect("gate")
    assert comes_true(lambda: set(hearer.open.values()) >= LASTING)
    assert not before & set(hearer.open)
    gate.begin("drop")
    assert comes_true(lambda: not hearer.open)
    engine.remove_pipeline("yard")
    assert hearer.finished == [()]


def test_each_event_ends_once_where_its_pipeline_ends_after_its_camera(
    engine: Engine, gate: SyntheticCamera
) -> None:
    hearer = watch(engine, once(gate.url))
    gate.begin("drop")
    assert comes_true(lambda: not hearer.open)
    engine.remove_camera("gate")
    told = [event.id for event in hearer.ended]
    assert len(told) == len(set(told))
    assert hearer.finished == [()]


def test_a_listener_that_cannot_hear_of_it_is_told_at_the_end(engine: Engine, gate: SyntheticCamera) -> None:
    plain = Listener()
    watch(engine, once(gate.url), plain)
    assert comes_true(lambda: any(e.type == "zone.dwelled" for r in plain.results for e in r.events))
    gate.begin("drop")
    assert comes_true(lambda: status(engine).given_up)
    engine.remove_pipeline("yard")
    [still_open] = plain.finished
    assert {event.type for event in still_open} == LASTING


def test_the_status_says_that_a_camera_was_given_up_at_once(engine: Engine, gate: SyntheticCamera) -> None:
    watch(engine, once(gate.url, retries=2))
    assert (status(engine).given_up, status(engine).retries) == (False, 0)
    gate.begin("drop")
    assert comes_true(lambda: status(engine).given_up)
    now = status(engine)
    assert (now.state, now.retries) == ("lost", 2)
    assert now.reason.startswith("given up after 2 retries: ")
    gate.heal()
    engine.reconnect("gate")
    assert comes_true(lambda: status(engine).state == "online")
    assert (status(engine).given_up, status(engine).retries) == (False, 0)


def test_a_trace_says_that_the_camera_was_given_up(engine: Engine, gate: SyntheticCamera) -> None:
    heard: list[dict[str, Any]] = []
    watch(engine, once(gate.url, retries=1))
    engine.trace("yard", lambda _, data: heard.append(data["camera"]))
    gate.begin("drop")
    assert comes_true(lambda: bool(heard) and heard[-1]["state"] == "failed")
    assert heard[-1]["reason"].startswith("given up after 1 retry: ")


def test_a_recording_that_was_played_to_its_end_was_not_given_up(engine: Engine) -> None:
    url = "synthetic:plaza?width=160&height=120&fps=20&people=2&vehicles=0&seed=1&frames=10"
    engine.add_camera("gate", url)
    engine.add_pipeline("yard", GUARDED, camera="gate")
    assert engine.wait(30)
    assert not status(engine).given_up
