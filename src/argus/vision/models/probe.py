"""What a network is tried on before it may run faster and less exactly, and how two runs are compared.

The pictures are frames of the synthetic plaza, the same on every machine. A network whose objects
are not seen there gives no evidence, and then nothing is allowed. Why this probe, and how well it
foretells real pictures: `docs/decisions/0006-precision-auto.md`.
"""

from __future__ import annotations

import datetime
import time
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from argus.core.detections import Detections
from argus.core.frame import Frame, Image
from argus.core.geometry import iou_matrix
from argus.vision.models.detector import NetworkDetector
from argus.vision.models.engines.protocol import Network
from argus.vision.models.layouts.layout import BoxLayout, VectorLayout
from argus.vision.models.opening import Plan
from argus.vision.models.reading import Thresholds
from argus.vision.models.vectors import RowNetwork, probabilities, unit_vectors
from argus.vision.pictures import ArrayPicture

VERSION = 2
"""Changes whenever the pictures or the comparison do, so that remembered verdicts are made anew."""
SAME_IOU = 0.9
SAME_CONFIDENCE = 0.03
SAME_COSINE = 0.99
_SEEDS = (1, 2)
_FRAMES = 8
"""Per seed."""
_CONFIDENCE = 0.2
"""Objects below it are not compared: most users never see them."""
_MOST_CROPS = 64


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far two runs of one network agree, and what they took."""

    compared: int
    """Objects (or crops) that the exact run gave."""
    different: int
    """Those for which the other run gave nothing of the same class, place and confidence."""
    exact_ms: float
    """Processor time per picture, over all cores: other programs do not spoil it as they do wall time."""
    other_ms: float

    @property
    def share(self) -> float:
        """Share of the objects that agree; 0 where there are none."""
        return 1 - self.different / self.compared if self.compared else 0.0


def agreement(planned: Plan, exact: Network, other: Network) -> Agreement:
    """Return how far `other` gives what `exact` gives on the pictures of the probe."""
    layout = planned.layout
    if isinstance(layout, VectorLayout):
        return _compare_rows(planned, layout, exact, other)
    mine, exact_ms = _detect(planned, layout, exact, _CONFIDENCE)
    # An object just above the line in one run may be just below it in the other.
    theirs, other_ms = _detect(planned, layout, other, _CONFIDENCE - SAME_CONFIDENCE)
    different = sum(_differences(a, b) for a, b in zip(mine, theirs, strict=True))
    return Agreement(sum(map(len, mine)), different, exact_ms, other_ms)


def _detect(
    planned: Plan, layout: BoxLayout, network: Network, confidence: float
) -> tuple[list[Detections], float]:
    detector = NetworkDetector(
        name=planned.name,
        labels=planned.labels,
        network=network,
        layout=layout,
        canvas=planned.canvas,
        thresholds=Thresholds(confidence, 0.7, 300),
    )
    frames = _frames()
    detector.detect(frames[:1])  # the first inference sets things up and would spoil the time
    started = time.process_time()
    pending = [detector.submit([frame]) for frame in frames]
    seen = [one for item in pending for one in item.result()]
    return seen, 1000 * (time.process_time() - started) / len(frames)


def _differences(exact: Detections, other: Detections) -> int:
    """Return how many objects of `exact` have no counterpart."""
    near = iou_matrix(exact.xyxy, other.xyxy) >= SAME_IOU
    near &= exact.class_id[:, None] == other.class_id
    near &= np.abs(exact.confidence[:, None] - other.confidence) <= SAME_CONFIDENCE
    return len(exact) - int(np.count_nonzero(near.any(axis=1)))


def _compare_rows(planned: Plan, layout: VectorLayout, exact: Network, other: Network) -> Agreement:
    crops = _crops()
    rows, times = [], []
    for network in (exact, other):
        model = RowNetwork(
            name=planned.name, labels=planned.labels, network=network, layout=layout, canvas=planned.canvas
        )
        model.rows(crops[:1])
        started = time.process_time()
        rows.append(model.rows(crops))
        times.append(1000 * (time.process_time() - started) / len(crops))
    if layout.task == "classify":
        said = [probabilities(row) for row in rows]
        same = np.abs(said[0] - said[1]).max(axis=1) <= SAME_CONFIDENCE
    else:
        vectors = [unit_vectors(row) for row in rows]
        same = (vectors[0] * vectors[1]).sum(axis=1) >= SAME_COSINE
    return Agreement(len(crops), int(np.count_nonzero(~same)), *times)


def _frames() -> tuple[Frame, ...]:
    when = datetime.datetime(2000, 1, 1, tzinfo=datetime.UTC)
    return tuple(Frame(ArrayPicture(scene), "probe", i, 0.0, when) for i, (scene, _) in enumerate(_scenes()))


@lru_cache(maxsize=1)
def _scenes() -> tuple[tuple[Image, NDArray[np.float32]], ...]:
    """Return the pictures of the probe, and the boxes of those who are in them."""
    from argus.vision.synthetic import Plaza

    scenes = []
    for seed in _SEEDS:
        plaza = Plaza(width=960, height=540, people=14, vehicles=5, seed=seed)
        for i in range(_FRAMES):
            image, truth = plaza.render(60 * i)
            scenes.append((image, truth.xyxy))
    return tuple(scenes)


def _crops() -> list[Image]:
    """Return people and vehicles of the pictures, cut out."""
    crops = []
    for image, boxes in _scenes():
        for x1, y1, x2, y2 in boxes.round().astype(int).tolist():
            if x2 - x1 >= 8 and y2 - y1 >= 8:
                crops.append(np.ascontiguousarray(image[y1:y2, x1:x2]))
    return crops[:: max(1, len(crops) // _MOST_CROPS)][:_MOST_CROPS]
