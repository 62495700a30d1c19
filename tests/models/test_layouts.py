"""Every family of networks is recognised by itself and read right, on both engines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.errors import ModelUnreadable, UnknownName
from argus.vision.models import load_detector, load_model
from argus.vision.models.detector import NetworkDetector
from tests.models.networks import frame, names, write_network, yolov8_rows

ENGINES = ("openvino", "onnxruntime")
CELLS = 64 + 16 + 4
"""Grid cells of a 64 x 64 canvas over strides 8, 16, 32."""


def see(
    path: Path, engine: str = "onnxruntime", wide: int = 128, **settings: object
) -> tuple[str, Detections]:
    """Return the layout of a network and what it sees in a 128 x 64 picture."""
    detector = load_detector(path, engine=engine, precision="f32", **settings)
    assert isinstance(detector, NetworkDetector)
    seen = detector.detect([frame(wide, 64)])[0]
    detector.close()
    return detector.layout, seen


def expect(seen: Detections, *objects: tuple[str, float, tuple[float, float, float, float]]) -> None:
    """Assert that exactly these objects are seen, the best first."""
    assert seen.class_name == [name for name, _, _ in objects]
    np.testing.assert_allclose(seen.confidence, [score for _, score, _ in objects], atol=1e-5)
    np.testing.assert_allclose(seen.xyxy, [box for _, _, box in objects], atol=1e-3)


@pytest.mark.parametrize("engine", ENGINES)
def test_yolov8_boxes_come_back_in_pixels_of_the_frame(tmp_path: Path, engine: str) -> None:
    # A 128 x 64 frame lies on a 64 x 64 canvas as 64 x 32, from row 16 on, at half its size.
    rows = yolov8_rows([(20, 30, 10, 8, 1, 0.9), (50, 40, 4, 4, 0, 0.5), (5, 20, 4, 4, 0, 0.2)])
    path = write_network(tmp_path / "net.onnx", {"output0": rows}, metadata=names("person", "car"))
    layout, seen = see(path, engine)
    assert layout == "yolov8"
    expect(seen, ("car", 0.9, (30, 20, 50, 36)), ("person", 0.5, (96, 44, 104, 52)))


def test_a_transposed_yolov8_is_known_by_its_labels(tmp_path: Path) -> None:
    rows = yolov8_rows([(20, 30, 10, 8, 1, 0.9)]).transpose(0, 2, 1)
    path = write_network(tmp_path / "net.onnx", {"output0": rows}, metadata=names("person", "car"))
    layout, seen = see(path)
    assert layout == "yolov8"
    expect(seen, ("car", 0.9, (30, 20, 50, 36)))


def test_yolov5_multiplies_scores_by_objectness(tmp_path: Path) -> None:
    rows = np.zeros((1, 3 * CELLS, 7), np.float32)
    rows[0, 0] = [20, 30, 10, 8, 0.5, 0.2, 0.8]
    rows[0, 1] = [50, 40, 4, 4, 0.5, 0.4, 0.1]
    path = write_network(tmp_path / "net.onnx", {"output": rows}, metadata=names("person", "car"))
    layout, seen = see(path)
    assert layout == "yolov5"
    expect(seen, ("car", 0.4, (30, 20, 50, 36)))


def test_end_to_end_rows_are_final_even_where_they_overlap(tmp_path: Path) -> None:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = [15, 26, 25, 34, 0.9, 1]
    rows[0, 1] = [15, 26, 25, 34, 0.8, 1]
    path = write_network(tmp_path / "net.onnx", {"output0": rows}, metadata=names("person", "car"))
    layout, seen = see(path)
    assert layout == "end2end"
    expect(seen, ("car", 0.9, (30, 20, 50, 36)), ("car", 0.8, (30, 20, 50, 36)))


def test_an_end_to_end_network_without_names_numbers_its_classes(tmp_path: Path) -> None:
    rows = np.zeros((1, 300, 6), np.float32)
    rows[0, 0] = [15, 26, 25, 34, 0.9, 7]
    _, seen = see(write_network(tmp_path / "net.onnx", {"output0": rows}))
    expect(seen, ("class_7", 0.9, (30, 20, 50, 36)))


@pytest.mark.parametrize("form", ["yolov8-seg", "end2end-seg"])
def test_masks_are_mixed_from_prototypes_and_cut_to_the_box(tmp_path: Path, form: str) -> None:
    prototypes = np.full((1, 2, 16, 16), -4.0, np.float32)
    prototypes[0, 1, :, :6] = 4  # the second prototype is the left 24 of 64 columns of the canvas
    if form == "yolov8-seg":
        rows = np.zeros((1, 4 + 2 + 2, CELLS), np.float32)
        rows[0, :, 0] = [20, 32, 24, 16, 0, 0.9, 0, 1]
    else:
        rows = np.zeros((1, 300, 6 + 2), np.float32)
        rows[0, 0] = [8, 24, 32, 40, 0.9, 1, 0, 1]
    path = write_network(
        tmp_path / "net.onnx", {"output0": rows, "output1": prototypes}, metadata=names("person", "car")
    )
    layout, seen = see(path)
    assert layout == form
    expect(seen, ("car", 0.9, (16, 16, 64, 48)))
    assert seen.masks is not None
    mask = seen.masks.full(0, 128, 64)
    inside = np.zeros((64, 128), np.bool_)
    inside[16:48, 16:48] = True  # 24 columns of the canvas are 48 of the frame
    assert np.count_nonzero(mask != inside) <= 32  # the edge column may fall either way


def yolox_rows(classes: int = 2) -> NDArray[np.float32]:
    """Return (1, N, 5 + classes) with one object on the second cell of the second row of stride 8."""
    rows = np.zeros((1, CELLS, 5 + classes), np.float32)
    rows[0, 8 + 1, :] = [0.5, 0.25, np.log(2), np.log(1), 0.5, 0.1, 0.8]
    return rows


def test_yolox_cells_are_decoded_from_the_top_left_corner(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", {"output": yolox_rows()}, metadata=names("person", "car"))
    layout, seen = see(path)
    assert layout == "yolox"
    expect(seen, ("car", 0.4, (8, 12, 40, 28)))  # centre (12, 10), 16 x 8, at half size


def test_a_decoded_yolox_has_to_be_named(tmp_path: Path) -> None:
    rows = np.zeros((1, CELLS, 7), np.float32)
    rows[0, 3] = [12, 10, 16, 8, 0.5, 0.1, 0.8]
    path = write_network(tmp_path / "net.onnx", {"output": rows}, metadata=names("person", "car"))
    layout, seen = see(path, layout="yolox-decoded")
    assert layout == "yolox-decoded"
    expect(seen, ("car", 0.4, (8, 12, 40, 28)))


def test_nanodet_plus_is_known_by_its_labels(tmp_path: Path) -> None:
    cells = CELLS + 1
    rows = np.zeros((1, cells, 2 + 32), np.float32)
    rows[0, :, 2:] = -50
    rows[0, 2 * 8 + 3, 1] = 0.7  # cell (3, 2) of stride 8: its corner is at (24, 16)
    for side, distance in enumerate((1, 0, 2, 3)):
        rows[0, 2 * 8 + 3, 2 + 8 * side + distance] = 50
    path = write_network(tmp_path / "net.onnx", {"output": rows}, metadata=names("person", "car"))
    layout, seen = see(path)
    assert layout == "nanodet-plus"
    # 16..40 x 16..40 on the canvas, where the frame lies from row 16 on.
    expect(seen, ("car", 0.7, (32, 0, 80, 48)))


@pytest.mark.parametrize("engine", ENGINES)
def test_detr_logits_and_relative_boxes_are_stretched_back(tmp_path: Path, engine: str) -> None:
    logits = np.full((1, 20, 2), -9.0, np.float32)
    logits[0, 4] = [-9, 2]
    boxes = np.zeros((1, 20, 4), np.float32)
    boxes[0, 4] = [0.5, 0.5, 0.25, 0.5]
    path = write_network(
        tmp_path / "net.onnx",
        {"logits": logits, "pred_boxes": boxes},
        picture_name="pixel_values",
        metadata=names("person", "car"),
    )
    layout, seen = see(path, engine)
    assert layout == "detr"
    expect(seen, ("car", 1 / (1 + np.exp(-2)), (48, 16, 80, 48)))


@pytest.mark.parametrize("kind", ["INT64", "INT32", "FLOAT"])
@pytest.mark.parametrize("engine", ENGINES)
def test_postprocessed_detr_is_told_the_size_of_the_canvas(tmp_path: Path, engine: str, kind: str) -> None:
    labels, scores = np.zeros((1, 30), np.int64), np.zeros((1, 30), np.float32)
    boxes = np.zeros((1, 30, 4), np.float32)
    labels[0, 2], scores[0, 2], boxes[0, 2] = 1, 0.75, [24, 16, 40, 48]
    path = write_network(
        tmp_path / "net.onnx",
        {"labels": labels, "boxes": boxes, "scores": scores},
        extra={"orig_target_sizes": (kind, (1, 2))},
        metadata=names("person", "car"),
    )
    layout, seen = see(path, engine)
    assert layout == "detr-postprocessed"
    expect(seen, ("car", 0.75, (48, 16, 80, 48)))


def test_rtdetr_rows_are_relative_and_scored(tmp_path: Path) -> None:
    rows = np.zeros((1, 300, 7), np.float32)
    rows[0, 9] = [0.5, 0.5, 0.25, 0.5, 0.1, 0.2, 0.75]
    path = write_network(tmp_path / "net.onnx", {"output0": rows}, metadata=names("person", "car", "bus"))
    layout, seen = see(path)
    assert layout == "detr-rows"
    expect(seen, ("bus", 0.75, (48, 16, 80, 48)))


def test_an_input_of_any_size_takes_the_size_of_training(tmp_path: Path) -> None:
    path = write_network(
        tmp_path / "net.onnx",
        {"output0": yolov8_rows([(20, 30, 10, 8, 1, 0.9)])},
        picture=("batch", 3, "height", "width"),
        metadata={**names("person", "car"), "imgsz": "[64, 64]", "stride": "32"},
        free_batch=True,
    )
    detector = load_detector(path, precision="f32")
    assert isinstance(detector, NetworkDetector)
    assert detector.input_wh == (64, 64)
    detector.close()


def test_an_unknown_layout_prints_what_it_saw_and_what_it_knows(tmp_path: Path) -> None:
    path = write_network(tmp_path / "odd.onnx", {"heat": np.zeros((1, 17, 20, 30), np.float32)})
    with pytest.raises(ModelUnreadable) as caught:
        load_model(path)
    message = str(caught.value)
    assert "odd.onnx" in message
    assert "images [1, 3, 64, 64] float32" in message
    assert "heat [1, 17, 20, 30] float32" in message
    assert "yolov8" in message
    assert "`layout:`" in message


def test_a_network_without_a_picture_says_so(tmp_path: Path) -> None:
    path = write_network(
        tmp_path / "sound.onnx", {"y": np.zeros((1, 2, 3), np.float32)}, picture=(1, 1, 1, 16000)
    )
    with pytest.raises(
        ModelUnreadable, match=r"no input of this network takes a colour picture; inputs: images"
    ):
        load_model(path)


def test_an_unknown_layout_name_lists_the_known_ones(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", {"output0": yolov8_rows([])})
    with pytest.raises(
        UnknownName, match=r"unknown layout 'yolov9'; did you mean 'yolov8'\?; known: classifier"
    ):
        load_model(path, layout="yolov9")


def test_a_layout_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    path = write_network(tmp_path / "net.onnx", {"output0": yolov8_rows([])})
    with pytest.raises(ModelUnreadable, match=r"the layout 'fastestdet' does not fit this network"):
        load_model(path, layout="fastestdet")
