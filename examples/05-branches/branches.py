"""Look at each person with a second model, once, at the best crop, and keep what it said with the track."""

from collections.abc import Sequence

import cv2
import numpy as np
from numpy.typing import NDArray

from argus import ModelSpec, Pipeline, PipelineSpec, load_detector, load_model, open_source
from argus.core.frame import Image
from argus.vision.branches.lanes import BranchLanes
from argus.vision.branches.runner import Branches
from argus.vision.models import Classification
from argus.vision.models.load import AnyModel

HUES = {"red": 0, "yellow": 30, "green": 60, "cyan": 90, "blue": 120, "magenta": 150}

SPEC = {
    "track": {"lost_after": "1s"},
    "branches": [{"model": "clothes", "classes": "person", "min_confidence": 0.4}],
}


class Clothes:
    """A classifier that is no network: what colour the middle of a crop has."""

    name = "clothes"
    labels = tuple(HUES)
    input_wh = (24, 48)
    """How many pixels it makes use of: a crop as large as this is good enough."""

    def classify(self, pictures: Sequence[Image]) -> list[Classification]:
        """Return the share of each colour, counted by how vivid it is."""
        return [Classification(self._shares(picture), self.labels) for picture in pictures]

    def _shares(self, picture: Image) -> NDArray[np.float32]:
        height, width = picture.shape[:2]
        middle = picture[height // 5 : height * 4 // 5, width // 5 : width * 4 // 5]
        hue, saturation, _ = cv2.split(cv2.cvtColor(middle, cv2.COLOR_BGR2HSV).astype(np.float32))
        away = [np.abs((hue - centre + 90) % 180 - 90) for centre in HUES.values()]
        nearest = np.argmin(np.stack(away), axis=0)
        votes = np.bincount(nearest.ravel(), saturation.ravel() + 1, len(HUES))
        shares: NDArray[np.float32] = (votes / votes.sum()).astype(np.float32)
        return shares

    def close(self) -> None:
        """Nothing is held."""


def open_model(spec: ModelSpec) -> AnyModel:
    """Return our own model by its name, and any other as Argus does; networks need nothing of this."""
    return Clothes() if spec.path == "clothes" else load_model(spec)


def main() -> None:
    spec = PipelineSpec.read(SPEC, "pipeline")
    detector = load_detector("builtin:plaza")
    with (
        BranchLanes(open_model) as lanes,
        open_source("synthetic:plaza?frames=150&fps=10&people=9&seed=7") as source,
    ):
        branches = Branches(spec.branches, lanes, "plaza", wait=True)
        pipeline = Pipeline(spec, "plaza", branches=branches)
        told: dict[int, str] = {}
        for frame in source:
            result = pipeline.process(frame, detector.detect([frame])[0])
            ids = result.detections.track_id
            for row, findings in result.findings.items():
                track = 0 if ids is None else int(ids[row])
                said = f"{findings[0].caption}, seen in frame {findings[0].frame}"
                if told.get(track) != said:
                    told[track] = said
                    print(f"{frame.time_s:4.1f} s  person {track}: {said}")
        print(f"{branches.counts.looks} looks at {len(told)} people in {frame.index + 1} frames")
        branches.close()
    detector.close()


if __name__ == "__main__":
    main()
