"""What a trace holds of each second, and that an engine tells it whether frames come or not."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from argus.core.errors import UnknownName
from argus.core.resources.camera import CameraSpec
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.engine import Engine
from argus.vision.models import load_detector
from argus.vision.models.doubts import FLOOR, DoubtfulDetections, Doubting
from argus.vision.sources import open_source
from argus.vision.trace import OBJECTS, VERSION
from tests.engine.parts import Models
from tests.rules.tracing import ZONE, Traced, between, standing
from tests.sources.settling import comes_true
from tests.sources.videos import make_video

GUARDED = {"zones": {"gate": {**ZONE, "severity": "high", "enter_after": "0.5s"}}}


def one_second(spec: dict[str, Any], *scenes: Any, **options: Any) -> dict[str, Any]:
    traced = Traced(spec)
    for scene in scenes:
        traced.run(1, scene, **options)
    return traced.seconds[-1]


def test_frames_are_counted_by_what_became_of_them_in_this_second_alone() -> None:
    traced = Traced(GUARDED).run(2).run(1, fate="gated").run(1, fate="none")
    assert [second["frames"] for second in traced.seconds] == [
        {"decoded": 10, "processed": 10},
        {"decoded": 10, "processed": 10},
        {"decoded": 10, "gated": 10},
        {},
    ]
    assert all(second["v"] == VERSION for second in traced.seconds)


def test_an_object_is_told_with_class_best_score_place_and_stay() -> None:
    second = one_second(GUARDED, standing(0.5, 0.5), standing(0.5, 0.5))
    [row] = second["objects"]
    assert row["class"] == "person"
    assert row["best"] == 0.9
    assert row["n"] == 10
    assert row["box"] == pytest.approx([0.48, 0.34, 0.52, 0.5], abs=0.01)
    assert row["zones"] == {"gate": [1.9, True]}
    assert second["confidence"] == 0.25
    assert second["size"] == (1000, 500)


def test_an_entry_that_does_not_count_yet_is_told_as_such() -> None:
    [row] = one_second(GUARDED, between(0.0, 0.3, standing(0.5, 0.5)))["objects"]
    assert row["zones"] == {"gate": [pytest.approx(0.2), False]}


def test_one_who_was_seen_last_in_the_second_before_is_told_no_more() -> None:
    assert "objects" not in one_second(GUARDED, standing(0.5, 0.5), lambda _: [])


def test_one_whose_place_another_takes_within_the_second_is_told_too() -> None:
    spec = {**GUARDED, "track": {"lost_after": "0.15s"}}
    first, then = between(0, 0.3, standing(0.2, 0.5)), between(0.6, 1, standing(0.8, 0.5))
    rows = one_second(spec, lambda t: [*first(t), *then(t)])["objects"]
    assert sorted(row["id"] for row in rows) == [1, 2]


def test_a_crowd_is_told_up_to_a_limit_and_those_in_zones_first() -> None:
    many = [(0.02 + 0.03 * n, 0.4, "person", 0.9) for n in range(12)]
    many += [(0.02 + 0.03 * n, 0.9, "person", 0.9) for n in range(12)] + [(0.5, 0.6, "person", 0.6)]
    second = one_second(GUARDED, lambda _: many)
    assert len(second["objects"]) == OBJECTS
    assert second["more"] == len(many) - OBJECTS
    assert "zones" in second["objects"][0]


def test_events_and_alerts_are_told_with_their_ids() -> None:
    second = one_second(GUARDED, standing(0.5, 0.5))
    assert [event["type"] for event in second["events"]] == ["object.appeared", "zone.entered"]
    [alert] = second["alerts"]
    assert alert["event"] == second["events"][1]["id"]
    assert alert["rule"] == "zone gate"


def test_a_second_is_small_and_plain() -> None:
    many = [(0.05 + 0.09 * n, 0.5, "person", 0.9) for n in range(10)]
    second = one_second(GUARDED, lambda _: many, lambda _: many)
    assert len(json.dumps({**second, "at": ""})) < 2500


def test_what_a_network_leaves_out_is_told_only_when_asked_for(shared_data: Path) -> None:
    detector = load_detector(
        shared_data / "models" / "yolox_nano_416.onnx", precision="f32", classes=["person"]
    )
    try:
        assert isinstance(detector, Doubting)
        with open_source(shared_data / "video" / "car_traffic_small.mp4") as source:
            frame = next(iter(source))
        [plain] = detector.detect([frame])
        assert not isinstance(plain, DoubtfulDetections)
        detector.doubts = FLOOR
        [told] = detector.detect([frame])
        assert np.array_equal(told.xyxy, plain.xyxy)
        assert np.array_equal(told.confidence, plain.confidence)
        assert isinstance(told, DoubtfulDetections)
        assert told.doubts is not None
        names = told.doubts.class_name
        assert "car" in names
        assert len(names) == len(set(names)) <= 4
        car = told.doubts.confidence[names.index("car")]
        assert car > 0.25
    finally:
        detector.close()


@pytest.fixture
def engine() -> Iterator[Engine]:
    with Engine(open_model=Models().open) as engine:
        yield engine


PLAIN = PipelineSpec.model_validate({"detect": "finder"})


def test_an_engine_tells_a_pipelines_seconds(engine: Engine) -> None:
    heard: list[tuple[datetime, dict[str, Any]]] = []
    engine.add_camera("yard", CameraSpec(url="synthetic:plaza?fps=10&width=160&height=120"))
    engine.add_pipeline("p", PLAIN, camera="yard")
    engine.trace("p", lambda at, data: heard.append((at, data)))
    assert comes_true(lambda: len(heard) >= 3)
    at, data = heard[2]
    assert (at - heard[1][0]).total_seconds() == pytest.approx(data["s"], abs=0.3)
    assert data["frames"]["processed"] >= 5
    assert data["camera"]["state"] in {"online", "connecting"}
    assert data["objects"][0]["class"] == "thing"
    assert data["model"] == "finder"


def test_a_pipeline_whose_camera_is_away_is_traced_as_well(engine: Engine, tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    engine.add_camera("gone", CameraSpec(url="rtsp://127.0.0.1:9/none", lost_after=0.3))
    engine.add_pipeline("p", PLAIN, camera="gone")
    engine.trace("p", lambda _, data: heard.append(data))
    assert comes_true(lambda: any(data["camera"]["state"] == "lost" for data in heard))
    assert not heard[-1]["frames"]


def test_a_trace_goes_on_over_a_change_and_ends_when_told(engine: Engine) -> None:
    heard: list[dict[str, Any]] = []
    engine.add_camera("yard", CameraSpec(url="synthetic:plaza?fps=10&width=160&height=120"))
    engine.add_pipeline("p", PLAIN, camera="yard")
    engine.trace("p", lambda _, data: heard.append(data))
    engine.change_pipeline("p", PLAIN.model_copy(update={"cooldown": 5.0}))
    seen = len(heard)
    assert comes_true(lambda: len(heard) > seen + 1 and "objects" in heard[-1])
    engine.trace("p", None)
    seen = len(heard)
    assert not comes_true(lambda: len(heard) > seen + 1, 1.5)
    with pytest.raises(UnknownName):
        engine.trace("q", None)


@pytest.mark.parametrize("change", ["change_pipeline", "swap_model"])
def test_a_trace_goes_on_over_a_change_of_model_within_its_second(engine: Engine, change: str) -> None:
    heard: list[dict[str, Any]] = []
    engine.add_camera("yard", CameraSpec(url="synthetic:plaza?fps=10&width=160&height=120"))
    engine.add_pipeline("p", PLAIN, camera="yard")
    member = engine.members["p"]
    assert comes_true(lambda: member.counts.processed >= 5)
    seen = member.counts.decoded
    engine.trace("p", lambda _, data: heard.append(data))
    other = ModelSpec.model_validate({"path": "other", "confidence": 0.7})
    if change == "change_pipeline":
        engine.change_pipeline("p", PipelineSpec.model_validate({"detect": {"model": other}}))
    else:
        engine.swap_model("finder", other)
    assert comes_true(lambda: member.counts.processed > seen + 2)
    engine.remove_pipeline("p")
    assert sum(data["frames"].get("decoded", 0) for data in heard) <= member.counts.decoded - seen
    assert heard[-1]["confidence"] == 0.7


def test_a_recording_that_ends_is_no_camera_that_is_lost(engine: Engine, tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    film = make_video(tmp_path / "a.mp4", frames=12, fps=10)
    engine.add_camera("film", CameraSpec(url=str(film), lost_after=0.3))
    engine.add_pipeline("p", PLAIN, camera="film")
    engine.trace("p", lambda _, data: heard.append(data))
    assert comes_true(lambda: any("to its end" in data["camera"]["reason"] for data in heard))
    assert {data["camera"]["state"] for data in heard} <= {"online", "connecting", "ended"}
