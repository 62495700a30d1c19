from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.core.detections import Detections
from argus.core.errors import UnknownName
from argus.core.resources.pipeline import DetectSpec, PipelineSpec
from argus.vision.pipeline import Pipeline, filtered
from argus.vision.results import Event, FrameResult
from tests.rules.scene import MIDDLE, Motion, at_fps, frame_at, seen, walk

SPEC: dict[str, Any] = {
    "zones": {"middle": {"polygon": MIDDLE, "severity": "high"}},
    "lines": {"door": {"from": (0.5, 0.8), "to": (0.5, 0.2)}},
}


def process(
    spec: dict[str, Any], motions: dict[int, Motion], times: list[float]
) -> tuple[list[FrameResult], tuple[Event, ...]]:
    """Run a whole pipeline, its tracker included, over what a detector would give."""
    pipeline = Pipeline(PipelineSpec.model_validate(spec), "gate")
    results = []
    for index, time_s in enumerate(times):
        feet = {n: place for n, motion in motions.items() if (place := motion(time_s)) is not None}
        results.append(pipeline.process(frame_at(time_s, index), seen(feet, tracked=False, height=0.3)))
    return results, pipeline.finish()


def test_detections_become_tracks_events_and_alerts() -> None:
    motions = {1: walk((0, 0.1, 0.5), (10, 0.9, 0.5)), 2: walk((0, 0.9, 0.9), (10, 0.1, 0.9))}
    results, still_open = process(SPEC, motions, at_fps(10, 10))
    events = [e for r in results for e in r.events]
    assert {e.type for e in events} == {
        "object.appeared", "zone.entered", "zone.exited", "line.crossed",
    }  # fmt: skip
    assert [a.rule for r in results for a in r.alerts] == ["zone middle"]
    assert [e.type for e in still_open] == ["object.appeared", "object.appeared"]
    assert results[50].zone_counts == {"middle": 1}
    assert results[50].detections.track_id is not None
    assert sorted(results[50].detections.track_id.tolist()) == [1, 2]


def test_an_object_hidden_as_long_as_the_tracker_waits_never_left() -> None:
    def hidden_a_while(t: float) -> tuple[float, float] | None:
        return None if 4 < t < 6.9 else (0.5, 0.5)

    results, _ = process({**SPEC, "track": {"lost_after": "3s"}}, {1: hidden_a_while}, at_fps(10, 12))
    types = [e.type for r in results for e in r.events]
    assert types == ["object.appeared", "zone.entered"]


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"zones": {"here": {"polygon": MIDDLE, "classes": ["person"]}}}, "zone.entered"),
        ({"lines": {"here": {"from": (0.5, 0.8), "to": (0.5, 0.2), "classes": ["person"]}}}, "line.crossed"),
        ({"crowds": {"here": {"count": 2, "classes": ["person"]}}}, "crowd.formed"),
    ],
)
def test_a_rule_for_some_classes_waits_for_the_first_who_comes(rule: dict[str, Any], told: str) -> None:
    """As nearly every camera begins: with nobody in sight."""
    late = {1: walk((2, 0.1, 0.5), (12, 0.9, 0.5)), 2: walk((2, 0.1, 0.8), (12, 0.9, 0.8))}
    results, _ = process(rule, late, at_fps(12, 10))
    assert told in {event.type for result in results for event in result.events}


def test_a_rule_for_a_class_that_the_model_does_not_know_is_said_once() -> None:
    zone = {"polygon": MIDDLE, "classes": ["persn"]}
    with capture_logs() as logs:
        process({"zones": {"middle": zone, "all": {"polygon": MIDDLE}}}, {1: walk((0, 0.1, 0.5))}, [0.0, 0.1])
    assert [(entry["event"], entry["rule"], entry["consequence"]) for entry in logs] == [
        ("rule.no_such_class", "zone middle", "the model knows no class 'persn'; did you mean 'person'?")
    ]


def test_the_result_keeps_all_that_the_detector_gave() -> None:
    both = seen({1: (0.5, 0.5), 2: (0.2, 0.5)}, tracked=False)
    weak = replace(both, confidence=np.array([0.9, 0.05], np.float32))
    result = Pipeline(PipelineSpec()).process(frame_at(0), weak)
    assert len(result.detections) == 2
    assert result.detections.track_id is not None
    assert result.detections.track_id.tolist()[1] == 0


def test_a_pipeline_without_tracking_gives_no_ids_and_no_events() -> None:
    pipeline = Pipeline(PipelineSpec(track=None))
    result = pipeline.process(frame_at(0), seen({1: (0.5, 0.5)}, tracked=False))
    assert result.detections.track_id is None
    assert result.events == pipeline.finish() == ()


