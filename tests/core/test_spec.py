"""What a reader of a spec is told when it is wrong."""

from typing import Any

import pytest

from argus.core.errors import SpecError
from argus.core.resources.camera import CameraSpec
from argus.core.resources.pipeline import GateSpec, PipelineSpec
from argus.core.secrets import Secrets

SQUARE = [[0.1, 0.1], [0.9, 0.1], [0.9, 0.9], [0.1, 0.9]]


def refusal(**fields: Any) -> list[str]:
    with pytest.raises(SpecError) as caught:
        PipelineSpec.read(fields, "gate.yaml")
    assert caught.value.exit_code == 2
    return str(caught.value).split("\n")


def test_an_unknown_field_names_the_nearest_known_one_and_nothing_else() -> None:
    assert refusal(zones={"yard": {"polygone": SQUARE}}) == [
        "gate.yaml: zones.yard.polygone: unknown field; did you mean 'polygon'?"
    ]


def test_an_unknown_field_that_is_near_to_none_lists_the_known_ones() -> None:
    (message,) = refusal(store={"xyz": 1})
    assert message == "gate.yaml: store.xyz: unknown field; known here: clips, detections, events"


def test_a_missing_field_is_said_to_be_required() -> None:
    assert refusal(lines={"door": {"from": [0, 0]}}) == ["gate.yaml: lines.door.to: this field is required"]


def test_every_fault_has_its_line() -> None:
    assert len(refusal(zones={"a": {"polygon": 5}, "b": {}}, cooldown="soon", camra="x")) == 4


def test_a_region_named_like_a_field_confuses_nothing() -> None:
    (message,) = refusal(zones={"zones": {"polygon": SQUARE, "dwel": 1}, "str": {"polygon": SQUARE}})
    assert message == "gate.yaml: zones.zones.dwel: unknown field; did you mean 'dwell'?"
    (message,) = refusal(zones={"str": {"polygon": SQUARE, "dwel": 1}})
    assert message == "gate.yaml: zones.str.dwel: unknown field; did you mean 'dwell'?"


def test_of_a_name_or_a_model_written_out_only_the_meant_one_is_spoken_of() -> None:
    assert refusal(detect={"model": {"path": "x", "taks": "detect"}}) == [
        "gate.yaml: detect.model.taks: unknown field; did you mean 'task'?"
    ]
    assert refusal(detect={"model": 5}) == [
        "gate.yaml: detect.model: expected a text; or expected fields and their values (a mapping) (got 5)"
    ]


def test_a_value_that_is_none_of_the_allowed_ones_names_the_nearest_or_all() -> None:
    assert refusal(actions=[{"on": "line.crosed"}]) == [
        "gate.yaml: actions.0.on.0: unknown value; did you mean 'line.crossed'? (got 'line.crosed')"
    ]
    (message,) = refusal(zones={"a": {"polygon": SQUARE, "severity": 7}})
    assert message == "gate.yaml: zones.a.severity: expected 'critical', 'high', 'medium' or 'low' (got 7)"


def test_storing_every_so_often_is_written_as_such() -> None:
    assert PipelineSpec.read({"store": {"detections": "every 500ms"}}, "p").store.detections == 0.5
    (message,) = refusal(store={"detections": "sometimes"})
    assert message == (
        "gate.yaml: store.detections: 'sometimes' is unknown: write all, none, or how often,"
        " such as `every 1s`"
    )


@pytest.mark.parametrize(("written", "gate"), [(True, GateSpec()), (False, None), ("off", None)])
def test_a_motion_gate_is_switched_or_set(written: Any, gate: GateSpec | None) -> None:
    assert PipelineSpec.read({"motion_gate": written}, "p").motion_gate == gate
    set_ = PipelineSpec.read({"motion_gate": {"look_every": "1m"}}, "p").motion_gate
    assert set_ == GateSpec(look_every=60)


