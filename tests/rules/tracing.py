"""A pipeline that is traced second by second, on detections made up for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any

import numpy as np

from argus.core.detections import Detections
from argus.core.resources.model import ModelSpec
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.engine.accounting import FrameCounts
from argus.vision.explain import Explanation, explain
from argus.vision.models.doubts import DoubtfulDetections
from argus.vision.pipeline import Pipeline
from argus.vision.trace import Tracer
from tests.rules.scene import BEGIN, HEIGHT, LABELS, WIDTH, frame_at

FPS = 10
MODEL = ModelSpec.model_validate({"path": "x.onnx", "confidence": 0.25})
ZONE = {"polygon": [[0.4, 0.2], [0.6, 0.2], [0.6, 0.8], [0.4, 0.8]]}

Sight = tuple[float, float, str, float]
"""Where the feet of somebody are (relative), a class and a score."""
Scene = Callable[[float], list[Sight]]


def seen(sights: list[Sight], doubts: list[Sight] | None = None) -> Detections:
    """What a model gives, and what it leaves out."""
    given = _made(sights)
    if not doubts:
        return given
    left_out = _made(doubts)
    return DoubtfulDetections(given.xyxy, given.confidence, given.class_id, LABELS, doubts=left_out)


def _made(sights: list[Sight]) -> Detections:
    boxes = [[x * WIDTH - 20, y * HEIGHT - 80, x * WIDTH + 20, y * HEIGHT] for x, y, _, _ in sights]
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array([score for *_, score in sights], np.float32),
        np.array([LABELS.index(name) for _, _, name, _ in sights], np.int32),
        LABELS,
    )


class Traced:
    """A real pipeline with its real rules and tracer; frames, time and camera are told."""

    def __init__(self, spec: Mapping[str, Any], model: ModelSpec = MODEL) -> None:
        self.spec = PipelineSpec.model_validate(spec)
        self.pipeline = Pipeline(self.spec, "gate")
        self.tracer = Tracer(self.spec, model)
        self.counts = FrameCounts()
        self.tracer.second(self.counts.copy(), "online", "", 0.0)
        self.seconds: list[dict[str, Any]] = []
        self.now = 0
        """Seconds that have passed."""

    def run(
        self,
        seconds: int,
        scene: Scene = lambda _: [],
        *,
        doubts: Scene | None = None,
        fate: str = "processed",
        state: str = "online",
        reason: str = "",
    ) -> Traced:
        """Let so many seconds pass; `fate` is what becomes of their frames."""
        for _ in range(seconds):
            for number in range(0 if fate == "none" else FPS):
                time_s = self.now + number / FPS
                self.counts.decoded += 1
                setattr(self.counts, fate, getattr(self.counts, fate) + 1)
                if fate == "processed":
                    given = seen(scene(time_s), None if doubts is None else doubts(time_s))
                    frame = frame_at(time_s, self.now * FPS + number)
                    result = self.pipeline.process(frame, given, model="x.onnx")
                    self.tracer.frame(given, result, self.pipeline.rules)
            data = self.tracer.second(self.counts.copy(), state, reason, 1.0)
            self.seconds.append({"at": BEGIN + timedelta(seconds=self.now), **data})
            self.now += 1
        return self

    def at(self, time_s: float) -> datetime:
        """The moment so many seconds after the beginning."""
        return BEGIN + timedelta(seconds=time_s)

    def why(self, time_s: float | None = None, **options: Any) -> Explanation:
        """Ask around a moment; the end, unless told."""
        at = self.at(self.now if time_s is None else time_s)
        return explain(self.spec, self.seconds, at, **options)


def standing(x: float, y: float, name: str = "person", score: float = 0.9) -> Scene:
    """Somebody who does not move."""
    return lambda _: [(x, y, name, score)]


def between(begin_s: float, end_s: float, scene: Scene) -> Scene:
    """The same, there for a while only."""
    return lambda t: scene(t) if begin_s <= t < end_s else []
