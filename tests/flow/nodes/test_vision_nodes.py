"""Detector, tracker and zones as nodes, over the drawn plaza and a real video."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.core.detections import Detections
from argus.core.errors import ArgusError, ModelUnreadable, UnknownName
from argus.core.frame import Frame
from argus.flow.nodes.camera import Camera
from argus.flow.nodes.detector import Detector
from argus.flow.nodes.frame_detections import FrameDetections, relative, size_of
from argus.flow.nodes.tracker import Tracker
from argus.flow.nodes.zones import Zones
from argus.vision.models.detector import NetworkDetector
from argus.vision.pipeline import Pipeline
from argus.vision.results import Event
from argus.vision.synthetic.suggestion import PLAZA_LINES, PLAZA_ZONES
from tests.flow.nodes.driving import Bench, on_bench

PLAZA = "synthetic:plaza?frames=90&fps=15&width=640&height=360"


@pytest.fixture(scope="module")
def frames() -> list[Frame]:
    """Six seconds of the plaza."""
    with on_bench(Camera(), url=PLAZA, realtime=False) as camera:
        while camera.turn():
            pass
    return [sent.value for sent in camera.sent]


@pytest.fixture(scope="module")
def found(frames: list[Frame]) -> list[FrameDetections]:
    """What the detector sees in them."""
    with on_bench(Detector(), precision="f32", model="builtin:plaza") as detector:
        for frame in frames:
            detector.give(frame, index=frame.index, time_s=frame.time_s)
    return [sent.value for sent in detector.sent if sent.output == "out"]


def test_a_detector_sends_what_is_in_a_frame_its_size_and_the_frame(
    frames: list[Frame], found: list[FrameDetections]
) -> None:
    assert len(found) == len(frames)
    assert sum(len(one) for one in found) > 200
    assert {name for one in found for name in one.class_name} == {"person", "vehicle"}
    assert size_of(found[0]) == (frames[0].width, frames[0].height)
    with on_bench(Detector(), precision="f32", model="builtin:plaza") as detector:
        detector.give(frames[3])
    assert [sent.output for sent in detector.sent] == ["out", "frame"]
    assert np.array_equal(detector.sent[1].value.bgr, frames[3].bgr)


@pytest.mark.parametrize(("replicas", "one_stream"), [(1, True), (2, False)])
def test_all_cores_look_at_a_frame_unless_replicas_share_them(replicas: int, one_stream: bool) -> None:
    node = Detector()
    node.replicas = replicas
    with on_bench(node, precision="f32", model="builtin:plaza"):
        assert isinstance(node._model, NetworkDetector)
        assert (node._model.depth == 2) is one_stream, "one stream, and one more is drawn meanwhile"


def test_a_bare_picture_is_looked_at_too(frames: list[Frame], found: list[FrameDetections]) -> None:
    with on_bench(Detector(), precision="f32", model="builtin:plaza") as detector:
        detector.give(frames[3].bgr, index=3)
    assert np.allclose(detector.sent[0].value.xyxy, found[3].xyxy)


def test_confidence_and_classes_can_be_changed_while_it_runs(frames: list[Frame]) -> None:
    def look(bench: Bench) -> Detections:
        bench.sent.clear()
        bench.give(frames[40])
        value: Detections = bench.sent[0].value
        return value

    with on_bench(Detector(), precision="f32", model="builtin:plaza", confidence=0.4) as detector:
        usual = look(detector)
        detector.change(confidence=0.9)
        sure = look(detector)
        detector.change(confidence=0.1)
        faint = look(detector)
        detector.change(confidence=0.4, classes=["vehicle"])
        vehicles = look(detector)
    assert len(sure) < len(usual) <= len(faint)
    assert set(vehicles.class_name) == {"vehicle"}
    assert len(vehicles) == usual.class_name.count("vehicle")


def test_params_that_the_model_cannot_take_leave_all_as_it_was(frames: list[Frame]) -> None:
    with on_bench(Detector(), precision="f32", model="builtin:plaza") as detector:
        detector.give(frames[40])
        before = len(detector.sent[0].value)
        with pytest.raises(UnknownName, match="did you mean 'person'"):
            detector.change(classes=["persn"])
        with pytest.raises(ArgusError, match="no-such-model"):
            detector.change(model="no-such-model")
        assert (detector.node.params.classes, detector.node.params.model) == (None, "builtin:plaza")
        detector.sent.clear()
        detector.give(frames[40])
        assert len(detector.sent[0].value) == before > 0


def test_a_model_or_class_that_is_unknown_is_said_in_setup() -> None:
    with pytest.raises(ModelUnreadable), on_bench(Detector(), model="no-such-model"):
        pass
    with (
        pytest.raises(UnknownName, match="persn"),
        on_bench(Detector(), precision="f32", model="builtin:plaza", classes="persn"),
    ):
        pass


def test_what_is_no_picture_is_refused_with_the_remedy() -> None:
    with on_bench(Detector(), precision="f32", model="builtin:plaza") as detector:
        for value in ({"a": 1}, np.zeros((3, 4), np.float32)):
            with pytest.raises(ArgusError, match="send it a Frame"):
                detector.give(value)


def test_a_tracker_gives_the_same_ids_as_a_pipeline(
    found: list[FrameDetections], frames: list[Frame]
) -> None:
    from argus.core.resources.pipeline import PipelineSpec

    pipeline = Pipeline(PipelineSpec(), "camera")
    with on_bench(Tracker()) as tracker:
        for frame, objects in zip(frames, found, strict=True):
            tracker.give(objects, "detector->tracker", index=frame.index, time_s=frame.time_s)
            expected = pipeline.process(frame, objects).detections.track_id
            assert expected is not None
            assert tracker.sent[-1].value.track_id.tolist() == expected.tolist()
    last = tracker.sent[-1].value
    assert max(last.track_id) >= 3
    assert size_of(last) == size_of(found[0])


def test_each_source_has_a_tracker_of_its_own(found: list[FrameDetections]) -> None:
    with on_bench(Tracker()) as tracker:
        for source in ("a", "b"):
            for index in range(5):
                tracker.give(found[index], "detector->tracker", source=source, index=index, time_s=index / 15)
    half = len(tracker.sent) // 2
    first, second = tracker.sent[:half], tracker.sent[half:]
    assert [s.value.track_id.tolist() for s in first] == [s.value.track_id.tolist() for s in second]


def test_a_tracker_leaves_out_what_comes_too_late_and_says_what_to_do(found: list[FrameDetections]) -> None:
    with on_bench(Tracker()) as tracker, capture_logs() as said:
        for index in (0, 2, 1, 3, 3):
            tracker.give(found[index], "detector->tracker", index=index, time_s=index / 15)
    assert len(tracker.sent) == 4
    [line] = said
    assert (line["event"], line["left_out"]) == ("tracker.out_of_order", 1)
    assert "DURABLE(ordered=True)" in line["remedy"]


def events_of(zones: Bench) -> list[dict[str, Any]]:
    return [event for sent in zones.sent if sent.output == "out" for event in sent.value]


def test_zones_tell_the_events_of_a_pipeline(found: list[FrameDetections], frames: list[Frame]) -> None:
    from argus.core.resources.pipeline import PipelineSpec

    spec = PipelineSpec.model_validate({"zones": PLAZA_ZONES, "lines": PLAZA_LINES})
    pipeline = Pipeline(spec, "camera")
    expected: list[Event] = []
    with on_bench(Zones(), zones=PLAZA_ZONES, lines=PLAZA_LINES) as zones:
        for frame, objects in zip(frames, found, strict=True):
            expected += pipeline.process(frame, objects).events
            zones.give(objects, "detector->zones", index=frame.index, time_s=frame.time_s)
    expected += pipeline.finish()
    told = events_of(zones)
    kind = ("type", "phase", "object", "class", "start")
    assert [tuple(e[k] for k in kind) for e in told] == [
        (e.type, e.phase, e.object_id, e.class_name, round(e.start_s, 3)) for e in expected
    ]
    assert {"zone.entered", "object.appeared"} <= {e["type"] for e in told}
    assert next(e for e in told if "alert" in e)["alert"]["severity"] == "high"
    counts = [s.value for s in zones.sent if s.output == "counts"]
    assert len(counts) == len(frames)
    assert set(counts[0]) == {"restricted", "road"}


def test_zones_end_what_goes_on_when_their_node_ends(found: list[FrameDetections]) -> None:
    with on_bench(Zones(), zones=PLAZA_ZONES) as zones:
        for index, objects in enumerate(found):
            zones.give(objects, "detector->zones", source="a" if index % 2 else "b", time_s=index / 15)
    told = events_of(zones)
    begun = {e["id"] for e in told if e["phase"] == "start"}
    ended = [e["id"] for e in told if e["phase"] == "end"]
    assert begun
    assert begun <= set(ended)
    assert len(ended) == len(set(ended))
    assert {e["end"] for e in zones.sent[-1].value} == {None}


def test_zones_end_what_goes_on_when_they_are_drawn_anew(found: list[FrameDetections]) -> None:
    with on_bench(Zones(), zones=PLAZA_ZONES) as zones:
        for index in range(30):
            zones.give(found[index], "detector->zones", index=index, time_s=index / 15)
        begun = {e["id"] for e in events_of(zones) if e["phase"] == "start"}
        zones.change(zones={})
        assert begun == {e["id"] for e in events_of(zones) if e["phase"] == "end" and e["id"] in begun}


def test_zones_take_ids_that_are_there_already(found: list[FrameDetections], frames: list[Frame]) -> None:
    with (
        on_bench(Tracker()) as tracker,
        on_bench(Zones(), zones=PLAZA_ZONES) as zones,
        on_bench(Zones(), zones=PLAZA_ZONES) as alone,
    ):
        for frame, objects in zip(frames, found, strict=True):
            tracker.give(objects, "detector->tracker", index=frame.index, time_s=frame.time_s)
            zones.give(tracker.sent[-1].value, "tracker->zones", index=frame.index, time_s=frame.time_s)
            alone.give(objects, "detector->zones", index=frame.index, time_s=frame.time_s)
    kinds = [
        [(e["type"], e["phase"], e["object"], e["start"]) for e in events_of(bench)]
        for bench in (zones, alone)
    ]
    assert kinds[0] == kinds[1]


def test_zones_can_be_drawn_anew_while_it_runs(found: list[FrameDetections]) -> None:
    everywhere = {"all": {"polygon": [[0, 0], [1, 0], [1, 1], [0, 1]], "enter_after": 0}}
    with on_bench(Zones(), zones={"corner": {"polygon": [[0, 0], [0.01, 0], [0, 0.01]]}}) as zones:
        for index in range(30):
            if index == 15:
                zones.change(zones=everywhere)
            zones.give(found[index], "detector->zones", index=index, time_s=index / 15)
    assert {e["zone"] for e in events_of(zones) if e["type"] == "zone.entered"} == {"all"}


def test_detections_without_a_size_ask_for_one(found: list[FrameDetections]) -> None:
    one = found[0]
    bare = Detections(one.xyxy, one.confidence, one.class_id, one.labels)
    with (
        on_bench(Zones(), zones=PLAZA_ZONES) as zones,
        pytest.raises(ArgusError, match=r"width=… and height=…"),
    ):
        zones.give(bare)
    with on_bench(Zones(), zones=PLAZA_ZONES, width=1280, height=720) as zones:
        zones.give(bare)
        assert zones.sent


@pytest.mark.parametrize("node", [Tracker, Zones])
def test_what_is_no_detections_is_refused(node: Any) -> None:
    with on_bench(node()) as bench, pytest.raises(ArgusError, match="got a dict"):
        bench.give({"a": 1})


def test_boxes_in_parts_of_a_picture() -> None:
    boxes = np.array([[0, 0, 32, 24], [64, 48, 64, 48]], np.float32)
    assert relative(boxes, 64, 48).tolist() == [[0, 0, 0.5, 0.5], [1, 1, 1, 1]]


def test_people_are_found_and_followed_in_a_real_video(shared_data: Path) -> None:
    url = str(shared_data / "video" / "vtest.avi")
    with (
        on_bench(Camera(), url=url, realtime=False) as camera,
        on_bench(Detector(), model="builtin:motion") as detector,
        on_bench(Tracker()) as tracker,
    ):
        began_s = time.monotonic()
        for _ in range(60):
            assert camera.turn()
            sent = camera.sent.pop()
            detector.give(sent.value, index=sent.index or 0, time_s=sent.time_s)
            objects = detector.sent[0].value
            detector.sent.clear()
            tracker.give(objects, "detector->tracker", index=sent.index or 0, time_s=sent.time_s)
        assert time.monotonic() - began_s < 60
    ids = {int(i) for s in tracker.sent for i in s.value.track_id if i}
    assert 3 <= len(ids) <= 60
