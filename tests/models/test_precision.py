"""When a lower precision is taken, and that the verdict is remembered."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import TextIO

import pytest
from structlog.testing import capture_logs

from argus.core.resources.model import ModelSpec
from argus.core.settings import read_settings
from argus.vision.models import load_detector, load_model
from argus.vision.models.engines.choose import lower_precision
from argus.vision.models.precision import Verdict, _remember, judge
from argus.vision.models.probe import Agreement
from tests.models.networks import names, write_network, yolov8_rows


@pytest.mark.parametrize(
    ("same", "taken", "reason"),
    [
        (Agreement(200, 4, 40, 15), True, "98.0% of 200 objects are the same in bf16"),
        (Agreement(200, 13, 40, 15), False, "13 of 200 objects differ between f32 and bf16"),
        (Agreement(49, 0, 40, 15), False, "only 49 objects were seen in the trial"),
        (Agreement(0, 0, 40, 15), False, "only 0 objects"),
        (Agreement(200, 0, 40, 39), False, "bf16 is not faster here"),
    ],
)
def test_a_lower_precision_must_be_alike_and_faster(same: Agreement, taken: bool, reason: str) -> None:
    verdict, why = judge("detect", "bf16", same)
    assert verdict is taken
    assert why.startswith(reason)


def bf16_here() -> None:
    if lower_precision("openvino", ModelSpec(path="x")) != "bf16":
        pytest.skip("this processor has no bf16")  # no machine can be asked to have one


def tried(path: Path) -> list[dict[str, object]]:
    """Return what the loading of a network said of its precision."""
    with capture_logs() as logs:
        load_model(path, engine="openvino").close()
    return [dict(entry) for entry in logs if entry["event"].startswith("model.precision")]


def test_a_network_that_sees_nothing_in_the_trial_stays_exact(tmp_path: Path) -> None:
    bf16_here()
    path = write_network(tmp_path / "net.onnx", {"output0": yolov8_rows([])}, metadata=names("person", "car"))
    detector = load_detector(path, engine="openvino")
    assert getattr(detector, "description", "") == "OpenVINO f32 on CPU"
    detector.close()


def test_a_verdict_is_remembered_for_the_same_file_only(tmp_path: Path) -> None:
    bf16_here()
    rows = yolov8_rows([(20 + 4 * i, 30, 3, 3, 1, 0.9) for i in range(8)])
    first = write_network(tmp_path / "first.onnx", {"output0": rows}, metadata=names("person", "car"))
    second = write_network(tmp_path / "second.onnx", {"output0": 0.9 * rows}, metadata=names("person", "car"))
    events = [tried(path)[0]["event"] for path in (first, first, second)]
    assert events == ["model.precision_tried", "model.precision_remembered", "model.precision_tried"]


def test_a_damaged_verdict_is_made_anew(tmp_path: Path) -> None:
    bf16_here()
    rows = yolov8_rows([(20, 30, 3, 3, 1, 0.8)])
    path = write_network(tmp_path / "net.onnx", {"output0": rows}, metadata=names("person", "car"))
    assert tried(path)[0]["event"] == "model.precision_tried"
    for file in (read_settings().cache / "precision").iterdir():
        file.write_text('{"taken": tru')
    assert tried(path)[0]["event"] == "model.precision_tried"


def test_a_verdict_that_cannot_be_kept_is_no_failure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bf16_here()
    monkeypatch.setenv("ARGUS_HOME", "/proc/argus")
    path = write_network(tmp_path / "net.onnx", {"output0": yolov8_rows([])}, metadata=names("person", "car"))
    assert tried(path)[0]["event"] == "model.precision_tried"


def test_heads_that_choose_by_themselves_are_never_tried(shared_data: Path) -> None:
    with capture_logs() as logs:
        detector = load_detector(shared_data / "models/yolo26n_fp32_640_dequantised.onnx", engine="openvino")
    assert getattr(detector, "description", "") == "OpenVINO f32 on CPU"
    assert [entry for entry in logs if entry["event"].startswith("model.precision")] == []
    detector.close()


def test_a_network_quantised_for_each_picture_leaves_openvino_with_a_warning(shared_data: Path) -> None:
    path = shared_data / "models/yolov8n_int8_320.onnx"
    for engine, level in (("openvino", "warning"), ("auto", "info")):
        with capture_logs() as logs:
            detector = load_detector(path, engine=engine)
        assert getattr(detector, "description", "") == "ONNX Runtime int8 on CPU"
        assert [(e["event"], e["log_level"]) for e in logs] == [("model.engine_fallback", level)]
        detector.close()


def test_a_verdict_that_the_disk_has_no_room_for_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(told: object, file: TextIO) -> None:
        file.write("half")
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("argus.vision.models.precision.json.dump", full)
    _remember(tmp_path / "precision" / "key.json", Verdict(True, "the same", 60, 0, 2.0, 1.0))
    assert list((tmp_path / "precision").iterdir()) == []
