"""Bad weights and impossible specs get one clear message; broken numbers never become boxes."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from structlog.testing import capture_logs

from argus.core.errors import (
    MissingExtra,
    ModelError,
    ModelUnavailable,
    ModelUnreadable,
    SpecError,
    UnknownName,
    UntrustedModel,
    WrongTask,
)
from argus.vision.models import (
    load_classifier,
    load_detector,
    load_embedder,
    load_model,
    load_segmenter,
)
from argus.vision.models.pull import pull
from argus.vision.models.registry import Registry
from argus.vision.models.registry_facts import inspect
from tests.models.networks import frame, names, write_network, yolov8_rows

LABELS = names("person", "car")


@pytest.fixture
def detector_file(tmp_path: Path) -> Path:
    rows = yolov8_rows([(20, 30, 10, 8, 1, 0.9)])
    return write_network(tmp_path / "cars.onnx", {"output0": rows}, metadata=LABELS)


@pytest.fixture
def classifier_file(tmp_path: Path) -> Path:
    return write_network(tmp_path / "colour.onnx", {"output": np.array([[1, 3, 2]], np.float32)})


def test_a_truncated_network_says_so(detector_file: Path) -> None:
    content = detector_file.read_bytes()
    detector_file.write_bytes(content[: len(content) // 2])
    with pytest.raises(ModelUnreadable) as caught:
        load_model(detector_file)
    assert str(caught.value) == (
        "cars.onnx: this is no ONNX network that can be read (it is cut short, damaged or of another "
        "format): export or download it again, and compare its size and checksum with the original"
    )


@pytest.mark.parametrize(
    ("content", "fact"),
    [
        (b"", "the file is empty"),
        (b"hello " * 100, "damaged or of another format"),
        (b"\x89PNG\r\n", "another format"),
    ],
)
def test_a_file_that_is_no_network_says_so(tmp_path: Path, content: bytes, fact: str) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(content)
    with pytest.raises(ModelUnreadable, match=rf"net\.onnx: this is no ONNX network.*{fact}"):
        load_model(path)


def test_a_missing_file_names_its_neighbour(detector_file: Path) -> None:
    with pytest.raises(ModelUnreadable, match=r"there is no such file.*did you mean 'cars\.onnx' in .*\?"):
        load_model(detector_file.with_name("car.onnx"))


@pytest.mark.parametrize(
    "metadata",
    [
        {"names": "[" * 100_000},
        {"names": "{[]: 'a'}"},
        {"names": "{0: 'a', 1e400: 'b'}"},
        {"imgsz": "-" * 100_000 + "1"},
        {"imgsz": "{[]: 1}"},
        {"imgsz": "[0, 0]"},
        {"imgsz": "True"},
        {"imgsz": "1000000"},
        {"stride": "9" * 5000},
        {"stride": "999999"},
    ],
)
def test_metadata_that_make_no_sense_say_nothing(metadata: dict[str, str], tmp_path: Path) -> None:
    rows = yolov8_rows([(20, 30, 10, 8, 1, 0.9)], side=640)
    free = write_network(
        tmp_path / "cars.onnx", {"output0": rows}, picture=(1, 3, "h", "w"), metadata=metadata
    )
    seen = inspect(str(free), Registry(tmp_path / "models"))
    assert (seen.labels, seen.input_size) == (("class_0", "class_1"), (640, 640))


def test_metadata_in_another_encoding_are_one_clear_error(tmp_path: Path) -> None:
    file = write_network(
        tmp_path / "cars.onnx",
        {"output0": yolov8_rows([(20, 30, 10, 8, 1, 0.9)])},
        metadata=names("perXson", "car"),
    )
    file.write_bytes(file.read_bytes().replace(b"perXson", b"per\xe9son"))
    with pytest.raises(ModelUnreadable, match=r"cars\.onnx: its names or metadata are no text in UTF-8"):
        load_model(file)


@pytest.mark.parametrize("layout", [None, "yolov8", "classifier"])
@pytest.mark.parametrize("gives_a_number", [True, False])
def test_a_network_that_gives_no_array_says_so(
    tmp_path: Path, layout: str | None, gives_a_number: bool
) -> None:
    import onnx
    from onnx import TensorProto, helper

    picture = helper.make_tensor_value_info("images", TensorProto.FLOAT, [1, 3, 64, 64])
    number = helper.make_tensor_value_info("mean", TensorProto.FLOAT, [])
    node = helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0)
    graph = helper.make_graph([node], "number", [picture], [number] if gives_a_number else [])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "net.onnx"))
    with pytest.raises(ModelUnreadable, match=r"net\.onnx: the first output of this network is no array"):
        load_model(tmp_path / "net.onnx", layout=layout)


def test_a_network_that_wants_what_nobody_gives_it_is_refused_before_its_first_picture(
    tmp_path: Path,
) -> None:
    rows = yolov8_rows([(20, 30, 10, 8, 1, 0.9)])
    size = {"image_shape": ("FLOAT", (1, 2))}
    file = write_network(tmp_path / "cars.onnx", {"output0": rows}, metadata=LABELS, extra=size)
    with pytest.raises(
        ModelUnreadable, match=r"cars\.onnx: read as yolov8, .* it also wants image_shape \[1, 2\] float32"
    ):
        load_model(file)


@pytest.mark.parametrize("height", [64, "h"])
def test_numbers_that_onnx_runtime_cannot_hand_over_are_refused(tmp_path: Path, height: int | str) -> None:
    import onnx
    from onnx import TensorProto, helper

    kinds = TensorProto.BFLOAT16
    picture = helper.make_tensor_value_info("images", kinds, [1, 3, height, height])
    rows = helper.make_tensor_value_info("output0", kinds, [1, 6, 84 if height == 64 else "n"])
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["floats"], ["mean"], keepdims=0),
        helper.make_node("Expand", ["mean", "shape"], ["many"]),
        helper.make_node("Cast", ["many"], ["output0"], to=kinds),
    ]
    shape = helper.make_tensor("shape", TensorProto.INT64, [3], [1, 6, 84])
    graph = helper.make_graph(nodes, "bf16", [picture], [rows], [shape])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.save(model, str(tmp_path / "net.onnx"))
    with pytest.raises(ModelUnreadable, match=r"net\.onnx: ONNX Runtime cannot exchange images .*bfloat16"):
        load_model(tmp_path / "net.onnx", engine="onnxruntime", input_size=(64, 64))


@pytest.mark.parametrize("path", ["~nobody-here/cars.onnx", "c" * 300 + ".onnx"])
def test_a_path_that_cannot_be_is_as_one_that_is_not(path: str, tmp_path: Path) -> None:
    registry = Registry(tmp_path / "models")
    for tried in (load_model, partial(inspect, registry=registry)):
        with pytest.raises(ModelUnreadable, match="there is no such file, and no model of this name"):
            tried(path)
    with pytest.raises(ModelUnreadable, match="there is no such file; check the path"):
        pull(path, registry, tmp_path)


def test_labels_of_a_user_whom_nobody_knows_are_missing(detector_file: Path) -> None:
    with pytest.raises(SpecError, match=r"labels file ~nobody-here/names\.txt: No such file"):
        load_model(detector_file, labels="~nobody-here/names.txt")


def test_an_unknown_name_points_to_the_registry() -> None:
    with pytest.raises(
        ModelUnreadable, match=r"model gate-people: .*no model of this name in the registry.*models pull"
    ):
        load_model("gate-people")


def test_a_folder_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ModelUnreadable, match="this is a folder; name the file of the weights in it"):
        load_model(tmp_path)


def test_an_unknown_builtin_lists_the_known_ones() -> None:
    with pytest.raises(
        UnknownName, match=r"unknown built-in model 'peeple'; did you mean 'people'\?; known: motion, people"
    ):
        load_model("builtin:peeple")


def test_an_unknown_setting_names_the_nearest() -> None:
    with pytest.raises(SpecError, match=r"confidense: unknown field; did you mean 'confidence'\?"):
        load_model("net.onnx", confidense=0.4)


def test_a_classifier_is_no_detector(classifier_file: Path) -> None:
    with pytest.raises(
        WrongTask, match=r"colour\.onnx is a classifier, and a detector is needed here.*load_classifier"
    ):
        load_detector(classifier_file)


@pytest.mark.parametrize("door", [load_classifier, load_embedder, load_segmenter])
def test_a_detector_is_nothing_else(detector_file: Path, door: Any) -> None:
    with pytest.raises(WrongTask, match=r"cars\.onnx is a detector"):
        door(detector_file)


def test_the_task_of_the_spec_must_be_that_of_the_network(classifier_file: Path) -> None:
    with pytest.raises((WrongTask, ModelUnreadable), match=r"output \[1, 3\] float32"):
        load_model(classifier_file, task="detect")


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_a_wrong_number_of_labels_is_refused(detector_file: Path, engine: str) -> None:
    with pytest.raises(SpecError, match=r"cars\.onnx: 3 labels were given for a network with 2 classes"):
        load_model(detector_file, labels=["a", "b", "c"], engine=engine)


def test_an_unknown_class_is_refused(detector_file: Path) -> None:
    with pytest.raises(UnknownName, match=r"unknown class 'cars'; did you mean 'car'\?; known: car, person"):
        load_model(detector_file, classes=["cars"])


def test_an_input_size_that_the_network_does_not_take_is_refused(detector_file: Path) -> None:
    with pytest.raises(SpecError, match=r"input_size 320x320 was asked of a network whose input is 64x64"):
        load_model(detector_file, input_size=320)


@pytest.mark.parametrize(
    ("settings", "fact"),
    [
        ({"precision": "int8"}, r"precision int8 was asked of a network that is not quantised"),
        (
            {"engine": "onnxruntime", "precision": "bf16"},
            r"runs a network in the precision of its file, not in bf16",
        ),
        ({"engine": "openvino", "device": "cuda"}, r"device 'cuda' is not one of OpenVINO's"),
    ],
)
def test_what_an_engine_cannot_do_is_said(detector_file: Path, settings: dict[str, str], fact: str) -> None:
    with pytest.raises(SpecError, match=fact):
        load_model(detector_file, **settings)


@pytest.mark.parametrize(
    ("engine", "device", "fact"),
    [
        ("onnxruntime", "coreml", "ONNX Runtime cannot use the device"),
        ("openvino", "NPU", "OpenVINO knows no device"),
    ],
)
def test_a_device_that_is_not_there_lists_those_that_are(
    detector_file: Path, engine: str, device: str, fact: str
) -> None:
    with pytest.raises(ModelUnavailable, match=rf"{fact} '(?i:{device})' here: take one of .*(?i:cpu)"):
        load_model(detector_file, engine=engine, device=device, precision="f32")


def test_pickled_weights_are_not_touched_unless_trusted(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(b"not even a pickle")
    with pytest.raises(
        UntrustedModel, match=r"net\.pt: weights of this format can run code.*`trusted: true`"
    ):
        load_model(path)


def test_trusted_pickled_weights_need_their_extra_or_be_readable(tmp_path: Path) -> None:
    path = tmp_path / "net.pt"
    path.write_bytes(b"not even a pickle")
    with pytest.raises(
        (MissingExtra, ModelError), match=r"argus-vision\[torch\]|net\.pt: ultralytics cannot load"
    ):
        load_model(path, trusted=True)


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
def test_nan_and_infinity_are_left_out_and_told_once(tmp_path: Path, engine: str) -> None:
    rows = yolov8_rows([(20, 30, 10, 8, 1, 0.9), (40, 30, 10, 8, 1, 0.8), (50, 30, 4, 4, 0, 0.7)])
    rows[0, 5, 1] = np.nan
    rows[0, 2, 2] = np.inf
    path = write_network(tmp_path / "net.onnx", {"output0": rows}, metadata=LABELS)
    detector = load_detector(path, engine=engine, precision="f32")
    with capture_logs() as logs:
        for _ in range(2):
            seen = detector.detect([frame(128, 64)])[0]
            assert len(seen) == 1
            np.testing.assert_allclose(seen.xyxy, [[30, 20, 50, 36]], atol=1e-3)
    detector.close()
    told = [entry for entry in logs if entry["event"] == "model.not_finite"]
    assert [(entry["log_level"], entry["count"]) for entry in told] == [("warning", 2)]


def of_v8(value: float) -> dict[str, np.ndarray[Any, Any]]:
    return {"output0": np.full((1, 6, 84), value, np.float32)}


BROKEN: dict[str, Any] = {
    "yolov8": of_v8,
    "yolov5": lambda v: {"output": np.full((1, 252, 7), v, np.float32)},
    "yolox": lambda v: {"output": np.full((1, 84, 7), v, np.float32)},
    "end2end": lambda v: {"output0": np.full((1, 300, 6), v, np.float32)},
    "detr": lambda v: {
        "logits": np.full((1, 20, 2), v, np.float32),
        "pred_boxes": np.full((1, 20, 4), v, np.float32),
    },
    "fastestdet": lambda v: {"758": np.full((1, 7, 4, 4), v, np.float32)},
    "yolov8-seg": lambda v: {
        "output0": np.full((1, 4 + 2 + 2, 84), v, np.float32),
        "output1": np.full((1, 2, 16, 16), v, np.float32),
    },
    "nanodet": lambda v: {
        f"{kind}{n}": np.full((1, n, width), v, np.float32)
        for kind, width in (("s", 2), ("d", 32))
        for n in (64, 16, 4)
    },
}


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("layout", sorted(BROKEN))
def test_a_network_gone_mad_sees_nothing(tmp_path: Path, layout: str, value: float) -> None:
    path = write_network(tmp_path / "net.onnx", BROKEN[layout](value), metadata=LABELS)
    detector = load_detector(path, engine="onnxruntime")
    assert getattr(detector, "layout", "") == layout
    seen = detector.detect([frame()])[0]
    detector.close()
    assert np.isfinite(seen.xyxy).all()
    assert np.isfinite(seen.confidence).all()
    assert len(seen) == 0


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_classifier_gone_mad_stays_a_distribution(tmp_path: Path, value: float) -> None:
    path = write_network(tmp_path / "net.onnx", {"output": np.array([[value, 1, 2]], np.float32)})
    classifier = load_classifier(path, engine="onnxruntime")
    with capture_logs() as logs:
        said = classifier.classify([np.zeros((9, 9, 3), np.uint8)])[0]
    classifier.close()
    assert said.probabilities.sum() == pytest.approx(1)
    assert [entry["event"] for entry in logs if entry["log_level"] == "warning"] == ["model.not_finite"]


@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 4000), (7680, 4320), (3, 2)])
def test_frames_of_any_size_are_seen(detector_file: Path, width: int, height: int) -> None:
    detector = load_detector(detector_file, precision="f32")
    seen = detector.detect([frame(width, height)])[0]
    detector.close()
    assert (seen.xyxy[:, ::2] <= width).all()
    assert (seen.xyxy[:, 1::2] <= height).all()