@pytest.mark.parametrize("step", [{}, {"fps": 5, "motion_only": True}])
def test_a_step_of_a_ladder_gives_up_one_thing(step: dict[str, Any]) -> None:
    (message,) = refusal(degrade=[step])
    assert message == (
        "gate.yaml: degrade.0: a step gives up one thing: `fps`, `input_size`, `model` or `motion_only`"
    )


def test_a_step_of_a_ladder_has_a_size_that_a_model_can_have() -> None:
    assert refusal(degrade=[{"input_size": [320, 0]}]) == [
        "gate.yaml: degrade.0.input_size.1: input should be greater than or equal to 8 (got 0)"
    ]


@pytest.mark.parametrize("crop", [[0.5, 0, 0.5, 1], [0, 0, 1, 1.1], [0.6, 0, 0.4, 1]])
def test_a_crop_without_area_or_outside_the_picture_is_refused(crop: list[float]) -> None:
    (message,) = refusal(crop=crop)
    assert message.startswith("gate.yaml: crop: a crop is [left, top, right, bottom]: 0 <= left < right <= 1")


def test_zones_and_lines_need_tracking() -> None:
    (message,) = refusal(track=False, zones={"a": {"polygon": SQUARE}})
    assert message == (
        "gate.yaml: zones and lines follow objects from frame to frame: `track` cannot be off beside them"
    )
    assert PipelineSpec.read({"track": "off", "crowds": {"a": {"count": 3}}}, "p").track is None


def test_two_regions_of_one_name_are_refused() -> None:
    (message,) = refusal(zones={"gate": {"polygon": SQUARE}}, lines={"gate": {"from": [0, 0], "to": [1, 1]}})
    assert message == "gate.yaml: two regions share one name: gate"


def test_an_alert_for_a_region_that_is_not_there_names_the_nearest() -> None:
    (message,) = refusal(
        zones={"desk": {"polygon": SQUARE}}, alerts=[{"on": "zone.dwelled", "regions": "dsk"}]
    )
    assert message == (
        "gate.yaml: alerts name a region 'dsk' that is none of this pipeline's; did you mean 'desk'?"
    )


@pytest.mark.parametrize("data", [None, 5, "text", ["a"]])
def test_what_is_no_mapping_at_all_is_refused(data: Any) -> None:
    with pytest.raises(SpecError, match=r"gate.yaml: expected fields and their values \(a mapping\)"):
        PipelineSpec.read(data, "gate.yaml")


def test_a_spec_never_changes() -> None:
    with pytest.raises(ValueError, match="frozen"):
        PipelineSpec().cooldown = 5


@pytest.mark.parametrize("password", ["hunter2", "p\"'\\ä", "x" * 100])
def test_no_message_shows_a_secret(password: str) -> None:
    secrets = Secrets({"PASSWORD": password})
    url = secrets.fill("rtsp://user:${PASSWORD}@host/" + "1" * 30, "gate.yaml")
    for data in ({"url": [url]}, {"url": url, "fps": url}, {"url": url, "decoder": url}, {"health": url}):
        with pytest.raises(SpecError) as caught:
            CameraSpec.read(data, "gate.yaml", secrets=secrets)
        assert password[:7] not in str(caught.value)
        assert repr(password)[1:8] not in str(caught.value)


def test_a_camera_shows_its_address_without_the_password() -> None:
    camera = CameraSpec.read("rtsp://user:hunter2@10.0.0.5/stream1", "c")
    assert camera.url == "rtsp://user:hunter2@10.0.0.5/stream1"
    assert camera.shown_url == str(camera) == "rtsp://user:***@10.0.0.5/stream1"
    assert "hunter2" not in repr(camera)


def test_the_environment_fills_and_hides_the_same_names() -> None:
    secrets = Secrets({"A": "one", "B": "one two"})
    assert secrets.fill("${B}/${A}/$$5", "f") == "one two/one/$5"
    assert secrets.hide("a one two b one") == "a ${B} b ${A}"
    assert secrets.names == {"A", "B"}
    assert repr(secrets) == "Secrets(A, B)"
