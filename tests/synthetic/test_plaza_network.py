"""`builtin:plaza`: small, well described, and good at the scene it was trained for."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from importlib.resources import files
from typing import Any

import pytest

import argus.vision.models
from argus.core.detections import Detections
from argus.core.frame import Frame
from argus.vision.evaluation import GroundTruth, evaluate
from argus.vision.models.engines.onnxruntime import import_onnxruntime
from argus.vision.models.load import load_detector
from argus.vision.pictures import ArrayPicture
from argus.vision.synthetic import Plaza

UNSEEN_SEED = 950_000
"""The training starts at seed 10 000 and its evaluation at 900 000."""


@pytest.fixture(scope="module")
def weights() -> bytes:
    return (files(argus.vision.models) / "weights" / "plaza.onnx").read_bytes()


@pytest.fixture(scope="module")
def card() -> dict[str, Any]:
    text = (files(argus.vision.models) / "weights" / "plaza.json").read_text(encoding="utf-8")
    return dict(json.loads(text))


def test_the_weights_are_at_most_four_megabytes(weights: bytes) -> None:
    assert len(weights) <= 4_000_000


def test_the_card_describes_these_very_weights(weights: bytes, card: dict[str, Any]) -> None:
    assert card["sha256"] == hashlib.sha256(weights).hexdigest()
    assert card["bytes"] == len(weights)
    assert card["evaluation"]["map50"] >= 0.9
    assert {"script", "seed", "torch", "training", "labels", "input"} <= set(card)


def test_seeds_of_training_evaluation_and_this_test_never_meet(card: dict[str, Any]) -> None:
    trained, evaluated = card["training"]["scene_seeds"], card["evaluation"]["scene_seeds"]
    assert trained[1] < evaluated[0] < evaluated[1] < UNSEEN_SEED


def test_the_network_says_how_it_is_to_be_read(weights: bytes) -> None:
    session = import_onnxruntime().InferenceSession(weights, providers=["CPUExecutionProvider"])
    facts = session.get_modelmeta().custom_metadata_map
    assert facts["task"] == "detect"
    assert facts["names"] == "{0: 'person', 1: 'vehicle'}"
    assert facts["license"] == "Apache-2.0"
    assert session.get_inputs()[0].name == "images"
    assert session.get_inputs()[0].shape == ["batch", 3, 384, 640]
    assert session.get_outputs()[0].shape == ["batch", 6, 5040]


def test_it_finds_nine_tenths_and_more_on_plazas_it_has_never_seen() -> None:
    model = load_detector("builtin:plaza", engine="onnxruntime", precision="f32", confidence=0.001, iou=0.6)
    found: list[Detections] = []
    truths: list[GroundTruth] = []
    for number, (size, night) in enumerate(
        [
            ((640, 360), False),
            ((1280, 720), False),
            ((640, 480), False),
            ((640, 360), True),
            ((960, 540), False),
        ]
    ):
        plaza = Plaza(
            *size, people=6 + 3 * number, vehicles=1 + number, seed=UNSEEN_SEED + number, night=night
        )
        for index in range(100, 2500, 300):
            image, truth = plaza.render(index)
            frame = Frame(ArrayPicture(image), "plaza", index, truth.time_s, datetime.now(UTC))
            found.extend(model.detect([frame]))
            truths.append(truth.ground_truth())
    model.close()
    score = evaluate(found, truths, ("person", "vehicle"))
    assert len(truths) == 40
    assert score.mean >= 0.9
    assert all(part.average_precision >= 0.85 for part in score.classes)
