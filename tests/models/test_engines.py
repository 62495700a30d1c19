"""What callers may rely on, on either engine: order, several at once, batches, closing."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from argus.core.errors import ModelUnavailable
from argus.vision.models import AsyncDetector, load_classifier, load_detector
from argus.vision.models.detector import NetworkDetector
from tests.models.networks import frame, names, write_network, yolov8_rows

ENGINES = ["openvino", "onnxruntime"]


def write_brightness_detector(path: Path, free_batch: bool = False) -> Path:
    """Write a network that sees one car, as sure as its picture is bright (mean of 0..1)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    rows = yolov8_rows([(32, 32, 10, 8, 1, 1.0)])
    boxes, scores = rows.copy(), rows.copy()
    boxes[:, 4:] = 0
    scores[:, :4] = 0
    nodes = [
        helper.make_node("ReduceMean", ["images"], ["mean_4d"], axes=[1, 2, 3], keepdims=1),
        helper.make_node("Reshape", ["mean_4d", "shape"], ["mean"]),
        helper.make_node("Mul", ["scores", "mean"], ["scaled"]),
        helper.make_node("Add", ["scaled", "boxes"], ["output0"]),
    ]
    batch = "batch" if free_batch else 1
    floats = TensorProto.FLOAT
    graph = helper.make_graph(
        nodes,
        "brightness",
        [helper.make_tensor_value_info("images", floats, [batch, 3, 64, 64])],
        [helper.make_tensor_value_info("output0", floats, [batch, *rows.shape[1:]])],
        [
            numpy_helper.from_array(np.array([-1, 1, 1], np.int64), "shape"),
            numpy_helper.from_array(scores, "scores"),
            numpy_helper.from_array(boxes, "boxes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    helper.set_model_props(model, names("person", "car"))
    onnx.save(model, str(path))
    return path


@pytest.fixture(params=ENGINES)
def detector(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NetworkDetector]:
    path = write_brightness_detector(tmp_path / "net.onnx")
    loaded = load_detector(path, engine=request.param, precision="f32", confidence=0.01)
    assert isinstance(loaded, NetworkDetector)
    yield loaded
    loaded.close()


def brightness(detector: NetworkDetector, *values: int) -> list[float]:
    seen = detector.detect([frame(value=v) for v in values])
    return [round(float(one.confidence[0]) * 255) for one in seen]


def test_results_come_in_the_order_of_the_frames(detector: NetworkDetector) -> None:
    values = tuple(range(20, 240, 7))
    assert brightness(detector, *values) == list(values)


def test_no_frames_give_no_results(detector: NetworkDetector) -> None:
    assert detector.detect([]) == []


def test_submissions_may_be_waited_for_in_any_order(detector: NetworkDetector) -> None:
    assert isinstance(detector, AsyncDetector)
    values = list(range(30, 230, 10))  # many more than there are slots
    pending = [detector.submit([frame(value=v)]) for v in values]
    assert len(pending) > 2 * detector.depth
    backwards = [round(float(p.result()[0].confidence[0]) * 255) for p in reversed(pending)]
    assert backwards == values[::-1]


def test_a_result_may_be_asked_for_twice(detector: NetworkDetector) -> None:
    pending = detector.submit([frame(value=100)])
    assert pending.result() is pending.result()


def test_submissions_that_nobody_waits_for_block_nobody(detector: NetworkDetector) -> None:
    for _ in range(5 * detector.depth):
        detector.submit([frame(value=100)])
    assert brightness(detector, 77) == [77]


def test_threads_do_not_mix_their_frames(detector: NetworkDetector) -> None:
    start = threading.Barrier(6)

    def work(first: int) -> list[float]:
        start.wait()
        return [v for i in range(15) for v in brightness(detector, first + i, 200 - first)]

    with ThreadPoolExecutor(6) as pool:
        results = list(pool.map(work, range(30, 90, 10)))
    expected = [[v for i in range(15) for v in (first + i, 200 - first)] for first in range(30, 90, 10)]
    assert results == expected


def test_one_submission_read_by_one_thread_and_needed_by_another(detector: NetworkDetector) -> None:
    pending = [detector.submit([frame(value=v)]) for v in range(30, 60)]
    with ThreadPoolExecutor(4) as pool:
        others = [pool.submit(brightness, detector, v) for v in range(100, 130)]
        mine = [round(float(p.result()[0].confidence[0]) * 255) for p in pending]
        assert [o.result()[0] for o in others] == list(range(100, 130))
    assert mine == list(range(30, 60))


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("streams", [1, 2])
def test_so_many_inferences_run_at_once_as_are_wanted(tmp_path: Path, engine: str, streams: int) -> None:
    path = write_brightness_detector(tmp_path / "net.onnx")
    loaded = load_detector(path, engine=engine, precision="f32", confidence=0.01, streams=streams)
    assert isinstance(loaded, NetworkDetector)
    assert loaded.depth == streams + 1, "one more is drawn meanwhile"
    assert brightness(loaded, *range(30, 60)) == list(range(30, 60))
    loaded.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_a_container_that_may_use_one_core_runs_one_inference_at_once(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if (os.cpu_count() or 1) < 2:
        pytest.skip("no machine with several cores")
    monkeypatch.setattr(f"argus.vision.models.engines.{engine}.usable_cores", lambda: 1)
    path = write_brightness_detector(tmp_path / "net.onnx")
    loaded = load_detector(path, engine=engine, precision="f32", confidence=0.01)
    assert isinstance(loaded, NetworkDetector)
    assert loaded.depth == 2, "one more is drawn meanwhile"
    assert brightness(loaded, 40, 50) == [40, 50]
    loaded.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_no_more_inferences_run_at_once_than_there_are_cores(tmp_path: Path, engine: str) -> None:
    path = write_brightness_detector(tmp_path / "net.onnx")
    loaded = load_detector(path, engine=engine, precision="f32", confidence=0.01, streams=1024)
    assert isinstance(loaded, NetworkDetector)
    assert loaded.depth <= (os.cpu_count() or 1) + 1
    assert brightness(loaded, 40, 50) == [40, 50]
    loaded.close()


def test_a_submission_says_when_its_result_is_there(detector: NetworkDetector) -> None:
    pending = detector.submit([frame(value=v) for v in range(40, 46)])
    until = time.monotonic() + 10
    while not pending.ready(0.01):
        assert time.monotonic() < until
    begin = time.thread_time()
    assert [round(float(one.confidence[0]) * 255) for one in pending.result()] == list(range(40, 46))
    assert pending.ready(0)
    assert time.thread_time() - begin < 5


def test_a_submission_whose_room_was_needed_is_ready_soon(detector: NetworkDetector) -> None:
    pending = [detector.submit([frame(value=30 + n)]) for n in range(3 * detector.depth)]
    assert all(one.ready(10) for one in pending)
    assert [round(float(p.result()[0].confidence[0]) * 255) for p in pending] == [
        30 + n for n in range(3 * detector.depth)
    ]


@pytest.mark.parametrize("engine", ENGINES)
def test_waiting_for_a_moment_is_no_waiting_for_the_end(shared_data: Path, engine: str) -> None:
    """A network that takes a hundred times as long as the moment, so that it cannot be done by then."""
    path = shared_data / "models" / "yolov8n_fp32_dynamic.onnx"
    loaded = load_detector(path, engine=engine, precision="f32")
    assert isinstance(loaded, NetworkDetector)
    pending = loaded.submit([frame(640, 640)])
    said = pending.ready(0.0)
    assert loaded.detect([frame(640, 640)]) is not None
    assert pending.ready(10)
    loaded.close()
    assert not said


def test_close_is_final_and_may_be_repeated(detector: NetworkDetector) -> None:
    running = detector.submit([frame(value=99)])
    detector.close()
    detector.close()
    assert round(float(running.result()[0].confidence[0]) * 255) == 99
    with pytest.raises(ModelUnavailable, match="the model was closed: load it again"):
        detector.detect([frame()])


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize("batch", [None, 1, 3, 8])
def test_batches_that_are_not_full_give_what_full_ones_do(
    tmp_path: Path, engine: str, batch: int | None
) -> None:
    path = write_brightness_detector(tmp_path / "net.onnx", free_batch=True)
    loaded = load_detector(path, engine=engine, precision="f32", confidence=0.01, batch=batch)
    assert isinstance(loaded, NetworkDetector)
    assert loaded.batch == (batch or 1)
    assert brightness(loaded, 50, 60, 70, 80, 90) == [50, 60, 70, 80, 90]
    loaded.close()


@pytest.mark.parametrize("engine", ENGINES)
def test_settings_choose_what_is_kept(tmp_path: Path, engine: str) -> None:
    rows = yolov8_rows([(20, 30, 10, 8, 1, 0.9), (21, 30, 10, 8, 1, 0.8), (50, 40, 4, 4, 0, 0.5)])
    path = write_network(tmp_path / "net.onnx", {"output0": rows}, metadata=names("person", "car"))

    def seen(**settings: object) -> list[str]:
        loaded = load_detector(path, engine=engine, precision="f32", **settings)
        found = loaded.detect([frame()])[0]
        loaded.close()
        return found.class_name

    assert seen() == ["car", "person"]
    assert seen(iou=0.9) == ["car", "car", "person"]
    assert seen(confidence=0.6) == ["car"]
    assert seen(classes=["person"]) == ["person"]
    assert seen(max_detections=1) == ["car"]
    assert seen(labels=["human", "vehicle"]) == ["vehicle", "human"]


@pytest.mark.parametrize("engine", ENGINES)
def test_a_classifier_takes_any_number_of_pictures(tmp_path: Path, engine: str) -> None:
    logits = np.log(np.array([[0.2, 0.5, 0.3]], np.float32))
    path = write_network(tmp_path / "net.onnx", {"output": logits})
    classifier = load_classifier(path, engine=engine, precision="f32", labels=["red", "green", "blue"])
    said = classifier.classify([np.zeros((h, 10, 3), np.uint8) for h in range(3, 12)])
    assert len(said) == 9
    assert [name for name, _ in said[8].top(2)] == ["green", "blue"]
    np.testing.assert_allclose(said[8].probabilities, [0.2, 0.5, 0.3], atol=1e-5)
    assert classifier.classify([]) == []
    classifier.close()


def test_probabilities_are_not_squashed_twice(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", {"output": np.array([[0.1, 0.7, 0.2]], np.float32)})
    classifier = load_classifier(path, engine="onnxruntime")
    said = classifier.classify([np.zeros((9, 9, 3), np.uint8)])[0]
    np.testing.assert_allclose(said.probabilities, [0.1, 0.7, 0.2], atol=1e-6)
    classifier.close()


def test_importing_the_models_loads_no_engine() -> None:
    code = (
        "import sys, argus.vision.models\n"
        "print([m for m in ('openvino', 'onnxruntime', 'torch') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_openvino_comes_without_its_telemetry() -> None:
    code = (
        "import sys\n"
        "from argus.vision.models.engines.openvino import import_openvino\n"
        "assert import_openvino().Core().available_devices\n"
        "print([m for m in sys.modules if m.split('.')[0] == 'openvino_telemetry'])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_onnx_runtime_comes_without_its_telemetry(tmp_path: Path) -> None:
    code = "from argus.vision.models.engines.onnxruntime import import_onnxruntime as it; it()"
    # Where it has any, it begins with the import: a session's file, and a database of what is to be sent.
    places = {name: str(tmp_path) for name in ("TMPDIR", "HOME", "XDG_CACHE_HOME")}
    env = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"} | places
    subprocess.run([sys.executable, "-c", code], env=env, check=True)
    assert list(tmp_path.rglob("*")) == []
