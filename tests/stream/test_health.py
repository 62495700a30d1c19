"""When a worker is not well, and how fast things go."""

from __future__ import annotations

import pytest

from argus.core.resources.camera import CameraSpec, CameraState
from argus.stream.health import ills_of_cameras, ills_of_models, ills_of_storage
from argus.stream.rates import Rates
from argus.vision.engine.status import CameraStatus, ModelStatus


def _camera(state: CameraState, for_s: float) -> CameraStatus:
    return CameraStatus("gate", state, "why it is so", for_s, 0, 0, 0, "rtsp://h/1")


GIVEN_UP = CameraStatus(
    "gate", "lost", "given up: no such address", 0.1, 0, 0, 0, "rtsp://h/1", given_up=True, retries=2
)


SPECS = {"gate": CameraSpec(url="rtsp://h/1")}  # lost after 5 s, frozen after 10 s


@pytest.mark.parametrize(
    ("state", "for_s", "ill"),
    [
        ("online", 1000.0, False),
        ("dark", 1000.0, False),
        ("lost", 9.0, False),
        ("lost", 11.0, True),
        ("frozen", 14.0, False),
        ("frozen", 16.0, True),
    ],
)
def test_a_camera_makes_its_worker_ill_beyond_its_limit(state: CameraState, for_s: float, ill: bool) -> None:
    assert bool(ills_of_cameras([_camera(state, for_s)], SPECS)) is ill


def test_a_camera_that_was_given_up_makes_it_ill_at_once() -> None:
    [said] = ills_of_cameras([GIVEN_UP], SPECS)
    assert said == "camera gate was given up: no such address"


def test_a_model_that_is_gone_makes_it_ill_while_somebody_waits_for_it() -> None:
    gone = ModelStatus("people", "", 1, 1.0, 5, 1.0, ("p",), "the device vanished")
    replaced = ModelStatus("people", "", 1, 1.0, 5, 1.0, (), "the device vanished")
    assert len(ills_of_models([gone, replaced])) == 1


def test_storage_may_have_trouble_for_half_a_minute() -> None:
    assert ills_of_storage("the disk is full", 29) == ()
    assert ills_of_storage("the disk is full", 31) == ("nothing was stored for 31 s: the disk is full",)


def test_a_rate_is_that_of_the_last_seconds() -> None:
    rates = Rates()
    for second in range(20):
        rates.sample(float(second), {"old": 10 * second, "quick": 30 * max(0, second - 15)})
    assert rates.of("old") == pytest.approx(10)
    assert rates.of("quick") == pytest.approx(24)
    assert rates.of("unknown") == 0


def test_a_counter_that_begins_anew_has_not_shrunk() -> None:
    rates = Rates()
    for second, count in enumerate([100, 110, 0, 10]):
        rates.sample(float(second), {"frames": count})
    assert rates.of("frames") == pytest.approx(20 / 3)
