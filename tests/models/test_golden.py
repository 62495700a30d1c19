"""Real networks on real pictures give what they gave elsewhere: golden detections, classes, embeddings."""

from __future__ import annotations

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from tools.parity.golden import Score, compare, frames, read_golden, thresholds

from argus.core.frame import Frame
from argus.vision.models import load_classifier, load_detector, load_embedder

NETWORKS = (
    "fastestdet_352",
    "nanodet_m_416",
    "yolo26n_fp32_640_dequantised",
    "yolov8n-seg_fp32_320_dequantised",
    "yolov8n_fp32_640",
    "yolox_nano_416",
)
QUANTISED = (pytest.param("yolo26n_int8_640", marks=pytest.mark.soak), "yolov8n_int8_320")


@lru_cache(maxsize=1)
def pictures(data: Path) -> dict[str, Frame]:
    """Return every golden picture by its name; decoded once for all tests."""
    golden = read_golden(data / "golden" / f"detections_{NETWORKS[0]}.json")
    return {entry["image"]: frame for entry, frame in frames(data, golden)}


def held_against(data: Path, network: str, **settings: Any) -> tuple[Score, str]:
    """Return how a network fares, and what it ran on."""
    golden = read_golden(data / "golden" / f"detections_{network}.json")
    limits = thresholds(golden)
    detector = load_detector(data / golden["model"], **limits, **settings)
    ran_on = str(getattr(detector, "description", ""))
    seen = detector.detect([pictures(data)[entry["image"]] for entry in golden["images"]])
    score = Score()
    for entry, found in zip(golden["images"], seen, strict=True):
        compare(score, entry, found, limits["confidence"])
    detector.close()
    return score, ran_on


@pytest.mark.parametrize("engine", ["openvino", "onnxruntime"])
@pytest.mark.parametrize("network", NETWORKS)
def test_f32_gives_every_golden_detection_and_nothing_else(
    shared_data: Path, network: str, engine: str
) -> None:
    score, ran_on = held_against(shared_data, network, engine=engine, precision="f32")
    assert ran_on == {"openvino": "OpenVINO f32 on CPU", "onnxruntime": "ONNX Runtime f32 on CPU"}[engine]
    assert score.golden > 150
    assert (score.missed, score.extra) == ([], [])
    assert min(score.mask_ious, default=1.0) >= 0.9


@pytest.mark.parametrize("network", QUANTISED)
def test_quantised_networks_run_as_they_are_on_onnx_runtime(shared_data: Path, network: str) -> None:
    score, ran_on = held_against(shared_data, network, engine="openvino")
    assert ran_on == "ONNX Runtime int8 on CPU"
    assert score.golden > 150
    assert (score.missed, score.extra) == ([], [])


@pytest.mark.parametrize("network", NETWORKS)
def test_the_default_precision_keeps_97_percent_and_loses_nothing_sure(
    shared_data: Path, network: str
) -> None:
    score, ran_on = held_against(shared_data, network)
    assert score.faithful, (ran_on, score.matched, score.golden, score.missed, score.lost)


def test_the_dynamic_export_sees_what_the_fixed_one_sees(shared_data: Path) -> None:
    dynamic = load_detector(shared_data / "models/yolov8n_fp32_dynamic.onnx", precision="f32", batch=2)
    fixed = load_detector(shared_data / "models/yolov8n_fp32_640.onnx", precision="f32")
    three = list(pictures(shared_data).values())[:3]
    for a, b in zip(dynamic.detect(three), fixed.detect(three), strict=True):
        assert a.class_name == b.class_name
        np.testing.assert_allclose(a.xyxy, b.xyxy, atol=0.05)
    dynamic.close()
    fixed.close()


def test_the_classifier_agrees_where_the_golden_one_was_sure(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden/classification_mobilenet_v2_int8_224.json").read_text())
    names = [
        line.split(" ", 1)[1] for line in (shared_data / golden["labels"].split()[0]).read_text().splitlines()
    ]
    classifier = load_classifier(shared_data / golden["model"], labels=names)
    for entry in golden["images"]:
        picture = cv2.imread(str(shared_data / entry["image"]))
        said = classifier.classify([np.asarray(picture, np.uint8)])[0]
        for wanted in entry["top5"]:
            assert abs(said.probabilities[wanted["class_id"]] - wanted["probability"]) <= 0.15
        likeliest = entry["top5"][0]
        if likeliest["probability"] >= 0.09:
            assert said.top(1)[0][0] == names[likeliest["class_id"]]
    classifier.close()


@pytest.mark.parametrize("settings", [{"precision": "f32"}, {"engine": "onnxruntime"}, {}])
def test_embeddings_tell_persons_apart(shared_data: Path, settings: dict[str, str]) -> None:
    golden = json.loads((shared_data / "golden/reid_osnet_x0_25.json").read_text())
    embedder = load_embedder(shared_data / golden["model"], **settings)
    crops = []
    for crop in golden["crops"]:
        x1, y1, x2, y2 = crop["xyxy"]
        picture = cv2.imread(str(shared_data / golden["sequence"] / "img1" / f"{crop['frame']:06d}.jpg"))
        assert picture is not None
        crops.append(np.ascontiguousarray(picture[y1:y2, x1:x2], np.uint8))
    vectors = embedder.embed(crops)
    embedder.close()
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    cosine = vectors @ vectors.T
    exact = settings != {}
    np.testing.assert_allclose(cosine, golden["cosine"], atol=1e-3 if exact else 0.02)
    same = [[a["gt_id"] == b["gt_id"] for b in golden["crops"]] for a in golden["crops"]]
    assert cosine[np.array(same)].min() >= 0.92
    assert cosine[~np.array(same)].max() <= 0.57