def test_the_filter_keeps_the_classes_and_the_confidence_asked_for() -> None:
    detections = replace(
        seen({1: (0.1, 0.5), 2: (0.2, 0.5), 3: (0.3, 0.5)}, classes={2: "car"}, tracked=False),
        confidence=np.array([0.9, 0.9, 0.3], np.float32),
    )
    kept = filtered(detections, DetectSpec(model="m", classes=("person",), confidence=0.5))
    assert kept.class_name == ["person"]
    assert filtered(detections, DetectSpec(model="m")) is detections
    assert len(filtered(detections, DetectSpec(model="m", classes=("unicorn",)))) == 0


def test_a_frame_without_detections_and_labels_is_processed_too() -> None:
    result = Pipeline(PipelineSpec.model_validate(SPEC)).process(frame_at(0), Detections.empty())
    assert (result.events, result.zone_counts) == ((), {"middle": 0})


def test_an_unknown_tracker_names_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"bytetrak.*did you mean 'bytetrack'"):
        Pipeline(PipelineSpec.model_validate({"track": "bytetrak"}))


def test_finishing_twice_tells_nothing_twice() -> None:
    pipeline = Pipeline(PipelineSpec())
    for n in range(5):
        pipeline.process(frame_at(n / 10, n), seen({1: (0.5, 0.5)}, tracked=False))
    assert [e.type for e in pipeline.finish()] == ["object.appeared"]
    assert pipeline.finish() == ()


def test_a_stream_that_breaks_off_for_good_ends_with_its_last_frame_what_it_had_shown() -> None:
    crowded = {"count": 2, "formed_after": 0.2, "polygon": MIDDLE}
    pipeline = Pipeline(PipelineSpec.model_validate({**SPEC, "crowds": {"queue": crowded}}), "gate")
    feet = {1: (0.45, 0.5), 2: (0.55, 0.5)}
    for n in range(10):
        pipeline.process(frame_at(n / 10, n), seen(feet, tracked=False, height=0.3))
    ended = pipeline.break_off("camera gate was given up")
    assert sorted(event.type for event in ended) == [
        "crowd.formed", "object.appeared", "object.appeared", "zone.entered", "zone.entered",
    ]  # fmt: skip
    assert {(event.phase, event.end_s, event.message) for event in ended} == {
        ("end", 0.9, "camera gate was given up")
    }
    assert pipeline.finish() == ()


def test_who_is_seen_after_a_stream_broke_off_appears_anew() -> None:
    crowded = {"count": 2, "formed_after": 0.2}
    pipeline = Pipeline(PipelineSpec.model_validate({**SPEC, "crowds": {"queue": crowded}}), "gate")
    feet = {1: (0.45, 0.5), 2: (0.55, 0.5)}

    def shown(since: int) -> list[Event]:
        frames = [frame_at(n / 10, n) for n in range(since, since + 10)]
        results = [pipeline.process(frame, seen(feet, tracked=False, height=0.3)) for frame in frames]
        return [event for result in results for event in result.events if event.phase == "start"]

    before = shown(0)
    ended = pipeline.break_off("camera gate was given up")
    after = shown(11)
    assert {event.id for event in before} == {event.id for event in ended}
    assert sorted(event.type for event in before) == sorted(event.type for event in after)
    assert not {event.id for event in before} & {event.id for event in after}


def test_an_alert_is_held_back_also_where_the_stream_broke_off_meanwhile() -> None:
    pipeline = Pipeline(PipelineSpec.model_validate(SPEC | {"cooldown": 60}), "gate")

    def alerts(since_s: float) -> list[str]:
        frames = [frame_at(since_s + n / 10, n) for n in range(10)]
        results = [pipeline.process(f, seen({1: (0.5, 0.5)}, tracked=False, height=0.3)) for f in frames]
        return [alert.rule for result in results for alert in result.alerts]

    assert alerts(0) == ["zone middle"]
    pipeline.break_off("camera gate was given up")
    assert alerts(1.1) == []


def test_regions_in_pixels_stay_where_they_lay_when_a_camera_comes_back_with_smaller_pictures() -> None:
    spec = {
        "zones": {"right": {"polygon": [[500, 0], [1000, 0], [1000, 500], [500, 500]], "units": "pixels"}}
    }
    pipeline = Pipeline(PipelineSpec.model_validate(spec), "gate")
    pipeline.process(frame_at(0), seen({1: (0.75, 0.5)}, tracked=False, height=0.3))
    pipeline.break_off("camera gate was given up")
    small = seen({1: (0.75, 0.5)}, tracked=False, height=0.3)
    small = replace(small, xyxy=small.xyxy * np.float32(0.5))
    frames = [frame_at(1 + n / 10, n, width=500, height=250) for n in range(10)]
    results = [pipeline.process(frame, small) for frame in frames]
    assert "zone.entered" in {event.type for result in results for event in result.events}
