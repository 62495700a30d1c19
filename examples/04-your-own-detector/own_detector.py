"""Plug a detector of your own, which is no network, into a pipeline: it finds what moved."""

from collections.abc import Sequence

import cv2
import numpy as np

from argus import Detections, Frame, Pipeline, PipelineSpec, open_source
from argus.core.frame import Image


class WhatMoved:
    """Finds where a frame differs from the one before it."""

    name = "what-moved"
    labels = ("moving",)

    def __init__(self) -> None:
        self._before: Image | None = None

    def detect(self, frames: Sequence[Frame]) -> list[Detections]:
        """Return the moving patches of each frame; the first frame has none."""
        return [self._look(frame) for frame in frames]

    def _look(self, frame: Frame) -> Detections:
        # A small grey view comes straight from the decoder; the full picture is never made.
        width, height = 480, 270
        gray = frame.resized(width, height, "gray")
        before, self._before = self._before, gray
        if before is None:
            return Detections.empty(self.labels)
        changed = (cv2.absdiff(gray, before) > 18).astype(np.uint8)
        joined = cv2.morphologyEx(changed, cv2.MORPH_CLOSE, np.ones((25, 9), np.uint8))
        _, _, stats, _ = cv2.connectedComponentsWithStats(joined)
        boxes = np.array([[x, y, x + w, y + h] for x, y, w, h, area in stats[1:] if area >= 80], np.float32)
        scale = np.array([frame.width / width, frame.height / height] * 2, np.float32)
        return Detections(
            xyxy=boxes.reshape(-1, 4) * scale,
            confidence=np.ones(len(boxes), np.float32),
            class_id=np.zeros(len(boxes), np.int32),
            labels=self.labels,
        )

    def close(self) -> None:
        """Nothing is held."""


def main() -> None:
    detector = WhatMoved()
    pipeline = Pipeline(PipelineSpec(), camera="plaza")
    tracks: set[int] = set()
    with open_source("synthetic:plaza?frames=40&fps=10") as source:
        for frame in source:
            result = pipeline.process(frame, detector.detect([frame])[0])
            if result.detections.track_id is not None:
                tracks |= set(result.detections.track_id.tolist()) - {0}
    print(f"{len(tracks)} moving things were followed")


if __name__ == "__main__":
    main()
