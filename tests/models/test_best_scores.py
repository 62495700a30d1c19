"""The best score of every proposal, found by the engine on its way: the same answers, read faster."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from argus.core.resources.model import ModelSpec
from argus.vision.models.engines.protocol import Arrays, infer
from argus.vision.models.layouts.yolov8 import YoloV8
from argus.vision.models.opening import Plan, plan
from argus.vision.models.precision import open_at_best
from tests.models.networks import names, write_network, yolov8_rows


def outputs_of(file: Path, precision: str, pictures: NDArray[np.uint8]) -> tuple[Plan, Arrays]:
    asked: dict[str, Any] = {"path": str(file), "precision": precision}
    if len(pictures) > 1:
        asked["batch"] = len(pictures)
    spec = ModelSpec.read(asked, "test")
    planned = plan(file, spec)
    network = open_at_best("openvino", planned, spec)
    try:
        return planned, infer(network, pictures)
    finally:
        network.close()


@pytest.mark.parametrize("precision", ["f32", "bf16"])
@pytest.mark.parametrize(
    ("name", "batch"),
    [("yolov8n_fp32_640", 1), ("yolov8n_fp32_dynamic", 2), ("yolov8n-seg_fp32_320_dequantised", 1)],
)
def test_openvino_gives_them_behind_the_outputs_of_the_network(
    shared_data: Path, name: str, batch: int, precision: str
) -> None:
    side = 320 if "320" in name else 640
    pictures = np.random.default_rng(3).integers(0, 256, (batch, side, side, 3), np.uint8)
    planned, outputs = outputs_of(shared_data / "models" / f"{name}.onnx", precision, pictures)
    assert isinstance(planned.layout, YoloV8)
    assert len(outputs) == len(planned.signature.outputs) + 1 == planned.layout.outputs + 1
    assert np.array_equal(outputs[-1], outputs[0][:, 4:84].max(axis=1))


def test_a_network_that_mixes_boxes_and_scores_is_read_without_them(tmp_path: Path) -> None:
    file = write_network(
        tmp_path / "net.onnx", {"output0": yolov8_rows([(32, 32, 10, 8, 1, 0.9)])}, metadata=names("a", "b")
    )
    planned, outputs = outputs_of(file, "f32", np.zeros((1, 64, 64, 3), np.uint8))
    assert isinstance(planned.layout, YoloV8)
    assert len(outputs) == 1
    assert planned.layout.decode([outputs[0][0]], (64, 64), 0.5).class_id.tolist() == [1]


def broken(place: int, channels: slice) -> NDArray[np.float32]:
    rows: NDArray[np.float32] = yolov8_rows([(32, 32, 10, 8, 1, 0.9), (10, 10, 6, 6, 0, 0.8)])[0]
    rows[channels, place] = np.nan
    return rows


@pytest.mark.parametrize("place", [1, 40])
def test_a_broken_proposal_is_counted_though_the_engine_passed_over_it(place: int) -> None:
    layout = YoloV8(classes=2)
    rows = broken(place, slice(None))
    overlooked = np.nan_to_num(rows[4:], nan=-np.inf).max(axis=0)
    plainly = layout.decode([rows], (64, 64), 0.5)
    found = layout.decode([rows, overlooked], (64, 64), 0.5)
    assert found.not_finite == plainly.not_finite == 1
    assert np.array_equal(found.xyxy, plainly.xyxy)
    assert np.array_equal(found.class_id, plainly.class_id)


def test_a_proposal_of_which_one_score_is_broken_is_no_object_of_that_class() -> None:
    layout = YoloV8(classes=2)
    rows = broken(0, slice(4, 5))
    found = layout.decode([rows, np.fmax(rows[4], rows[5])], (64, 64), 0.5)
    plainly = layout.decode([rows], (64, 64), 0.5)
    assert found.not_finite == plainly.not_finite == 1
    assert np.array_equal(found.class_id, plainly.class_id)
