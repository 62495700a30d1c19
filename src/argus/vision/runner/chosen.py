"""Which frames of a recording are looked at, and which part of them: the motion gate and the crop.

What `argus.vision.engine.feed` does for cameras, without its threads.
"""

from __future__ import annotations

from collections.abc import Iterator

from argus.core.frame import Frame
from argus.core.resources.pipeline import PipelineSpec
from argus.vision.crop_view import crop_frame
from argus.vision.gate import MotionGate
from argus.vision.pipeline import Pipeline
from argus.vision.results import FrameResult
from argus.vision.sources.protocol import Source


class Chosen:
    """Iterates over the frames of a recording that are worth a look; iterate once."""

    def __init__(self, source: Source, spec: PipelineSpec) -> None:
        """Take nothing yet."""
        self.gated = 0
        """Frames held back so far."""
        self._source = source
        self._crop = spec.crop
        self._gate = None if spec.motion_gate is None else MotionGate(spec.motion_gate)

    def __iter__(self) -> Iterator[Frame]:
        """Yield them in order."""
        if self._gate is None and self._crop is None:
            yield from self._source
            return
        for frame in self._source:
            seen = frame if self._crop is None else crop_frame(frame, self._crop)
            if self._gate is None or self._gate.passes(seen, frame.time_s):
                yield seen
            else:
                self.gated += 1

    def saw(self, pipeline: Pipeline, result: FrameResult) -> None:
        """Hear what was found, so that who stands still is looked at again."""
        if self._gate is not None:
            self._gate.saw(max(pipeline.followed, len(result.detections)))
