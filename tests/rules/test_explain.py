"""Why no alert came: every way in which a pipeline can stay silent is told as what it is."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from datetime import datetime, timedelta

import pytest

from argus.core.errors import UnknownName
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.explain import explain
from tests.rules.scene import BEGIN
from tests.rules.tracing import ZONE, Traced, between, standing

GUARDED = {"zones": {"gate": {**ZONE, "severity": "high"}}}
INSIDE = standing(0.5, 0.5)


def test_without_a_trace_no_worker_was_running() -> None:
    told = explain(PipelineSpec.model_validate(GUARDED), [], BEGIN)
    assert told.code == "no_trace"
    assert told.verdict.startswith("No alert around 2026-03-01 12:00:00 UTC: nothing was traced then")


def test_a_trace_of_another_time_is_no_trace() -> None:
    assert Traced(GUARDED).run(5, INSIDE).why(60).code == "no_trace"


@pytest.mark.parametrize("state", ["lost", "connecting"])
def test_a_camera_that_gives_nothing_is_the_reason(state: str) -> None:
    told = Traced(GUARDED).run(10, fate="none", state=state, reason="no picture any more").why(5)
    assert told.code == "no_frame"
    assert told.reasons[0].evidence["state"] == state
    assert "no picture any more" in told.verdict
    assert not told.stages[0].passed


def test_a_recording_that_was_played_to_its_end_is_the_reason() -> None:
    told = (
        Traced(GUARDED).run(3, INSIDE).run(9, fate="none", state="ended", reason="played to its end").why(9)
    )
    assert told.code == "ended"
    assert "loop: true" in told.reasons[0].remedy


def test_a_camera_that_was_given_up_is_the_reason() -> None:
    why = "given up after 3 retries: it does not answer"
    traced = Traced(GUARDED).run(3, INSIDE).run(2, fate="none", state="lost", reason="it does not answer")
    told = traced.run(9, fate="none", state="failed", reason=why).why(9)
    assert told.code == "given_up"
    assert f"no frame came at all; the camera was {why}" in told.verdict
    assert "argus restart" in told.reasons[0].remedy


def test_a_frozen_camera_is_the_reason_though_its_frames_come() -> None:
    told = Traced(GUARDED).run(10, standing(0.1, 0.5), state="frozen", reason="the very same picture").why(5)
    assert told.code == "no_frame"


def test_a_covered_camera_is_ill() -> None:
    assert Traced(GUARDED).run(10, state="covered").why(5).code == "camera_ill"


def test_frames_held_back_by_the_motion_gate_are_the_reason() -> None:
    told = Traced(GUARDED).run(10, fate="gated").why(5)
    assert told.code == "gated"
    assert told.reasons[0].evidence["gated"] == 100


def test_frames_that_grew_too_old_are_the_reason() -> None:
    assert Traced(GUARDED).run(10, fate="dropped_stale").why(5).code == "dropped"


def test_damaged_frames_are_the_reason() -> None:
    assert Traced(GUARDED).run(10, fate="corrupt").why(5).code == "damaged"


def test_a_camera_that_is_slow_and_well_is_not_the_reason() -> None:
    traced = Traced(GUARDED)
    for _ in range(3):
        traced.run(1, standing(0.1, 0.5)).run(4, fate="none")
    assert traced.why(8).code == "outside_zone"


def test_an_object_that_the_model_was_not_sure_of_is_told_with_its_score() -> None:
    told = Traced(GUARDED).run(10, doubts=standing(0.5, 0.5, score=0.19)).why(5)
    assert told.code == "below_confidence"
    assert "0.19" in told.verdict
    assert "0.25 is needed" in told.verdict
    assert "0.17" in told.reasons[0].remedy


def test_what_the_pipeline_itself_leaves_out_for_its_score_is_told_too() -> None:
    spec = {**GUARDED, "detect": {"model": "x.onnx", "confidence": 0.6}}
    told = Traced(spec).run(10, standing(0.5, 0.5, score=0.45)).why(5)
    assert told.code == "below_confidence"
    assert told.reasons[0].evidence["needed"] == 0.6
    assert "detect.confidence" in told.reasons[0].remedy


def test_an_object_of_a_class_that_is_not_wanted_is_told() -> None:
    spec = {**GUARDED, "detect": {"model": "x.onnx", "classes": ["person"]}}
    told = Traced(spec).run(10, standing(0.5, 0.5, "dog")).why(5)
    assert told.code == "wrong_class"
    assert "'dog'" in told.reasons[0].remedy


def test_a_faint_object_of_a_class_that_is_not_wanted_is_no_reason() -> None:
    spec = {**GUARDED, "detect": {"model": "x.onnx", "classes": ["person"]}}
    told = Traced(spec).run(10, doubts=standing(0.5, 0.5, "dog", 0.1)).why(5)
    assert told.code == "nothing_seen"


def test_an_object_that_the_zone_does_not_count_is_told() -> None:
    spec = {"zones": {"gate": {**ZONE, "severity": "high", "classes": ["person"]}}}
    told = Traced(spec).run(10, standing(0.5, 0.5, "car")).why(5)
    assert told.code == "wrong_class"
    assert told.reasons[0].evidence["zone"] == "gate"


def test_an_object_that_no_track_begins_with_is_told() -> None:
    told = Traced(GUARDED).run(10, standing(0.5, 0.5, score=0.42)).why(5)
    assert told.code == "not_followed"
    assert "track.new_confidence" in told.reasons[0].remedy


def test_an_object_outside_the_zone_is_told_with_the_distance() -> None:
    told = Traced(GUARDED).run(10, standing(0.3, 0.5)).why(5)
    assert told.code == "outside_zone"
    assert "100 px (10% of the picture's width)" in told.verdict


def test_the_nearest_zone_is_named() -> None:
    far = {"polygon": [[0.9, 0.2], [1, 0.2], [1, 0.8], [0.9, 0.8]], "severity": "high"}
    spec = {"zones": {"far": far, "gate": {**ZONE, "severity": "high"}}}
    assert Traced(spec).run(10, standing(0.3, 0.5)).why(5).reasons[0].evidence["zone"] == "gate"


def test_one_who_only_brushes_the_zone_is_told() -> None:
    spec = {"zones": {"gate": {**ZONE, "severity": "high", "enter_after": "2s"}}}
    scene = between(3, 4, INSIDE)
    outside = between(0, 3, standing(0.3, 0.5))
    later = between(4, 10, standing(0.3, 0.5))
    told = Traced(spec).run(10, lambda t: [*outside(t), *scene(t), *later(t)]).why(5)
    assert told.code == "enter_after"
    assert told.reasons[0].evidence["needed_s"] == 2.0


def test_one_who_stays_too_short_is_told_with_the_longest_stay() -> None:
    spec = {
        "zones": {"gate": {**ZONE, "dwell": "5s"}},
        "alerts": [{"on": "zone.dwelled"}],
    }
    told = Traced(spec).run(10, between(2, 5, INSIDE)).why(5)
    assert told.code == "dwell_too_short"
    assert told.reasons[0].evidence["longest_s"] == pytest.approx(2.9, abs=0.15)
    assert told.reasons[0].evidence["needed_s"] == 5.0


def test_the_cooldown_is_told_with_the_alert_before_and_its_end() -> None:
    traced = Traced({**GUARDED, "cooldown": "60s"})
    traced.run(30, lambda t: standing(0.5 + 0.15 * math.cos(0.6 * t), 0.5)(t))
    raised = traced.why(3, window_s=6)
    assert raised.code == "alert_raised"
    began = datetime.fromisoformat(raised.reasons[0].evidence["at"])
    told = traced.why(20)
    assert told.code == "cooldown"
    alerted = datetime.fromisoformat(told.reasons[0].evidence["alertedAt"])
    assert abs((alerted - began).total_seconds()) <= 1
    until = datetime.fromisoformat(told.reasons[0].evidence["until"])
    assert until - alerted == timedelta(seconds=60)
    assert told.reasons[0].evidence["since"] == raised.reasons[0].evidence["event"]


@pytest.mark.parametrize("cooldown", ["9999999d", 1e12, 1e300])
def test_a_cooldown_that_no_calendar_reaches_the_end_of_is_told_too(cooldown: object) -> None:
    traced = Traced({**GUARDED, "cooldown": cooldown})
    told = traced.run(30, lambda t: standing(0.5 + 0.15 * math.cos(0.6 * t), 0.5)(t)).why(20)
    assert told.code == "cooldown"
    alerted = datetime.fromisoformat(told.reasons[0].evidence["alertedAt"])
    assert abs((alerted - BEGIN).total_seconds()) <= 30
    assert datetime.fromisoformat(told.reasons[0].evidence["until"]).year == 9999


def test_an_event_of_which_no_rule_speaks_is_told() -> None:
    told = Traced({"zones": {"gate": ZONE}}).run(10, between(3, 9, INSIDE)).why(5)
    assert told.code == "no_rule"
    assert "severity" in told.reasons[0].remedy


def test_a_rule_that_waits_for_a_dwelling_that_is_never_told_is_no_rule() -> None:
    spec = {"zones": {"gate": ZONE}, "alerts": [{"on": "zone.dwelled"}]}
    told = Traced(spec).run(10, between(3, 9, INSIDE)).why(5)
    assert told.code == "no_rule"
    assert "`dwell`" in told.reasons[0].remedy


def test_an_alert_that_was_raised_is_named() -> None:
    told = Traced(GUARDED).run(10, between(3, 9, INSIDE)).why(5)
    assert told.code == "alert_raised"
    assert told.verdict.startswith("An alert was raised around 2026-03-01 12:00:05 UTC: `zone gate` (high)")
    assert told.stages[-1].passed == 1


def test_one_who_has_been_inside_for_long_was_told_when_it_came() -> None:
    assert Traced(GUARDED).run(40, INSIDE).why(30).code == "already_inside"


def test_where_entering_is_an_alert_the_dwell_is_not_blamed() -> None:
    spec = {"zones": {"gate": {**ZONE, "dwell": "9s", "severity": "high"}}}
    told = Traced(spec).run(20, between(2, 20, INSIDE)).why(8, window_s=2)
    assert told.code == "already_inside"


def test_an_empty_scene_is_told_as_empty() -> None:
    assert Traced(GUARDED).run(10).why(5).code == "nothing_seen"


def test_a_line_that_nobody_crossed_is_told() -> None:
    spec = {"lines": {"door": {"from": [0.8, 0], "to": [0.8, 1], "severity": "low"}}}
    assert Traced(spec).run(10, INSIDE).why(5).code == "line_not_crossed"


def test_a_crowd_that_is_too_small_is_told() -> None:
    spec = {"crowds": {"queue": {"count": 3, "severity": "low"}}}
    told = Traced(spec).run(10, lambda _: [(0.2, 0.5, "person", 0.9), (0.8, 0.5, "person", 0.9)]).why(5)
    assert told.code == "crowd_too_small"
    assert told.reasons[0].evidence["most"] == 2


def test_what_came_furthest_is_told_first_and_the_rest_after_it() -> None:
    spec = {"zones": {"gate": {**ZONE, "dwell": "5s"}}, "alerts": [{"on": "zone.dwelled"}]}
    scene = between(2, 4, INSIDE)
    told = Traced(spec).run(6, lambda t: [*scene(t), (0.1, 0.5, "person", 0.42)]).run(4, fate="gated").why(5)
    assert [reason.code for reason in told.reasons] == ["dwell_too_short", "not_followed", "gated"]


def test_one_zone_can_be_asked_about() -> None:
    other = {"polygon": [[0, 0], [0.2, 0], [0.2, 1], [0, 1]], "severity": "high"}
    spec = {"zones": {"gate": {**ZONE, "severity": "high"}, "yard": other}}
    traced = Traced(spec).run(10, between(2, 9, INSIDE))
    assert traced.why(5).code == "alert_raised"
    assert traced.why(5, zone="yard").code == "outside_zone"
    with pytest.raises(UnknownName, match="gate"):
        traced.why(5, zone="gaet")


def test_zones_in_pixels_are_measured_in_pixels() -> None:
    zone = {
        "polygon": [[400, 100], [600, 100], [600, 400], [400, 400]],
        "units": "pixels",
        "severity": "high",
    }
    told = Traced({"zones": {"gate": zone}}).run(10, standing(0.3, 0.5)).why(5)
    assert told.code == "outside_zone"
    assert told.reasons[0].evidence["distance"] == pytest.approx(100, abs=2)


def test_every_reason_has_a_remedy_and_the_whole_is_json() -> None:
    spec = {"zones": {"gate": {**ZONE, "dwell": "5s"}}, "alerts": [{"on": "zone.dwelled"}]}
    told = Traced(spec).run(6, between(2, 4, INSIDE)).run(4, fate="gated").why(5)
    written = json.loads(json.dumps(told.to_json()))
    assert [reason["code"] for reason in written["reasons"]] == ["dwell_too_short", "gated"]
    assert all(reason["remedy"] for reason in written["reasons"])
    assert [stage["name"] for stage in written["stages"]][:3] == ["camera", "frames", "model"]


def test_a_trace_that_was_written_as_json_reads_the_same() -> None:
    traced = Traced(GUARDED).run(10, standing(0.3, 0.5))
    stored = json.loads(json.dumps([{**s, "at": s["at"].isoformat()} for s in traced.seconds]))
    at = BEGIN + timedelta(seconds=5)
    assert explain(traced.spec, stored, at).to_json() == traced.why(5).to_json()


def test_a_trace_with_fields_missing_is_explained_as_far_as_it_goes() -> None:
    told = explain(PipelineSpec.model_validate(GUARDED), [{"at": BEGIN, "v": 99}], BEGIN)
    assert told.code == "no_frame"


def test_whoever_asks_loads_no_codec_and_no_model() -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", "import argus.vision.explain, sys; print(*sys.modules)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert not {"cv2", "av", "onnxruntime", "openvino", "torch"} & set(loaded)
