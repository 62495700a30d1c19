"""A detector and a re-identification network as one: who looks alike has near vectors."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame, Image
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.models import load_embedder
from argus.vision.models.appearance import DetectorWithAppearance
from argus.vision.models.protocols import AsyncDetector
from argus.vision.pictures import ArrayPicture
from argus.vision.runner.job import Job, run_job


class Given:
    """Finds what it was told, frame by frame."""

    name = "given"
    labels = ("person",)

    def __init__(self, boxes: Sequence[Sequence[float]]) -> None:
        self._boxes = np.array(boxes, np.float32).reshape(-1, 4)

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        n = len(self._boxes)
        return [
            Detections(self._boxes, np.ones(n, np.float32), np.zeros(n, np.int32), self.labels)
            for _ in frames
        ]

    def close(self) -> None:
        pass


class MeanColour:
    """Embeds a crop as its mean colour."""

    name = "mean"
    labels: tuple[str, ...] = ()

    def embed(self, pictures: Sequence[Image]) -> NDArray[np.float32]:
        rows = np.array([picture.reshape(-1, 3).mean(axis=0) + 1 for picture in pictures], np.float32)
        unit: NDArray[np.float32] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        return unit

    def close(self) -> None:
        pass


def frame(picture: Image) -> Frame:
    return Frame(ArrayPicture(picture), "test", 0, 0.0, datetime(2026, 1, 1, tzinfo=UTC))


def test_every_object_carries_the_look_of_its_own_crop() -> None:
    picture = np.zeros((40, 80, 3), np.uint8)
    picture[:, 40:] = (0, 0, 255)
    model = DetectorWithAppearance(Given([(0, 0, 20, 40), (50, 0, 70, 40), (60, 10, 79, 30)]), MeanColour())
    looks = model.detect([frame(picture)])[0].embedding
    assert looks is not None
    alike = looks @ looks.T
    assert alike[1, 2] > 0.99
    assert alike[0, 1] < 0.7


def test_specks_and_boxes_outside_the_picture_have_no_look() -> None:
    model = DetectorWithAppearance(Given([(0, 0, 2, 2), (200, 0, 240, 30), (5, 5, 30, 30)]), MeanColour())
    looks = model.detect([frame(np.full((40, 80, 3), 9, np.uint8))])[0].embedding
    assert looks is not None
    assert np.linalg.norm(looks, axis=1).round(3).tolist() == [0, 0, 1]


def test_a_frame_without_objects_has_no_looks() -> None:
    model = DetectorWithAppearance(Given([]), MeanColour())
    pending = model.submit([frame(np.zeros((8, 8, 3), np.uint8))])
    assert pending.result()[0].embedding is None
    assert isinstance(model, AsyncDetector)


def test_a_real_network_tells_the_same_person_from_others(shared_data: Path) -> None:
    golden = json.loads((shared_data / "golden" / "reid_osnet_x0_25.json").read_text())
    crops = [crop for crop in golden["crops"] if crop["frame"] == 1]
    picture = cv2.imread(str(shared_data / golden["sequence"] / "img1" / "000001.jpg"))
    assert picture is not None
    embedder = load_embedder(shared_data / "models" / "osnet_x0_25_msmt17_reid.onnx", precision="f32")
    model = DetectorWithAppearance(Given([crop["xyxy"] for crop in crops]), embedder)
    looks = model.detect([frame(np.ascontiguousarray(picture, np.uint8))])[0].embedding
    model.close()
    assert looks is not None
    order = [i for i, crop in enumerate(golden["crops"]) if crop["frame"] == 1]
    expected = np.array(golden["cosine"])[np.ix_(order, order)]
    assert np.abs(looks @ looks.T - expected).max() < 0.01


def test_a_pipeline_that_names_a_network_follows_by_appearance(shared_data: Path) -> None:
    reid = shared_data / "models" / "osnet_x0_25_msmt17_reid.onnx"
    job = Job(
        source=str(shared_data / "video" / "vtest.avi"),
        model=str(shared_data / "models" / "yolov8n_int8_320.onnx"),
        pipeline=PipelineSpec.read({"track": {"appearance_model": str(reid)}}, "test"),
        limit=25,
    )
    summary = run_job(job)
    assert "appearance by osnet_x0_25_msmt17_reid.onnx" in summary.model
    assert 3 <= len(summary.tracks["person"]) <= 15
